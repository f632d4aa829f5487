"""An engine for the page's tests: real stages around a fake network and a fake encoder."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor

from harmony.models.base import MultiviewDenoiser
from harmony.painting.painter import Painter
from harmony.records import (
    Branch,
    CDScore,
    Condition,
    Guidance,
    Predictions,
    ReferenceImage,
    SamplerSettings,
    Views,
)
from harmony.scoring import ViewEmbeddings
from harmony.ui.cache import FileCache
from harmony.ui.engine import Engine
from harmony.ui.live import NO_OFFER, LiveOffer
from tests.fakes import FakeDenoiser

SIDE = 128


class PageDenoiser(FakeDenoiser):
    """The fake denoiser with pictures large enough for a mesh and steps that take their time."""

    image_size = SIDE

    def __init__(self, step_seconds: float = 0.0) -> None:
        super().__init__()
        self.step_seconds = step_seconds
        self.working = threading.Event()
        self._let_go = threading.Event()

    @contextmanager
    def slowed(self, step_seconds: float) -> Iterator[None]:
        """Let every step take so long until the block ends; then a step on its way ends at once.

        A test that has to act within a run gives it minutes, and pays for what it used of them.
        """
        before, self.step_seconds = self.step_seconds, step_seconds
        try:
            yield
        finally:
            self.step_seconds = before
            # Whoever waits is woken, although the next to come waits again.
            self._let_go.set()
            self._let_go.clear()

    def predict(
        self,
        latents: Tensor,
        timestep: int,
        condition: Condition,
        branches: Sequence[Branch],
    ) -> Predictions:
        self.working.set()
        self._let_go.wait(self.step_seconds)
        return super().predict(latents, timestep, condition, branches)

    def decode(self, latents: Tensor) -> Views:
        """Smooth discs: a ragged outline would make a mesh of many thousand charts."""
        clean = self.preview(latents)
        colour = torch.nn.functional.interpolate(clean.flatten(0, 1), SIDE, mode="bilinear")
        axis = torch.arange(SIDE) + 0.5 - SIDE / 2
        radius = (axis[:, None] ** 2 + axis[None, :] ** 2).sqrt()
        alpha = (0.4 * SIDE - radius + 0.5).clamp(0, 1).expand(*clean.shape[:2], 1, SIDE, SIDE)
        pixels = colour.unflatten(0, clean.shape[:2])
        return Views(pixels * alpha + 1 - alpha, alpha.clone())


class PageStudent(PageDenoiser):
    """The same as a distilled model: its views are as red as s1 and as blue as s2 say.

    Attributes:
        runs: (s1, s2, steps) of every run that was begun.
        finished: How many of them came to their views.
    """

    step_counts: tuple[int, ...] = (2, 4)

    def __init__(self, step_seconds: float = 0.0) -> None:
        super().__init__(step_seconds)
        self.name = "fake-live"
        self.schedule = replace(self.schedule, guidance_interval=(0, 0))
        self.runs: list[tuple[float, float, int]] = []
        self.finished = 0

    def check_request(self, guidance: Guidance, settings: SamplerSettings) -> None:
        if settings.num_steps not in self.step_counts:
            raise ValueError("Not so many steps.")

    def with_dials(self, condition: Condition, guidance: Guidance, num_steps: int) -> Condition:
        self.runs.append((guidance.s1, guidance.s2, num_steps))
        dials = torch.tensor([guidance.s1 / 4, 0.0, guidance.s2 / 1.5])
        return Condition({**condition.tensors, "dials": dials})

    def decode(self, latents: Tensor) -> Views:
        self.finished += 1
        return super().decode(latents)

    def _clean(self, latents: Tensor, condition: Condition, branch: Branch) -> Tensor:
        clean = super()._clean(latents, condition, branch)
        return 0.3 * clean + 0.7 * (2 * condition.tensors["dials"].view(3, 1, 1) - 1)


class PixelScorer:
    """Scores by colour and by the length of the name: figures that anybody can recompute."""

    encoder_name = "pixel-means"

    def embed(self, views: Views) -> ViewEmbeddings:
        means = views.pixels.mean(dim=(3, 4))
        return ViewEmbeddings(means / means.norm(dim=-1, keepdim=True))

    def score(self, views: Views | ViewEmbeddings, object_name: str) -> list[CDScore]:
        embedded = views if isinstance(views, ViewEmbeddings) else self.embed(views)
        return [self._score(means, object_name) for means in embedded.views]

    @staticmethod
    def _score(means: Tensor, object_name: str) -> CDScore:
        distances = (means - means[0]).abs().sum(dim=1)
        likeness = means[:, 0] * len(object_name)
        diversity, variance = float(distances.sum()), float(likeness.var())
        return CDScore(
            diversity=diversity,
            semantic_variance=variance,
            ratio=diversity / variance,
            scaling="official",
            encoder="pixel-means",
            view_distances=tuple(distances.tolist()),
            text_similarities=tuple(likeness.tolist()),
        )

    def suggest_name(self, reference: ReferenceImage) -> tuple[str, float]:
        return "disc", 0.9


def fake_engine(
    *,
    step_seconds: float = 0.0,
    model: MultiviewDenoiser | None = None,
    painter: Painter | None = None,
    cache: FileCache | None = None,
    student: MultiviewDenoiser | None = None,
    mesh_device: str = "cpu",
) -> Engine:
    """Return an engine that needs no weights."""
    return Engine(
        model_name="fake",
        load_model=lambda: model or PageDenoiser(step_seconds),
        load_scorer=PixelScorer,  # pyright: ignore[reportArgumentType]
        painter=painter,
        cache=cache,
        mesh_device=mesh_device,
        live=NO_OFFER if student is None else LiveOffer(lambda: student),
    )


def engine_with_student(step_seconds: float = 0.0) -> Engine:
    """Return an engine with a student; a worker makes its own."""
    return fake_engine(student=PageStudent(step_seconds))
