"""A prompt to a picture, by a diffusers pipeline that is loaded at its first use."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from harmony.painting.models import DEFAULT_MODEL, find_model
from harmony.painting.prompts import full_prompt, validate_prompt

if TYPE_CHECKING:
    from harmony.painting.fetch import OnProgress, PipelineFolder
    from harmony.records import PaintedFrom

_NEEDED = {"prompt", "num_inference_steps", "guidance_scale", "generator", "callback_on_step_end"}


@dataclass(frozen=True)
class Painting:
    """A picture and what it was painted from."""

    image: Image.Image
    painted_from: PaintedFrom


def _silent(text: str, fraction: float | None) -> None:
    """Tell nobody."""


class Painter:
    """One text-to-image model; nothing is fetched or loaded before it is needed.

    Attributes:
        model: Which one, with its licence.
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        device: str = "auto",
        num_steps: int | None = None,
        guidance_scale: float | None = None,
    ) -> None:
        """Remember what is wanted.

        Args:
            model: A folder, an id of the hub or "id@revision"; see `find_model`.
            device: One of `harmony.devices.DEVICES`.
            num_steps: Network steps; None takes what is recommended for the model.
            guidance_scale: Guidance; None takes what is recommended for the model.

        Raises:
            ValueError: The model's name is none.
        """
        self.model = find_model(model)
        self._device = device
        self._num_steps, self._guidance_scale = num_steps, guidance_scale
        self._lock = threading.Lock()
        self._folder: PipelineFolder | None = None
        self._pipeline: Any = None

    def plan(self, prompt: str, seed: int, *, on_progress: OnProgress = _silent) -> PaintedFrom:
        """Return what a picture of this prompt and seed is painted from.

        The network is loaded only where its own default settings are asked for.

        Raises:
            ValueError: The prompt or seed will not do, or the model cannot be had.
        """
        from harmony.recipe import validate_painted_from
        from harmony.records import PaintedFrom

        words = validate_prompt(prompt)
        folder = self._find(on_progress)
        num_steps, guidance_scale = self._settings(on_progress)
        return validate_painted_from(
            PaintedFrom(
                prompt=words,
                model=self.model.name,
                revision=folder.revision,
                seed=seed,
                num_steps=num_steps,
                guidance_scale=guidance_scale,
            )
        )

    def _settings(self, on_progress: OnProgress) -> tuple[int, float]:
        """Return steps and guidance: as given, else as recommended, else the pipeline's own."""
        steps = self.model.num_steps if self._num_steps is None else self._num_steps
        scale = self.model.guidance_scale if self._guidance_scale is None else self._guidance_scale
        if steps is None or scale is None:
            own_steps, own_scale = _defaults(self._load(on_progress))
            steps = own_steps if steps is None else steps
            scale = own_scale if scale is None else scale
        return steps, float(scale)

    def paint(self, prompt: str, seed: int, *, on_progress: OnProgress = _silent) -> Painting:
        """Paint one picture; a seed gives the same picture alone and among others.

        Args:
            prompt: What the object is, see `harmony.painting.prompts`.
            seed: Of the generator on the CPU that draws the noise.
            on_progress: Told what is going on; an exception that it raises stops the work.

        Raises:
            ValueError: See `plan`; also where memory does not suffice, the files are damaged, or
                the model's own safety check holds the picture back.
        """
        wish = self.plan(prompt, seed, on_progress=on_progress)
        pipeline = self._load(on_progress)
        import torch

        try:
            with torch.inference_mode():
                painted = pipeline(**self._arguments(wish, on_progress))
        except torch.OutOfMemoryError as error:
            raise ValueError(
                f"There is too little memory for {wish.model}; choose a smaller text-to-image "
                "model or --device cpu."
            ) from error
        if any(getattr(painted, "nsfw_content_detected", None) or ()):
            raise ValueError(
                "The text-to-image model's own safety check held the picture back; "
                "use other words or another seed."
            )
        return Painting(painted.images[0].convert("RGB"), wish)

    def _arguments(self, wish: PaintedFrom, on_progress: OnProgress) -> dict[str, Any]:
        import torch

        def tell(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict:
            text = f"Painting: step {step + 1} of {wish.num_steps}"
            on_progress(text, (step + 1) / wish.num_steps)
            return tensors

        model = self.model
        extra = {
            "height": model.size,
            "width": model.size,
            "max_sequence_length": model.max_sequence_length,
        }
        return {
            "prompt": full_prompt(wish.prompt),
            "num_inference_steps": wish.num_steps,
            "guidance_scale": wish.guidance_scale,
            "generator": torch.Generator("cpu").manual_seed(wish.seed),
            "callback_on_step_end": tell,
            **{name: value for name, value in extra.items() if value is not None},
        }

    def _find(self, on_progress: OnProgress) -> PipelineFolder:
        from harmony.painting.fetch import find_pipeline

        with self._lock:
            if self._folder is None:
                self._folder = find_pipeline(self.model, on_progress)
            return self._folder

    def _load(self, on_progress: OnProgress) -> Any:
        folder = self._find(on_progress)
        with self._lock:
            if self._pipeline is None:
                on_progress(f"Loading {self.model.name}", None)
                self._pipeline = _load_pipeline(folder, self._device)
            return self._pipeline


def _defaults(pipeline: Any) -> tuple[int, float]:
    """Return the steps and the guidance that the pipeline's class has as defaults."""
    parameters = inspect.signature(type(pipeline).__call__).parameters
    return parameters["num_inference_steps"].default, parameters["guidance_scale"].default


def _load_pipeline(folder: PipelineFolder, device_name: str) -> Any:
    from diffusers import AutoPipelineForText2Image

    from harmony.devices import choose_device, choose_dtype
    from harmony.painting.folders import INDEX, choose_variant, files_below, read_index

    device = choose_device(device_name)
    parts = read_index(folder.path / INDEX)[1]
    try:
        with _without_bars():
            pipeline = AutoPipelineForText2Image.from_pretrained(
                folder.path,
                use_safetensors=True,
                local_files_only=True,
                variant=choose_variant(files_below(folder.path), parts),
                dtype=choose_dtype(device),
            )
    except Exception as error:  # the libraries raise anything on damaged files
        raise ValueError(
            f"The text-to-image model in {folder.path} cannot be loaded "
            f"({type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''})."
        ) from error
    lacking = _NEEDED - set(inspect.signature(type(pipeline).__call__).parameters)
    if lacking:
        raise ValueError(
            f"{type(pipeline).__name__} in {folder.path} cannot be used here: it takes no "
            f"{', '.join(sorted(lacking))}."
        )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(device)


@contextmanager
def _without_bars() -> Iterator[None]:
    """Keep the libraries' own progress bars off the terminal while they load."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    switches = [diffusers_logging, transformers_logging]
    shown = [switch for switch in switches if switch.is_progress_bar_enabled()]
    for switch in shown:
        switch.disable_progress_bar()
    try:
        yield
    finally:
        for switch in shown:
            switch.enable_progress_bar()
