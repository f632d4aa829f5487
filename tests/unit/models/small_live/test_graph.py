"""A pass that is captured once and replayed: the same predictions, whatever comes in between.

On the CPU a stand-in computes again where a CUDA graph would be launched, into the same output.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from harmony.models.small import SmallDenoiser
from harmony.models.small_live import LiveDenoiser, load
from harmony.models.small_live.graph import GraphedPass, Replay, capture_graph
from harmony.noise import SeededNoise
from harmony.records import Guidance, ReferenceImage, SamplerSettings
from harmony.sampling import sample
from tests.unit.models.small_live.test_denoiser import DEFAULTS, tiny_network

WEIGHTS = Path(__file__).resolve().parents[4] / "weights" / "small-live"
WEAK, STRONG = Guidance("decomposed", 0.5, 0.0), Guidance("cfg", cfg_scale=3.0)
FOUR, TWO = SamplerSettings("ddim", 4, 0.0), SamplerSettings("ddim", 2, 0.0)
CUDA = torch.device("cuda")


class StandIn:
    """Replays by computing again, and counts."""

    def __init__(self) -> None:
        self.captures = self.replays = 0

    def __call__(self, run: Callable[[], Tensor]) -> Replay:
        self.captures += 1
        output = run()

        def replay() -> Tensor:
            self.replays += 1
            return output.copy_(run())

        return replay


def compute(latents: Tensor, share: Tensor, condition: Mapping[str, Tensor]) -> Tensor:
    return latents * share + condition["picture"] - condition["dials"]


def inputs(seed: int, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor, dict]:
    generator = torch.Generator().manual_seed(seed)
    latents, share, picture = (
        torch.randn(shape, generator=generator).to(device)
        for shape in ((1, 2, 3, 4, 4), (1,), (1, 4, 4))
    )
    dials = torch.tensor([float(seed)], device=device)
    return latents, share, {"picture": picture.mT, "dials": dials}


def test_each_call_is_answered_from_what_it_was_given():
    capture = StandIn()
    graphed = GraphedPass(compute, capture)
    given = [inputs(seed) for seed in range(3)]
    for index in (0, 1, 0, 2, 2):
        assert torch.equal(graphed(*given[index]), compute(*given[index]))
    assert (capture.captures, capture.replays) == (1, 5)


def test_an_answer_stays_what_it_was():
    graphed = GraphedPass(compute, StandIn())
    first = graphed(*inputs(0))
    graphed(*inputs(1))
    assert torch.equal(first, compute(*inputs(0)))


def test_only_what_is_new_of_a_condition_is_copied():
    graphed = GraphedPass(compute, StandIn())
    latents, share, condition = inputs(0)
    before = graphed(latents, share, condition)
    condition["picture"].add_(1.0)  # nobody does that: it shows that nothing was copied
    assert torch.equal(graphed(latents, share, condition), before)
    moved = {**condition, "dials": condition["dials"] + 1}
    assert torch.equal(graphed(latents, share, moved), before - 1)
    assert torch.equal(graphed(latents, share, {**condition}), before)


def test_conditions_that_come_and_go_are_not_taken_for_each_other():
    graphed = GraphedPass(compute, StandIn())
    latents, share, _ = inputs(0)
    for seed in range(50):  # memory and ids of the last one are free for the next
        condition = inputs(seed)[2]
        assert torch.equal(graphed(latents, share, condition), compute(latents, share, condition))
        del condition


def test_buffers_have_the_strides_of_what_they_stand_for():
    seen = []

    def note(latents: Tensor, share: Tensor, condition: Mapping[str, Tensor]) -> Tensor:
        seen.append(condition["picture"].stride())
        return compute(latents, share, condition)

    given = inputs(0)
    GraphedPass(note, StandIn())(*given)
    assert set(seen) == {given[2]["picture"].stride()} != {(16, 4, 1)}


def test_threads_do_not_mix_their_inputs():
    graphed = GraphedPass(compute, StandIn())
    given = [inputs(seed) for seed in range(8)] * 8
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda one: graphed(*one), given))
    for answer, one in zip(found, given, strict=True):
        assert torch.equal(answer, compute(*one))


def test_a_capture_that_fails_is_told_once_and_not_tried_again(caplog):
    tries = []

    def capture(run: Callable[[], Tensor]) -> Replay:
        tries.append(run)
        raise torch.OutOfMemoryError("CUDA out of memory.")

    graphed = GraphedPass(compute, capture)
    for seed in (0, 1):
        assert torch.equal(graphed(*inputs(seed)), compute(*inputs(seed)))
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "out of memory" in record.getMessage()
    assert len(tries) == 1


def test_an_error_of_another_kind_is_no_reason_to_go_on():
    def capture(run: Callable[[], Tensor]) -> Replay:
        raise ValueError("A mistake.")

    with pytest.raises(ValueError, match="mistake"):
        GraphedPass(compute, capture)(*inputs(0))


def live(capture: Callable | None = None, device: str = "cpu", dtype=torch.float32) -> LiveDenoiser:
    return LiveDenoiser(
        tiny_network().to(device),
        name="tiny",
        weights_sha256="0" * 64,
        shift=6.0,
        defaults=DEFAULTS,
        dtype=dtype,
        capture=capture,
    )


def answers(model: LiveDenoiser) -> list[Tensor]:
    """Return the views of two pictures in turn at positions of the dials and numbers of steps."""
    size = model.image_size
    ones, drawn = torch.ones(1, size, size), torch.Generator().manual_seed(3)
    pictures = [
        model.encode_reference(
            ReferenceImage(torch.rand(3, size, size, generator=drawn) * 2 - 1, ones, elevation)
        )
        for elevation in (10.0, 40.0)
    ]
    runs = [(0, WEAK, FOUR), (0, STRONG, FOUR), (1, STRONG, TWO), (1, WEAK, FOUR), (0, WEAK, TWO)]
    return [
        sample(model, pictures[index], SeededNoise((5,), model.device), guidance, settings)
        for index, guidance, settings in runs
    ]


def layer_by_layer(monkeypatch: pytest.MonkeyPatch, model: LiveDenoiser) -> list[Tensor]:
    with monkeypatch.context() as patch:
        patch.setattr(LiveDenoiser, "predict", SmallDenoiser.predict)
        return answers(model)


def together(model: LiveDenoiser) -> Tensor:
    size = model.image_size
    picture = ReferenceImage(torch.zeros(3, size, size), torch.ones(1, size, size), 0.0)
    noise = SeededNoise((5, 6), model.device)
    return sample(model, model.encode_reference(picture), noise, STRONG, FOUR)


def test_a_replayed_answer_is_the_answer(monkeypatch):
    capture = StandIn()
    model = live(capture)
    expected = layer_by_layer(monkeypatch, model)
    assert capture.captures == 0
    found = answers(model)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    assert len({one.sum().item() for one in found}) == len(found)
    assert (capture.captures, capture.replays) == (1, 16)


def test_several_samples_and_a_cpu_need_no_capture():
    capture = StandIn()
    assert torch.equal(together(live(capture)), together(live()))
    assert capture.captures == 0


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_graph_answers_bit_for_bit_as_its_layers(monkeypatch, caplog, dtype):
    model = live(device="cuda", dtype=dtype)
    expected = layer_by_layer(monkeypatch, model)
    found = answers(model)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    assert not caplog.records  # none was captured in vain


@pytest.mark.gpu
def test_the_shipped_models_graph_answers_bit_for_bit_as_its_layers(monkeypatch, caplog):
    model = load(WEIGHTS, "cuda", dtype=torch.bfloat16)
    expected = layer_by_layer(monkeypatch, model)
    found = answers(model)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
    assert not caplog.records


@pytest.mark.gpu
def test_two_seeds_at_once_are_computed_layer_by_layer(monkeypatch):
    def no_graph(*_):
        raise AssertionError("A graph was captured.")

    found = together(live(no_graph, "cuda"))
    monkeypatch.setattr(LiveDenoiser, "predict", SmallDenoiser.predict)
    assert torch.equal(found, together(live(device="cuda")))


@pytest.mark.gpu
def test_threads_on_one_gpu_do_not_mix_their_inputs():
    graphed = GraphedPass(compute, partial(capture_graph, CUDA))
    given = [inputs(seed, CUDA) for seed in range(8)] * 8
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda one: graphed(*one), given))
    for answer, one in zip(found, given, strict=True):
        assert torch.equal(answer, compute(*one))


@pytest.mark.gpu
def test_a_graph_that_cannot_be_captured_leaves_the_gpu_as_it_was(caplog):
    def fussy(latents: Tensor, share: Tensor, condition: Mapping[str, Tensor]) -> Tensor:
        if torch.cuda.is_current_stream_capturing():
            raise RuntimeError("This cannot be captured.")
        return compute(latents, share, condition)

    before = torch.cuda.current_stream()
    given = inputs(0, CUDA)
    found = GraphedPass(fussy, partial(capture_graph, CUDA))(*given)
    assert torch.cuda.current_stream() == before
    assert torch.equal(found, compute(*given))
    assert len(caplog.records) == 1
