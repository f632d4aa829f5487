from dataclasses import dataclass
from typing import Any

import numpy as np
import open_clip
import pytest
import torch

from harmony.training.clip.captions import CaptionBook
from harmony.training.clip.retrieval import measure_retrieval, recall_at
from harmony.training.clip.settings import ClipTrainingSettings
from harmony.training.clip.trainer import ClipTrainer, learning_rate, pick_pictures

SIDE = 32
NAMES = ("red ball", "green crate", "blue tower", "yellow plank")
COLOURS = ((220, 30, 30), (30, 200, 30), (30, 30, 220), (230, 220, 30))


@dataclass(frozen=True)
class FakeBatch:
    reference: torch.Tensor
    views: torch.Tensor
    object_ids: torch.Tensor


def draw_object(kind: int, scale: float) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(SIDE) - 15.5, torch.arange(SIDE) - 15.5, indexing="ij")
    radius = 12 * scale
    masks = (
        x**2 + y**2 < radius**2,
        (x.abs() < radius * 0.8) & (y.abs() < radius * 0.8),
        (x.abs() < radius * 0.3) & (y.abs() < radius),
        (x.abs() < radius) & (y.abs() < radius * 0.3),
    )
    mask = masks[kind]
    rgba = torch.full((4, SIDE, SIDE), 255, dtype=torch.uint8)
    rgba[3] = mask * 255
    for channel in range(3):
        rgba[channel][mask] = COLOURS[kind][channel]
    return rgba


class FakeSource:
    """Four flat objects at several sizes."""

    def __init__(self) -> None:
        self.rendered = 0

    def refill(self, count: int) -> None:
        self.rendered += count

    def batch(self, count: int, generator: torch.Generator) -> FakeBatch:
        kinds = torch.randint(len(NAMES), (count,), generator=generator)
        scales = torch.rand(count, 17, generator=generator) * 0.4 + 0.6
        pictures = torch.stack(
            [
                torch.stack([draw_object(int(kind), float(s)) for s in row])
                for kind, row in zip(kinds, scales, strict=True)
            ]
        )
        return FakeBatch(pictures[:, 0], pictures[:, 1:], kinds)


def tiny_clip() -> open_clip.CLIP:
    torch.manual_seed(0)
    config: dict[str, Any] = {
        "vision_cfg": {
            "layers": 2,
            "width": 32,
            "head_width": 16,
            "patch_size": 8,
            "image_size": SIDE,
            "pool_type": "avg",
        },
        "text_cfg": {"context_length": 16, "width": 32, "heads": 2, "layers": 1},
    }
    return open_clip.CLIP(embed_dim=32, **config)


@pytest.fixture(scope="module")
def book() -> CaptionBook:
    return CaptionBook(NAMES, open_clip.SimpleTokenizer(context_length=16), 16)


@pytest.fixture(scope="module")
def trained(book: CaptionBook):
    model, source = tiny_clip(), FakeSource()
    settings = ClipTrainingSettings(
        minutes=5,
        max_steps=50,
        scenes_per_step=8,
        views_per_scene=3,
        ring_size=16,
        peak_learning_rate=3e-3,
    )
    report = ClipTrainer(model, source, NAMES, book, settings).run()
    return model, source, report


def test_loss_falls_on_four_objects(trained) -> None:
    _, _, report = trained
    assert report.steps == len(report.losses) == 50
    assert report.pictures_seen == 50 * 8 * 3
    assert np.mean(report.losses[-4:]) < 0.7 * np.mean(report.losses[:4])


def test_scenes_are_rendered_before_training(trained) -> None:
    assert trained[1].rendered >= 16


def test_tokens_of_no_caption_stay_zero(trained, book: CaptionBook) -> None:
    weight = trained[0].token_embedding.weight.detach()
    unused = np.setdiff1d(np.arange(len(weight)), book.used_tokens)
    assert weight[unused].abs().max() == 0
    assert (weight[book.used_tokens].abs().amax(dim=1) > 0).all()


def test_trained_model_names_what_it_has_seen(trained, book: CaptionBook) -> None:
    result = measure_retrieval(trained[0], FakeSource(), NAMES, book, scenes=12)
    assert result.names == 4
    assert result.pictures == 12 * 17
    assert result.recall_at_1 > 0.5  # a blind guess reaches 0.25
    assert result.recall_at_10 == 1.0
    assert result.chance_at_1 == 0.25


def test_time_limit_ends_training(book: CaptionBook) -> None:
    settings = ClipTrainingSettings(minutes=0.0, scenes_per_step=2, views_per_scene=2, ring_size=1)
    report = ClipTrainer(tiny_clip(), FakeSource(), NAMES, book, settings).run()
    assert report.steps == 0


def test_learning_rate_warms_up_and_ends_at_zero() -> None:
    assert learning_rate(0.0, 1.0) == 0.0
    assert learning_rate(0.05, 1.0) == pytest.approx(0.5)
    assert learning_rate(0.1, 1.0) == pytest.approx(1.0)
    assert learning_rate(0.55, 1.0) == pytest.approx(0.5)
    assert learning_rate(1.0, 1.0) == pytest.approx(0.0)


def test_pictures_of_a_scene_stay_together_and_differ() -> None:
    reference = torch.arange(3).view(3, 1, 1, 1).expand(3, 4, 2, 2).to(torch.uint8) * 20
    views = reference[:, None] + torch.arange(1, 17).view(1, 16, 1, 1, 1).to(torch.uint8)
    batch = FakeBatch(reference, views, torch.arange(3))
    picked = pick_pictures(batch, 5, torch.Generator().manual_seed(1))[:, 0, 0, 0].view(3, 5)
    assert picked[:, 0].tolist() == [0, 20, 40]
    for row, start in zip(picked.tolist(), (0, 20, 40), strict=True):
        assert len(set(row)) == 5
        assert all(start <= value <= start + 16 for value in row)


def test_recall_counts_targets_among_the_best() -> None:
    similarities = torch.tensor([[0.9, 0.1, 0.5], [0.2, 0.3, 0.1]])
    assert recall_at(similarities, torch.tensor([0, 0]), 1) == 0.5
    assert recall_at(similarities, torch.tensor([2, 0]), 2) == 1.0
    assert recall_at(similarities, torch.tensor([1, 2]), 2) == 0.0
