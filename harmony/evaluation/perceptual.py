"""LPIPS with VGG-16 (arXiv 1801.03924), from weights that the user provides.

Two files are needed: torchvision's `vgg16-397923af.pth` and the LPIPS authors' linear layers
`vgg.pth` (version 0.1). Without them the metric is not available; nothing stands in for it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from harmony.evaluation.metrics import lpips_distance

VGG_FILE = "vgg16-397923af.pth"
LINEAR_FILE = "vgg.pth"
LAYERS_BEFORE_TAP = (4, 9, 16, 23, 30)
"""Ends of torchvision's VGG-16 feature layers after relu1_2, 2_2, 3_3, 4_3 and 5_3."""
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)

Perceptual = Callable[[Float[Tensor, "B 3 H W"], Float[Tensor, "B 3 H W"]], Float[Tensor, " B"]]


def load_lpips(folder: Path | None, device: torch.device) -> Perceptual | None:
    """Return LPIPS between pictures in [0, 1], or None where no folder is given.

    Args:
        folder: Holds `VGG_FILE` and `LINEAR_FILE`.
        device: Where it computes.

    Raises:
        ValueError: A folder is given and a file is missing or damaged in it.
    """
    if folder is None:
        return None
    for name in (VGG_FILE, LINEAR_FILE):
        if not (folder / name).is_file():
            raise ValueError(f"The LPIPS folder {folder} has no {name}.")
    return build_lpips(_read(folder / VGG_FILE), _read(folder / LINEAR_FILE), device)


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file may raise anything
        raise ValueError(
            f"{path} is damaged or holds no weights ({type(error).__name__}); fetch it again."
        ) from error


def build_lpips(
    vgg_state: dict[str, Tensor], linear_state: dict[str, Tensor], device: torch.device
) -> Perceptual:
    """Return LPIPS from the state of VGG-16 and of the linear layers `lin0` to `lin4`."""
    from torchvision.models import vgg

    layers = vgg.make_layers(vgg.cfgs["D"], batch_norm=False)
    prefix = "features."
    layers.load_state_dict(
        {key.removeprefix(prefix): v for key, v in vgg_state.items() if key.startswith(prefix)}
    )
    layers = layers.eval().to(device)
    weights = [
        linear_state[f"lin{level}.model.1.weight"].flatten().to(device)
        for level in range(len(LAYERS_BEFORE_TAP))
    ]
    shift = torch.tensor(SHIFT, device=device).view(1, 3, 1, 1)
    scale = torch.tensor(SCALE, device=device).view(1, 3, 1, 1)

    def features(pictures: Tensor) -> list[Tensor]:
        hidden = (pictures.to(device) * 2 - 1 - shift) / scale
        taps = []
        for number, layer in enumerate(layers, start=1):
            hidden = layer(hidden)
            if number in LAYERS_BEFORE_TAP:
                # VGG's ReLU works in place; the next layer must not change what was tapped.
                taps.append(hidden.clone())
        return taps

    @torch.inference_mode()
    def measure(pictures: Tensor, targets: Tensor) -> Tensor:
        return lpips_distance(features(pictures), features(targets), weights).cpu().clone()

    return measure
