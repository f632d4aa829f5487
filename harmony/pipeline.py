"""The road from a picture to scored views; the page and the command line both walk it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from harmony.background import ALPHA, CutoutModels, has_mask, remove_background
from harmony.devices import is_out_of_memory, prefers_single_samples, release_memory
from harmony.framing import (
    cutout_warnings,
    frame_reference,
    validate_elevation,
    validate_foreground,
)
from harmony.images import read_image
from harmony.models.base import MultiviewDenoiser
from harmony.noise import SeededNoise, validate_seeds
from harmony.recipe import validate_object_name
from harmony.records import CDScore, Condition, Recipe, ReferenceImage, Views
from harmony.sampling import SamplingStep, sample_steps, validate_request


@dataclass(frozen=True)
class Prepared:
    """A picture made ready for a model.

    Attributes:
        cutout: RGBA, the object opaque, in the picture's own framing.
        reference: Framed and on white.
        cutout_used: For the recipe: the cut-out model, or "alpha" where the picture's own
            mask was kept.
        warnings: Plain sentences on what may go wrong.
    """

    cutout: Image.Image
    reference: ReferenceImage
    cutout_used: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Start:
    """What runs of one picture begin from, wherever their dials stand.

    Attributes:
        condition: The reference as the model encoded it.
        noise: (N, C, h, w) the first noise of seeds that were drawn already, best on the
            model's device, to which no run has to copy it then.
    """

    condition: Condition
    noise: Mapping[int, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """The finished views of one seed.

    Attributes:
        seed: Its seed.
        views: With S = 1, on the device that was asked for.
        score: Its CD score, or None where no scorer was given.
    """

    seed: int
    views: Views
    score: CDScore | None


@dataclass(frozen=True)
class StepEvent:
    """One sampling step of one pass is done.

    Attributes:
        seeds: The seeds of this pass, S of them.
        step: 1 to num_steps.
        num_steps: Steps of each pass.
        pass_index: 0 to num_passes - 1.
        num_passes: Passes in all.
        preview: (S, N, p, p, 3) the current estimate, or None where none was due.
        notice: A plain sentence where something changed on the way (a halved pass), else None.
    """

    seeds: tuple[int, ...]
    step: int
    num_steps: int
    pass_index: int
    num_passes: int
    preview: UInt8[np.ndarray, "S N p p 3"] | None
    notice: str | None = None


@dataclass(frozen=True)
class SampleEvent:
    """One seed is done."""

    sample: Sample


class Scorer(Protocol):
    """What scores views (`harmony.scoring`)."""

    def score(self, views: Views, object_name: str) -> list[CDScore]:
        """Return one score for each sample of `views`."""
        ...


def used_cutout(image: Image.Image, cutout: str) -> str:
    """Return what a recipe calls the cut-out: "alpha" where the picture's own mask is kept.

    Raises:
        ValueError: The picture is transparent everywhere.
    """
    return ALPHA if has_mask(image) else cutout


def prepare(
    image: Image.Image,
    *,
    cutout: str,
    foreground: float | None,
    elevation_deg: float,
    image_size: int,
    cutout_models: CutoutModels | None = None,
) -> Prepared:
    """Cut the object out and frame it.

    Args:
        image: The picture; `read_image` is applied to it, which changes nothing the second time.
        cutout: One of `harmony.background.CUTOUTS`.
        foreground: Share of the frame for the object's longer side; None keeps the framing.
        elevation_deg: Elevation of the camera that took the picture.
        image_size: What the model reads (`model.image_size`).
        cutout_models: Networks that are loaded already.

    Raises:
        ValueError: An argument is out of its range, or nothing is left after the cut-out.
    """
    validate_elevation(elevation_deg)
    validate_foreground(foreground)
    loaded = read_image(image)
    used = used_cutout(loaded.image, cutout)
    rgba = remove_background(loaded.image, cutout, models=cutout_models)
    reference = frame_reference(
        rgba, foreground=foreground, elevation_deg=elevation_deg, image_size=image_size
    )
    return Prepared(rgba, reference, used, loaded.notes + cutout_warnings(rgba, elevation_deg))


def encode(model: MultiviewDenoiser, reference: ReferenceImage) -> Start:
    """Encode the reference once for many runs.

    Raises:
        ValueError: Memory does not suffice.
    """
    try:
        with torch.inference_mode():
            return Start(model.encode_reference(reference))
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise _too_little_memory(model.device, 1) from error


def first_noise(model: MultiviewDenoiser, seed: int) -> Float[Tensor, "N C h w"]:
    """Return the noise from which a seed's sample starts, on the model's device."""
    return SeededNoise((seed,), model.device).draw((model.view_count, *model.latent_shape))[0]


def generate(
    model: MultiviewDenoiser,
    reference: ReferenceImage | Start,
    recipe: Recipe,
    *,
    scorer: Scorer | None = None,
    seeds_per_pass: int | None = None,
    preview_every: int = 1,
    views_device: torch.device | str = "cpu",
) -> Generator[StepEvent | SampleEvent]:
    """Paint one sample for each seed of the recipe.

    On the CPU every seed has its own pass, so that it comes out bit for bit the same alone and
    among others; elsewhere all seeds share one, which is halved once if memory runs out.

    Args:
        model: The denoiser.
        reference: The framed picture, or what `encode` made of it.
        recipe: Its seeds, guidance, sampler and object name are used.
        scorer: Scores each sample where given.
        seeds_per_pass: Seeds that share a pass; None chooses as above.
        preview_every: A preview comes with every n-th step and the last one; 0 means none.
        views_device: Where the finished views go.

    Returns:
        A generator; closing it stops the work within one step. Events of one pass come in order:
        its steps, then one `SampleEvent` for each of its seeds.

    Raises:
        ValueError: A part of the recipe is invalid, memory does not suffice, or the views are
            not finite.
    """
    seeds = validate_seeds(recipe.seeds)
    if seeds_per_pass is None:
        seeds_per_pass = 1 if prefers_single_samples(model.device) else len(seeds)
    if seeds_per_pass < 1:
        raise ValueError(f"Seeds per pass is {seeds_per_pass}; it must be 1 or more.")
    if preview_every < 0:
        raise ValueError(f"Preview every {preview_every} steps is not possible; use 0 or more.")
    validate_request(model, recipe.guidance, recipe.sampler)
    if scorer is not None:
        validate_object_name(recipe.object_name)
    recipe = replace(recipe, seeds=seeds)
    return _run(
        model, reference, recipe, scorer, seeds_per_pass, preview_every, views_device=views_device
    )


def _run(
    model: MultiviewDenoiser,
    reference: ReferenceImage | Start,
    recipe: Recipe,
    scorer: Scorer | None,
    seeds_per_pass: int,
    preview_every: int,
    *,
    views_device: torch.device | str,
) -> Generator[StepEvent | SampleEvent]:
    start = reference if isinstance(reference, Start) else encode(model, reference)
    passes = _split(recipe.seeds, seeds_per_pass)
    done, halved, notice = 0, False, None
    while done < len(passes):
        walker = _Pass(model, start, replace(recipe, seeds=passes[done]), preview_every)
        try:
            for event in walker.steps(done, len(passes)):
                yield replace(event, notice=notice)
                notice = None
            samples = walker.finish(scorer, views_device)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if halved or len(passes[done]) == 1:
                raise _too_little_memory(model.device, len(passes[done])) from error
            samples = None
        # Outside of the handler, whose traceback would keep the tensors alive.
        if samples is None:
            del walker
            release_memory(model.device)
            halved, seeds_per_pass = True, (len(passes[done]) + 1) // 2
            left = [seed for seeds in passes[done:] for seed in seeds]
            passes = passes[:done] + _split(left, seeds_per_pass)
            notice = f"Memory ran out; going on with {seeds_per_pass} seeds at once."
            continue
        yield from (SampleEvent(sample) for sample in samples)
        done += 1


def _too_little_memory(device: torch.device, count: int) -> ValueError:
    ways = [
        *(["use fewer seeds at once"] if count > 1 else []),
        *(["free some of it"] if device.type == "cpu" else ["free some of it", "use --device cpu"]),
    ]
    return ValueError(f"The {device.type} device has too little memory: {' or '.join(ways)}.")


class _Pass:
    """The seeds that are painted together."""

    def __init__(
        self, model: MultiviewDenoiser, start: Start, recipe: Recipe, preview_every: int
    ) -> None:
        self.model, self.start, self.recipe = model, start, recipe
        self.preview_every = preview_every
        self.latents: Tensor | None = None

    def steps(self, pass_index: int, num_passes: int) -> Iterator[StepEvent]:
        recipe, start = self.recipe, self.start
        noise = SeededNoise(recipe.seeds, self.model.device, first=start.noise)
        for step in sample_steps(
            self.model, start.condition, noise, recipe.guidance, recipe.sampler
        ):
            self.latents = step.latents
            number = step.index + 1
            preview = self._preview(step)
            yield StepEvent(recipe.seeds, number, step.num_steps, pass_index, num_passes, preview)

    def _preview(self, step: SamplingStep) -> UInt8[np.ndarray, "S N p p 3"] | None:
        number, every = step.index + 1, self.preview_every
        if every == 0 or (number % every != 0 and number != step.num_steps):
            return None
        with torch.inference_mode():
            return to_uint8(self.model.preview(step.predicted_clean))

    def finish(self, scorer: Scorer | None, device: torch.device | str) -> list[Sample]:
        """Decode and score."""
        assert self.latents is not None  # `steps` has been walked to its end
        with torch.inference_mode():
            views = self.model.decode(self.latents)
        views = Views(views.pixels.float().to(device), views.alpha.float().to(device))
        self._check(views)
        name, seeds = self.recipe.object_name, self.recipe.seeds
        scores = [None] * len(seeds) if scorer is None else scorer.score(views, name)
        return [
            Sample(seed, Views(views.pixels[k : k + 1], views.alpha[k : k + 1]), score)
            for k, (seed, score) in enumerate(zip(seeds, scores, strict=True))
        ]

    def _check(self, views: Views) -> None:
        for seed, pixels in zip(self.recipe.seeds, views.pixels, strict=True):
            # Of values in [0, 1] the sum is finite exactly when all of them are.
            if not pixels.sum().isfinite():
                raise ValueError(
                    f"The views of seed {seed} are not finite; "
                    "use smaller guidance scales or more steps."
                )


def _split(seeds: Sequence[int], size: int) -> list[tuple[int, ...]]:
    return [tuple(seeds[i : i + size]) for i in range(0, len(seeds), size)]


def to_uint8(pictures: Float[Tensor, "... 3 H W"]) -> UInt8[np.ndarray, "... H W 3"]:
    """Return pictures in [0, 1] as bytes, channels last; values outside are clamped."""
    scaled = (pictures.float().clamp(0, 1) * 255).round()
    # Put in order where the pictures are: a GPU does it at once, and PIL would copy each view.
    return scaled.to(torch.uint8).movedim(-3, -1).contiguous().cpu().numpy()
