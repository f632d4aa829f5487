"""The engine that the page and its tools use: every part loads on first use."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING

from harmony.painting.models import DEFAULT_MODEL
from harmony.painting.painter import Painter
from harmony.ui.cache import FileCache
from harmony.ui.engine import Engine, Known
from harmony.ui.inputs import Defaults
from harmony.ui.live import LiveOffer
from harmony.ui.texts import live as live_texts

if TYPE_CHECKING:
    from harmony.models.base import MultiviewDenoiser, NoiseSchedule
    from harmony.scoring import CDScorer

WEIGHTS = Path(__file__).resolve().parents[2] / "weights"
CARD = "card.json"
DEVICES = ("auto", "cpu", "cuda", "mps")
SCORER = "small"
LIVE_MODEL, LIVE_OFF = "small-live", "off"
TEACHER = "small"
"""What the shipped live model was distilled from."""
RULES = ("decomposed", "cfg", "none")
OFFICIAL_RULE = "decomposed-official"


def standard_defaults(model: str, *, weights: Path = WEIGHTS) -> Defaults:
    """Return where the dials stand for a model: as its card recommends, read without the model.

    Args:
        model: A name or a folder, as for `standard_engine`.
        weights: Folder of the models that ship.
    """
    named = weights / model / CARD
    card = named if named.is_file() else Path(model) / CARD
    if not card.is_file():
        return Defaults()
    recommended = json.loads(card.read_text(encoding="utf-8"))["defaults"]
    guidance, sampler = recommended["guidance"], recommended["sampler"]
    return Defaults(
        rule=guidance["rule"],
        s1=guidance["s1"],
        s2=guidance["s2"],
        cfg_scale=guidance["cfg_scale"],
        sampler=sampler["sampler"],
        num_steps=sampler["num_steps"],
        eta=sampler["eta"],
        why=recommended.get("why", ""),
    )


def is_at_hand(model: str, *, weights: Path = WEIGHTS) -> bool:
    """Whether a model can be loaded ahead of its first use: it ships, or is a folder.

    The paper's network is not: it may have to be fetched, and takes gigabytes of memory.
    """
    return (weights / model / CARD).is_file() or (Path(model) / CARD).is_file()


def load_ahead(engine: Engine, model: str) -> None:
    """Begin to load what a first run needs, in a thread, if the model is at hand."""
    if is_at_hand(model):
        engine.preload()


def live_offer(model: str, device: str, live_model: str = LIVE_MODEL) -> LiveOffer:
    """Return whether a page of a model has live dials.

    Args:
        model: The page's own; the shipped live model answers for its teacher and for itself.
        device: Where the live model computes.
        live_model: A name, a folder or `LIVE_OFF`.
    """
    if live_model == LIVE_OFF:
        return LiveOffer(why_not=live_texts.TURNED_OFF)
    if live_model == LIVE_MODEL and model not in {TEACHER, LIVE_MODEL}:
        return LiveOffer(why_not=live_texts.NO_STUDENT.format(model=model))
    if not is_at_hand(live_model):
        return LiveOffer(why_not=live_texts.NOT_HERE)
    return LiveOffer(functools.partial(denoiser, live_model, device))


def denoiser(model: str, device: str, *, low_memory: bool = False) -> MultiviewDenoiser:
    """Load a model on a device; see `standard_engine`."""
    from harmony.devices import choose_device
    from harmony.models.registry import load_model

    return load_model(model, choose_device(device), low_memory=low_memory)


def standard_engine(
    model: str,
    device: str,
    *,
    live_model: str = LIVE_MODEL,
    text_model: str = DEFAULT_MODEL,
    cache: FileCache | None = None,
    low_memory: bool = False,
) -> Engine:
    """Return the engine for a model and a device.

    Args:
        model: A name or a folder, see `harmony.models.registry.load_model`.
        device: One of `DEVICES`.
        live_model: What answers moving dials: a name, a folder or `LIVE_OFF`.
        text_model: What paints descriptions: an id of the hub, "id@revision" or a folder.
        cache: Where finished samples are kept; None keeps them in memory.
        low_memory: For SyncDreamer, see its `RuntimeSettings`.

    Raises:
        ValueError: There is no such text-to-image model.
    """

    def read_schedule() -> NoiseSchedule:
        from harmony.models.registry import load_schedule

        return load_schedule(model)

    def load_scorer() -> CDScorer:
        from harmony.devices import choose_device
        from harmony.scoring import CDScorer

        return CDScorer.load(SCORER, choose_device(device))

    # Only the paper's network has the branch that the released code's rule needs.
    rules = (*RULES, OFFICIAL_RULE) if model == "syncdreamer" else RULES
    return Engine(
        model_name=model,
        load_model=functools.partial(denoiser, model, device, low_memory=low_memory),
        load_scorer=load_scorer,
        rules=rules,
        painter=Painter(text_model, device=device),
        cache=cache,
        known=Known(SCORER, device, read_schedule),
        # "auto" would have to import PyTorch to know, before the page can open.
        mesh_device="cuda" if device == "cuda" else "cpu",
        live=live_offer(model, device, live_model),
    )
