"""The dials as the distilled network reads them."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from harmony.guidance import branch_weights
from harmony.records import Guidance, SamplerSettings

MAX_S1, MAX_S2, MAX_CFG_SCALE = 4.0, 1.5, 4.0
"""How far the dials went in training."""
STEP_COUNTS = (2, 4)
DIAL_COUNT = 4
SCALES: Mapping[str, tuple[tuple[str, str, float], ...]] = {
    "none": (),
    "decomposed": (("s1", "s1", MAX_S1), ("s2", "s2", MAX_S2)),
    "cfg": (("cfg_scale", "s", MAX_CFG_SCALE),),
}
"""For each rule that can be served, the scales that act: attribute, name, largest value."""


def check_request(guidance: Guidance, settings: SamplerSettings) -> None:
    """Refuse what the distilled network has not learned.

    Raises:
        ValueError: Another rule, a scale beyond training, or not 2 or 4 steps of DDIM with eta 0.
    """
    branch_weights(guidance)
    if guidance.rule not in SCALES:
        raise ValueError(
            f"The live model cannot serve the guidance rule {guidance.rule!r}; "
            f"it serves {', '.join(SCALES)}."
        )
    for attribute, name, largest in SCALES[guidance.rule]:
        if getattr(guidance, attribute) > largest:
            raise ValueError(
                f"Guidance scale {name} is {getattr(guidance, attribute):g}; the live model goes "
                f"up to {largest:g}. Use the full model beyond."
            )
    if settings.num_steps not in STEP_COUNTS:
        counts = " or ".join(map(str, STEP_COUNTS))
        raise ValueError(f"The live model takes {counts} steps, not {settings.num_steps}.")
    if settings.sampler != "ddim" or settings.eta != 0:
        raise ValueError("The live model walks with ddim and eta 0 only.")


def dial_values(guidance: Guidance, num_steps: int) -> Float[Tensor, " 4"]:
    """Return (s1, s2, s of Eq. 3, stride), each as a share of its largest value.

    The stride is 0 at 4 steps and 1 at 2: where a step ends tells what it must paint.

    Raises:
        ValueError: The rule cannot be served.
    """
    values = {attribute: 0.0 for scales in SCALES.values() for attribute, _, _ in scales}
    for attribute, _, largest in SCALES[guidance.rule]:
        values[attribute] = getattr(guidance, attribute) / largest
    return torch.tensor([values["s1"], values["s2"], values["cfg_scale"], stride(num_steps)])


def stride(num_steps: int) -> float:
    """Return 0 for the smallest stride (most steps), 1 for the largest, even in its logarithm."""
    most, fewest = max(STEP_COUNTS), min(STEP_COUNTS)
    return math.log(most / num_steps) / math.log(most / fewest)
