"""The app around a network that paints the picture's own colour: a leak between visitors shows.

python -m benchmarks.coded_app STEP_SECONDS [the app's own options]
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch
from torch import Tensor

from harmony.models.base import MultiviewDenoiser
from harmony.records import Branch, Condition, ReferenceImage
from harmony.ui import loading
from harmony.ui.cache import FileCache
from harmony.ui.engine import Engine
from tests.page_fakes import PageDenoiser, PixelScorer


class CodedDenoiser(PageDenoiser):
    """Every view of every seed is a disc in the colour of the reference's centre."""

    def encode_reference(self, reference: ReferenceImage) -> Condition:
        """Keep nothing but the colour in the middle."""
        centre = reference.pixels.shape[-1] // 2
        colour = reference.pixels[:, centre - 4 : centre + 4, centre - 4 : centre + 4]
        return Condition({"colour": colour.mean(dim=(1, 2))})

    def _clean(self, latents: Tensor, condition: Condition, branch: Branch) -> Tensor:
        return condition.tensors["colour"].to(latents).view(3, 1, 1).expand_as(latents).clone()


def coded_engine(step_seconds: float) -> Callable[..., Engine]:
    """Return what stands in for `harmony.ui.loading.standard_engine`."""

    def load() -> MultiviewDenoiser:
        torch.set_num_threads(1)
        return CodedDenoiser(step_seconds)

    def engine(model: str, device: str, *, cache: FileCache, **_: object) -> Engine:
        return Engine(
            model_name="coded",
            load_model=load,
            load_scorer=PixelScorer,  # pyright: ignore[reportArgumentType]
            cache=cache,
        )

    return engine


if __name__ == "__main__":
    loading.standard_engine = coded_engine(float(sys.argv[1]))
    import app

    app.main(sys.argv[2:])
