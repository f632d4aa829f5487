"""The time-boxed training loop of the small CLIP."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from harmony.training.clip.augment import augment, normalise
from harmony.training.clip.captions import (
    PROMPT_TEMPLATE,
    TEMPLATES,
    CaptionBook,
    describe,
    visible_colours,
)
from harmony.training.clip.colours import colour_shares
from harmony.training.clip.losses import NameHead, contrastive_loss, name_loss
from harmony.training.clip.settings import MEAN, STD, ClipTrainingSettings

WARMUP_SHARE = 0.1
UNKNOWN_SHARE = 0.03
MAX_LOGIT_SCALE = 100.0
PROGRESS_EVERY_SECONDS = 5.0


class SceneBatch(Protocol):
    """Rendered objects, colours composited on white."""

    @property
    def reference(self) -> UInt8[Tensor, "B 4 H W"]:
        """The input picture of each scene."""
        ...

    @property
    def views(self) -> UInt8[Tensor, "B N 4 H W"]:
        """The ring of views."""
        ...

    @property
    def object_ids(self) -> Int[Tensor, " B"]:
        """Which object each scene shows."""
        ...


class SceneSource(Protocol):
    """What is needed of `harmony.training.stream.SceneStream`."""

    def refill(self, count: int, /) -> object:
        """Render `count` new scenes."""
        ...

    def batch(self, count: int, generator: torch.Generator, /) -> SceneBatch:
        """Draw scenes."""
        ...


@dataclass(frozen=True)
class TrainingReport:
    """What the loop did.

    Attributes:
        steps: Optimiser steps.
        pictures_seen: Pictures that took part, repetitions counted.
        seconds: Wall-clock time.
        render_seconds: Part of it spent on rendering.
        losses: CLIP's own part of the loss at every step, without the head's.
    """

    steps: int
    pictures_seen: int
    seconds: float
    render_seconds: float
    losses: tuple[float, ...]


@dataclass(frozen=True)
class _Drawn:
    pictures: UInt8[Tensor, "B 4 H W"]
    names: list[str]
    shares: list[list[float]]


@dataclass(frozen=True)
class _Captioned:
    pictures: UInt8[Tensor, "B 4 H W"]
    groups: Int[Tensor, " B"]
    rows: Int[Tensor, "B+G L"]


def learning_rate(progress: float, peak: float) -> float:
    """Return the rate at `progress` in [0, 1]: linear warm-up, then a cosine down to 0."""
    if progress < WARMUP_SHARE:
        return peak * (progress / WARMUP_SHARE)
    rest = (progress - WARMUP_SHARE) / (1 - WARMUP_SHARE)
    return peak * 0.5 * (1 + math.cos(math.pi * min(rest, 1.0)))


def pick_pictures(
    batch: SceneBatch, views_per_scene: int, generator: torch.Generator
) -> UInt8[Tensor, "B*K 4 H W"]:
    """Return the reference and `views_per_scene` - 1 different views of each scene, in order."""
    count, ring = batch.views.shape[:2]
    keys = torch.rand(count, ring, generator=generator, device=generator.device)
    chosen = keys.argsort(dim=1)[:, : views_per_scene - 1].to(batch.views.device)
    rows = torch.arange(count, device=batch.views.device)[:, None]
    return torch.cat([batch.reference[:, None], batch.views[rows, chosen]], dim=1).flatten(0, 1)


class ClipTrainer:
    """Trains an open_clip model on rendered objects with made captions.

    Attributes:
        model: open_clip's CLIP, in float32.
    """

    def __init__(
        self,
        model: Any,
        source: SceneSource,
        names: Sequence[str],
        book: CaptionBook,
        settings: ClipTrainingSettings,
    ) -> None:
        """Prepare training.

        Args:
            model: open_clip's CLIP on the device where training happens.
            source: Renders; its `object_ids` index `names`.
            names: Every object's name.
            book: Captions of the training names.
            settings: How to train.
        """
        self.model = model
        self._source = source
        self._names = names
        self._book = book
        self._settings = settings
        self._device = model.logit_scale.device
        self._generator = torch.Generator(self._device).manual_seed(settings.seed)
        self._draw_generator = torch.Generator("cpu").manual_seed(settings.seed)
        self._random = Random(settings.seed)
        self._numpy_random = np.random.default_rng(settings.seed)
        width = model.visual.proj.shape[1]
        self._head = NameHead(width, len(book.names)).to(self._device)
        self._optimizer = self._make_optimizer()
        _freeze_unused_tokens(model, book)

    def run(self, on_progress: Callable[[str], None] | None = None) -> TrainingReport:
        """Train until the time or the steps are used up."""
        settings = self._settings
        limit = settings.minutes * 60
        start = last_told = time.monotonic()
        render_seconds = self._refill(settings.ring_size)
        losses: list[Tensor] = []
        batch = self._caption(self._draw())
        while True:
            elapsed = time.monotonic() - start
            if elapsed >= limit or len(losses) == settings.max_steps:
                break
            progress = max(elapsed / limit, len(losses) / (settings.max_steps or math.inf))
            # Captions of the next batch are written while the device works on this one.
            following = self._draw()
            losses.append(self._step(batch, progress))
            batch = self._caption(following)
            if render_seconds < settings.refill_share * elapsed:
                render_seconds += self._refill(settings.refill_count)
            if on_progress is not None and time.monotonic() - last_told > PROGRESS_EVERY_SECONDS:
                last_told = time.monotonic()
                on_progress(
                    f"step {len(losses)}  {elapsed:.0f}/{limit:.0f} s  loss {float(losses[-1]):.3f}"
                )
        values = torch.stack(losses).tolist() if losses else []
        return TrainingReport(
            steps=len(losses),
            pictures_seen=len(losses) * settings.scenes_per_step * settings.views_per_scene,
            seconds=time.monotonic() - start,
            render_seconds=render_seconds,
            losses=tuple(values),
        )

    def _refill(self, count: int) -> float:
        self._synchronize()
        start = time.monotonic()
        self._source.refill(count)
        self._synchronize()
        return time.monotonic() - start

    def _synchronize(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def _draw(self) -> _Drawn:
        settings = self._settings
        batch = self._source.batch(settings.scenes_per_step, self._draw_generator)
        pictures = pick_pictures(batch, settings.views_per_scene, self._draw_generator)
        ids = batch.object_ids.repeat_interleave(settings.views_per_scene).tolist()
        pictures = pictures.to(self._device)
        return _Drawn(
            pictures=pictures,
            names=[self._names[int(i)] for i in ids],
            shares=colour_shares(pictures[:, :, ::2, ::2]).tolist(),
        )

    def _step(self, batch: _Captioned, progress: float) -> Float[Tensor, ""]:
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(progress, self._settings.peak_learning_rate)
        cosine_loss, head_loss = self._losses(batch)
        self._optimizer.zero_grad(set_to_none=True)
        (cosine_loss + head_loss).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self._optimizer.step()
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, math.log(MAX_LOGIT_SCALE))
        return cosine_loss.detach()

    def _losses(self, batch: _Captioned) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        groups = batch.groups
        images = augment(batch.pictures, self.model.visual.image_size[0], self._generator)
        with torch.autocast(self._device.type, dtype=torch.bfloat16):
            image_features = self.model.encode_image(normalise(images, MEAN, STD))
            text_features = self.model.encode_text(batch.rows)
        image_features, text_features = image_features.float(), text_features.float()
        every_name = torch.arange(len(self._book.names), device=self._device)
        head_loss = self._head(
            image_features, groups, text_features, torch.cat([groups, every_name])
        )
        image_features = torch.nn.functional.normalize(image_features, dim=-1)
        text_features = torch.nn.functional.normalize(text_features, dim=-1)
        scale = self.model.logit_scale.exp()
        captions, names = text_features.split([len(groups), len(every_name)])
        cosine_loss = contrastive_loss(image_features, captions, groups, scale) + name_loss(
            image_features, names, groups, scale
        )
        return cosine_loss, head_loss

    def _caption(self, drawn: _Drawn) -> _Captioned:
        rng = self._random
        captions = [
            describe(name, visible_colours(shares, rng), rng.choice(TEMPLATES), rng)
            for name, shares in zip(drawn.names, drawn.shares, strict=True)
        ]
        rows = self._book.rows(
            captions + self._name_captions(),
            unknown_share=UNKNOWN_SHARE,
            rng=self._numpy_random,
        )
        groups = torch.tensor([self._book.group(name) for name in drawn.names])
        return _Captioned(drawn.pictures, groups.to(self._device), rows.to(self._device))

    def _name_captions(self) -> list[str]:
        # Half of the time the very words of the CD score's prompt.
        rng = self._random
        template = PROMPT_TEMPLATE if rng.random() < 0.5 else rng.choice(TEMPLATES)  # noqa: PLR2004
        return [describe(rng.choice(names), (), template, rng) for names in self._book.names]

    def _make_optimizer(self) -> torch.optim.Optimizer:
        matrices, others = [], []
        for name, parameter in self.model.named_parameters():
            is_matrix = parameter.ndim > 1 and "embedding" not in name
            (matrices if is_matrix else others).append(parameter)
        others.extend(self._head.parameters())
        return torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": self._settings.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=0.0,
            betas=(0.9, 0.98),
            fused=self._device.type == "cuda",
        )


def _freeze_unused_tokens(model: Any, book: CaptionBook) -> None:
    """Set the embeddings of tokens that no caption uses to 0 and keep them there.

    An unknown word then says nothing instead of something random.
    """
    weight = model.token_embedding.weight
    used = torch.zeros(len(weight), 1, device=weight.device)
    used[torch.from_numpy(book.used_tokens)] = 1
    with torch.no_grad():
        weight.mul_(used)
    weight.register_hook(lambda gradient: gradient * used)
