"""LPIPS with VGG-16 (arXiv 1801.03924); its weights are fetched on demand or lie in a folder.

Two files are needed: torchvision's `vgg16-397923af.pth` and the LPIPS authors' linear layers
`vgg.pth` (version 0.1). Without them the metric is not available; nothing stands in for it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

import torch
from jaxtyping import Float
from torch import Tensor

from harmony.evaluation.flow import FETCH_SECONDS, network_timeout
from harmony.evaluation.metrics import lpips_distance

VGG_FILE = "vgg16-397923af.pth"
LINEAR_FILE = "vgg.pth"
LINEAR_URL = "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1/vgg.pth"
LINEAR_SHA256 = "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868"
LAYERS_BEFORE_TAP = (4, 9, 16, 23, 30)
"""Ends of torchvision's VGG-16 feature layers after relu1_2, 2_2, 3_3, 4_3 and 5_3."""
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)

Perceptual = Callable[[Float[Tensor, "B 3 H W"], Float[Tensor, "B 3 H W"]], Float[Tensor, " B"]]


def load_lpips(
    folder: Path | None, device: torch.device, on_message: Callable[[str], None]
) -> Perceptual | None:
    """Return LPIPS between pictures in [0, 1], or None where its weights cannot be had.

    Args:
        folder: Holds `VGG_FILE` and `LINEAR_FILE`; None fetches them once, checked by SHA-256.
        device: Where it computes.
        on_message: Told that the metric is not available.

    Raises:
        ValueError: A folder is given and a file is missing or damaged in it.
    """
    if folder is None:
        return _fetched(device, on_message)
    for name in (VGG_FILE, LINEAR_FILE):
        if not (folder / name).is_file():
            raise ValueError(f"The LPIPS folder {folder} has no {name}.")
    return build_lpips(_read(folder / VGG_FILE), _read(folder / LINEAR_FILE), device)


def _fetched(device: torch.device, on_message: Callable[[str], None]) -> Perceptual | None:
    try:
        vgg, linear = fetch_states()
    except (URLError, OSError, RuntimeError) as error:  # torch raises the last for a wrong hash
        on_message(f"LPIPS is not available: its weights could not be fetched ({error}).")
        return None
    return build_lpips(vgg, linear, device)


def fetch_states() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the weights of VGG-16 and of the linear layers, from torch's folder or the network.

    Raises:
        OSError: There is no network, or no room on the disk.
        RuntimeError: A file is not the expected one.
    """
    from torchvision.models import VGG16_Weights

    file = Path(torch.hub.get_dir()) / "checkpoints" / f"lpips-v0.1-{LINEAR_FILE}"
    with network_timeout(FETCH_SECONDS):
        weights = VGG16_Weights.IMAGENET1K_V1
        vgg = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
        if not file.is_file():
            torch.hub.download_url_to_file(LINEAR_URL, str(file), LINEAR_SHA256, progress=False)
    return dict(vgg), _read(file)


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
