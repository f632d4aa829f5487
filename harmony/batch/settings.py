"""What a user may wish for a run; what is left open (None) is the model's own setting."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass

from harmony.background import SHIPPED, validate_cutout
from harmony.framing import DEFAULT_FOREGROUND, validate_elevation, validate_foreground
from harmony.guidance import branch_weights
from harmony.models.base import ModelDefaults
from harmony.noise import validate_seeds
from harmony.painting.models import DEFAULT_MODEL
from harmony.recipe import validate_object_name
from harmony.reconstruction.files import MESH_ENDINGS
from harmony.reconstruction.pipeline import QUALITIES
from harmony.records import Guidance, SamplerSettings
from harmony.sampling import validate_settings

MESH_FORMATS = tuple(ending[1:] for ending in MESH_ENDINGS)


@dataclass(frozen=True)
class Settings:
    """Wishes for every picture of a batch.

    Attributes:
        model: "small", "syncdreamer" or a model's folder.
        seeds: One sample each.
        rule: Guidance rule, see `harmony.records.Guidance`.
        s1: Consistency with the picture (Eq. 7); 0 is off.
        s2: Agreement and diversity of the views (Eq. 7); 0 is off.
        cfg_scale: Plain guidance instead (Eq. 3).
        sampler: A key of `harmony.sampling.SAMPLERS`.
        steps: Network steps, 1 to 1000.
        eta: DDIM's eta in [0, 1].
        elevation_deg: Elevation of the camera that took the pictures.
        foreground: Share of the frame for the object; None keeps the pictures' framing.
        cutout: One of `harmony.background.CUTOUTS`.
        object_name: What the CD score reads; None takes it from the prompt, else the scorer's
            guess, else "object".
        encoder: CLIP model that scores, or "none".
        quality: Quality of a mesh for each sample, or None for no mesh.
        mesh_format: One of `MESH_FORMATS`.
        text_model: What paints the prompts: an id of the hub, "id@revision" or a folder.
        text_seed: Seed of every painted picture.
        text_steps: Steps of the text-to-image model.
        text_guidance: Guidance of the text-to-image model.
        device: One of `harmony.devices.DEVICES`.
    """

    model: str = "small"
    seeds: tuple[int, ...] = (0, 1, 2, 3)
    rule: str | None = None
    s1: float | None = None
    s2: float | None = None
    cfg_scale: float | None = None
    sampler: str | None = None
    steps: int | None = None
    eta: float | None = None
    elevation_deg: float = 30.0
    foreground: float | None = DEFAULT_FOREGROUND
    cutout: str = SHIPPED
    object_name: str | None = None
    encoder: str = "small"
    quality: str | None = None
    mesh_format: str = "glb"
    text_model: str = DEFAULT_MODEL
    text_seed: int = 0
    text_steps: int | None = None
    text_guidance: float | None = None
    device: str = "auto"


def choose_guidance(options: Namespace | Settings, defaults: ModelDefaults) -> Guidance:
    """Return the guidance that the options ask for; what they leave open is the model's.

    Raises:
        ValueError: Options of different rules stand together, or a scale is out of its range.
    """
    decomposed = options.s1 is not None or options.s2 is not None
    rule, start = options.rule, defaults.guidance
    if options.cfg_scale is not None:
        if decomposed or rule not in (None, "cfg"):
            raise ValueError("Give either --cfg-scale or --s1 and --s2, not both.")
        rule = "cfg"
    elif rule is None:
        rule = start.rule if start.rule.startswith("decomposed") or not decomposed else "decomposed"
    given = {"s1": options.s1, "s2": options.s2, "cfg_scale": options.cfg_scale}
    chosen = {k: getattr(start, k) if value is None else value for k, value in given.items()}
    guidance = Guidance(rule, **chosen)
    branch_weights(guidance)
    return guidance


def choose_sampler(options: Namespace | Settings, defaults: ModelDefaults) -> SamplerSettings:
    """Return the sampler settings that the options ask for; what they leave open is the model's.

    Raises:
        ValueError: A setting is out of its range.
    """
    start = defaults.sampler
    return validate_settings(
        SamplerSettings(
            start.sampler if options.sampler is None else options.sampler,
            start.num_steps if options.steps is None else options.steps,
            start.eta if options.eta is None else options.eta,
        )
    )


def validate_early(settings: Settings) -> Settings:
    """Return the settings, after refusing what needs no model to be refused.

    Raises:
        ValueError: A setting is out of its range; the sentence names it.
    """
    fallback = ModelDefaults(Guidance(), SamplerSettings())
    choose_guidance(settings, fallback)
    choose_sampler(settings, fallback)
    validate_seeds(settings.seeds)
    validate_seeds((settings.text_seed,))
    if settings.object_name is not None:
        validate_object_name(settings.object_name)
    validate_elevation(settings.elevation_deg)
    validate_foreground(settings.foreground)
    validate_cutout(settings.cutout)
    if settings.quality is not None and settings.quality not in QUALITIES:
        raise ValueError(
            f"Mesh quality is {settings.quality!r}; it must be one of {', '.join(QUALITIES)}."
        )
    if settings.mesh_format not in MESH_FORMATS:
        raise ValueError(
            f"Mesh format is {settings.mesh_format!r}; it must be one of {', '.join(MESH_FORMATS)}."
        )
    return settings
