"""The engine that the page and its tools use: every part loads on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harmony.ui.engine import Engine

if TYPE_CHECKING:
    from harmony.models.base import MultiviewDenoiser
    from harmony.scoring import CDScorer

DEVICES = ("auto", "cpu", "cuda", "mps")
SCORER = "small"
RULES = ("decomposed", "cfg", "none")
OFFICIAL_RULE = "decomposed-official"


def standard_engine(model: str, device: str) -> Engine:
    """Return the engine for a model and a device.

    Args:
        model: A name or a folder, see `harmony.models.registry.load_model`.
        device: One of `DEVICES`.
    """

    def load_denoiser() -> MultiviewDenoiser:
        from harmony.devices import choose_device
        from harmony.models.registry import load_model

        return load_model(model, choose_device(device))

    def load_scorer() -> CDScorer:
        from harmony.devices import choose_device
        from harmony.scoring import CDScorer

        return CDScorer.load(SCORER, choose_device(device))

    # Only the paper's network has the branch that the released code's rule needs.
    rules = (*RULES, OFFICIAL_RULE) if model == "syncdreamer" else RULES
    return Engine(model_name=model, load_model=load_denoiser, load_scorer=load_scorer, rules=rules)
