"""What a training run leaves behind: weights, their card, and scores on held-out objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from harmony.models.base import ModelDefaults
from harmony.models.small import SmallConfig, SmallDenoiser, SmallNetwork
from harmony.models.small.denoiser import write_defaults
from harmony.models.small.weights import load_state, save_model
from harmony.records import Guidance, ReferenceImage, SamplerSettings
from harmony.training.objects import ObjectLibrary
from harmony.training.state import TrainingState
from harmony.training.stream import render_views
from harmony.training.validation import ValidationObject, validate

SHIFT, GUIDED_SHARE, GUIDANCE_BOUND = 6.0, 0.12, 0.15
DEFAULTS = ModelDefaults(Guidance("decomposed", 2.0, 0.5), SamplerSettings("ddim", 12, 0.0))
GUIDANCE_GRID = ((0.0, 0.0), (1.0, 0.0), (2.0, 0.0), (2.0, 1.0))
GRID_OBJECTS = 64
CHECK_GUIDANCE, CHECK_SETTINGS = Guidance("decomposed", 1.0, 0.0), SamplerSettings("ddim", 10, 0.0)


def validation_set(
    library: ObjectLibrary, ids: Sequence[int], image_size: int
) -> list[ValidationObject]:
    """Render held-out objects once, lit plainly, with the input at elevation 30."""
    objects = []
    for index in ids:
        reference, views = (
            pictures.cpu()
            for pictures in render_views(library, index, image_size=image_size, elevation_deg=30.0)
        )
        rgb, alpha = reference[:3].float() / 127.5 - 1, reference[3:].float() / 255
        truth = views[:, :3].float() / 255
        objects.append(
            ValidationObject(library.names[index], ReferenceImage(rgb, alpha, 30.0), truth)
        )
    return objects


def denoiser(
    weights: Mapping[str, Tensor], config: SmallConfig, device: torch.device
) -> SmallDenoiser:
    """Return a model that samples with these weights, apart from the network in training."""
    network = SmallNetwork(config)
    network.load_state_dict(weights, strict=True)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    return SmallDenoiser(
        network.to(device),
        name="small",
        weights_sha256="",
        shift=SHIFT,
        guided_share=GUIDED_SHARE,
        guidance_bound=GUIDANCE_BOUND,
        defaults=DEFAULTS,
        dtype=dtype,
    )


@dataclass(frozen=True)
class CheckpointCheck:
    """Scores the averaged weights at every checkpoint, quickly, on a few held-out objects.

    Attributes:
        objects: None of them switches the check off.
        make: Returns a model that samples with given weights.
        guidance: The dials of the check.
        settings: Its sampler.
    """

    objects: Sequence[ValidationObject]
    make: Callable[[Mapping[str, Tensor]], SmallDenoiser]
    guidance: Guidance = CHECK_GUIDANCE
    settings: SamplerSettings = CHECK_SETTINGS

    def __call__(self, state: TrainingState) -> dict[str, object]:
        """Return a line of the log: PSNR to the true views."""
        if not self.objects:
            return {}
        model = self.make(state.averaged_state())
        score = validate(model, self.objects, guidance=self.guidance, settings=self.settings)
        return {
            "validation_psnr": round(score.psnr, 3),
            "objects": len(self.objects),
            "sampler_steps": self.settings.num_steps,
        }


def export(
    state: TrainingState,
    config: SmallConfig,
    record: dict[str, Any],
    validation: Sequence[ValidationObject],
    folder: Path,
    device: torch.device,
) -> None:
    """Write the averaged weights with a card that holds the run and its validation scores.

    The weights are on disk before the scores are begun, so a run cut short keeps them.
    """
    card: dict[str, Any] = {
        "name": "small",
        "kind": "small",
        "shift": SHIFT,
        "guided_share": GUIDED_SHARE,
        "guidance_bound": GUIDANCE_BOUND,
        "config": config.to_json(),
        "defaults": write_defaults(DEFAULTS),
        "training": record,
    }
    weights = state.averaged_state()
    save_model(folder, weights, card)
    if validation:
        stored, _ = load_state(folder)
        scores = _scores(weights, stored, validation, config, device)
        save_model(folder, weights, {**card, "validation": scores})


def _scores(
    weights: Mapping[str, Tensor],
    stored: Mapping[str, Tensor],
    validation: Sequence[ValidationObject],
    config: SmallConfig,
    device: torch.device,
) -> dict[str, Any]:
    chosen = validation[:GRID_OBJECTS]
    exact, rounded = (denoiser(state, config, device) for state in (weights, stored))
    scores: dict[str, Any] = {}
    for s1, s2 in GUIDANCE_GRID:
        guidance = Guidance("decomposed", s1, s2)
        score = validate(rounded, chosen, guidance=guidance, settings=DEFAULTS.sampler)
        scores[f"s1={s1:g} s2={s2:g}"] = asdict(score)
    guidance = Guidance("decomposed", 1.0, 0.0)
    for label, model, objects in (
        ("s1=1 s2=0, unrounded weights", exact, chosen),
        ("s1=1 s2=0, all", rounded, validation),
    ):
        score = validate(model, objects, guidance=guidance, settings=DEFAULTS.sampler)
        scores[label] = asdict(score)
    return scores
