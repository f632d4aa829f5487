from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from harmony.pipeline import (
    SampleEvent,
    StepEvent,
    encode,
    first_noise,
    generate,
    prepare,
    to_uint8,
)
from harmony.records import Branch, CDScore, Guidance, Recipe, SamplerSettings, Views
from harmony.sampling import SAMPLERS
from tests.fakes import FakeDenoiser


def picture() -> Image.Image:
    image = Image.new("RGBA", (100, 80))
    ImageDraw.Draw(image).ellipse((20, 10, 79, 69), fill=(200, 60, 30, 255))
    return image


def prepared(elevation_deg: float = 30.0):
    return prepare(
        picture(), cutout="u2netp", foreground=0.8, elevation_deg=elevation_deg, image_size=32
    )


def recipe(seeds=(0, 1, 2), steps: int = 3, guidance: Guidance | None = None) -> Recipe:
    return Recipe(
        image_sha256="0" * 64,
        cutout="alpha",
        foreground=0.8,
        elevation_deg=30.0,
        seeds=tuple(seeds),
        guidance=guidance or Guidance("decomposed", 2.0, 1.0),
        sampler=SamplerSettings("ddim", steps, 1.0),
        model="fake",
        weights_sha256="0" * 64,
        object_name="teapot",
    )


def run(model, wanted, **options):
    events = list(generate(model, prepared().reference, wanted, **options))
    steps = [event for event in events if isinstance(event, StepEvent)]
    samples = [event.sample for event in events if isinstance(event, SampleEvent)]
    assert len(steps) + len(samples) == len(events)
    return steps, samples


def test_a_picture_with_a_mask_needs_no_network_and_says_so():
    made = prepared()
    assert made.cutout_used == "alpha"
    assert made.warnings == ()
    assert made.cutout.mode == "RGBA"
    assert made.reference.pixels.shape == (3, 32, 32)


def test_preparing_warns_in_sentences():
    frames = [Image.new("RGB", (300, 300), colour) for colour in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    with Image.open(buffer) as animation:
        made = prepare(animation, cutout="none", foreground=None, elevation_deg=75, image_size=32)
    assert made.cutout_used == "none"
    assert [word for word in ("animated", "border", "elevation") if word in " ".join(made.warnings)] == ["animated", "border", "elevation"]  # fmt: skip


def test_preparing_refuses_bad_arguments_before_any_work():
    options = {"cutout": "u2netp", "foreground": 0.8, "elevation_deg": 30.0, "image_size": 32}
    for name, value in (("cutout", "bria"), ("foreground", 2.0), ("elevation_deg", float("nan"))):
        with pytest.raises(ValueError, match="must be"):
            prepare(Image.new("RGB", (9, 9)), **{**options, name: value})


def test_events_come_in_order_with_one_pass_for_each_seed_on_the_cpu(model):
    events = list(generate(model, prepared().reference, recipe()))
    kinds = "".join("s" if isinstance(event, StepEvent) else "S" for event in events)
    assert kinds == "sssSsssSsssS"
    steps = [event for event in events if isinstance(event, StepEvent)]
    assert [(e.pass_index, e.step) for e in steps] == [(p, s) for p in range(3) for s in (1, 2, 3)]
    assert {e.num_passes for e in steps} == {3}
    assert {e.num_steps for e in steps} == {3}
    assert [e.seeds for e in steps[::3]] == [(0,), (1,), (2,)]
    assert model.encoded == 1


def test_a_seed_is_the_same_alone_and_among_others(model):
    _, together = run(model, recipe((7, 3, 11)))
    for sample in together:
        _, alone = run(FakeDenoiser(), recipe((sample.seed,)))
        assert torch.equal(alone[0].views.pixels, sample.views.pixels)
    assert [sample.seed for sample in together] == [7, 3, 11]
    assert not torch.equal(together[0].views.pixels, together[1].views.pixels)


def test_a_run_from_what_was_encoded_before_is_the_same_run(model):
    wanted, reference = recipe(), prepared().reference
    _, expected = run(model, wanted)
    start = encode(model, reference)
    start = replace(start, noise={1: first_noise(model, 1)})
    encoded = model.encoded
    events = generate(model, start, wanted)
    found = [event.sample for event in events if isinstance(event, SampleEvent)]
    for again, first in zip(found, expected, strict=True):
        assert torch.equal(again.views.pixels, first.views.pixels)
    assert model.encoded == encoded


def test_seeds_in_one_pass_are_the_same_samples(model):
    _, apart = run(model, recipe())
    steps, together = run(FakeDenoiser(), recipe(), seeds_per_pass=3)
    assert {event.seeds for event in steps} == {(0, 1, 2)}
    for one, other in zip(apart, together, strict=True):
        torch.testing.assert_close(one.views.pixels, other.views.pixels)


def test_samples_hold_views_and_masks_of_one_seed(model):
    _, samples = run(model, recipe())
    for sample in samples:
        assert sample.views.pixels.shape == (1, 16, 3, 32, 32)
        assert sample.views.alpha.shape == (1, 16, 1, 32, 32)
        assert sample.score is None


@pytest.mark.parametrize(
    ("every", "due"), [(0, []), (1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (9, [5])]
)
def test_previews_come_when_due(model, every, due):
    steps, _ = run(model, recipe((0,), steps=5), preview_every=every)
    assert [event.step for event in steps if event.preview is not None] == due
    for event in steps:
        if event.preview is not None:
            assert event.preview.dtype == np.uint8
            assert event.preview.shape == (1, 16, 8, 8, 3)


def test_closing_stops_within_one_step(model):
    walk = generate(model, prepared().reference, recipe(steps=50))
    for _ in range(3):
        next(walk)
    walk.close()
    assert len(model.calls) == 3


def test_bad_recipes_are_refused_before_the_reference_is_encoded(model):
    reference = prepared().reference
    bad = [
        recipe(()),
        recipe((-1,)),
        recipe((1, 1)),
        recipe(steps=0),
        recipe(steps=10**9),
        recipe(guidance=Guidance("decomposed", float("nan"), 1.0)),
        recipe(guidance=Guidance("decomposed-official", 2.0, 1.0)),
    ]
    for wanted in bad:
        with pytest.raises(ValueError, match=r".\.$"):
            generate(model, reference, wanted)
    with pytest.raises(ValueError, match="or more"):
        generate(model, reference, recipe(), seeds_per_pass=0)
    with pytest.raises(ValueError, match="or more"):
        generate(model, reference, recipe(), preview_every=-1)
    assert model.encoded == 0


class _Scorer:
    def __init__(self) -> None:
        self.seen: list[tuple[int, str]] = []

    def score(self, views: Views, object_name: str) -> list[CDScore]:
        self.seen.append((len(views.pixels), object_name))
        return [
            CDScore(float(pixels.mean()), 1.0, float(pixels.mean()), "official", "fake")
            for pixels in views.pixels
        ]


def test_the_scorer_sees_every_sample(model):
    scorer = _Scorer()
    _, samples = run(model, recipe(), scorer=scorer)
    assert scorer.seen == [(1, "teapot")] * 3
    for sample in samples:
        assert sample.score is not None
        assert sample.score.diversity == pytest.approx(float(sample.views.pixels.mean()))


def test_a_name_that_cannot_be_scored_is_refused_at_once(model):
    with pytest.raises(ValueError, match="needs letters"):
        generate(model, prepared().reference, replace(recipe(), object_name="3"), scorer=_Scorer())


class _SmallMemory(FakeDenoiser):
    """Runs out of memory with more than `room` samples."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room

    def predict(self, latents, timestep, condition, branches):
        if len(latents) > self.room:
            raise torch.OutOfMemoryError("out of memory")
        return super().predict(latents, timestep, condition, branches)


def test_a_pass_is_halved_once_when_memory_runs_out(model):
    steps, samples = run(_SmallMemory(2), recipe((0, 1, 2, 3)), seeds_per_pass=4)
    assert [event.seeds for event in steps[::3]] == [(0, 1), (2, 3)]
    assert [event.notice is not None for event in steps] == [True] + [False] * 5
    assert steps[0].notice is not None
    assert "2 seeds at once" in steps[0].notice
    assert {event.num_passes for event in steps} == {2}
    _, expected = run(model, recipe((0, 1, 2, 3)), seeds_per_pass=2)
    for one, other in zip(samples, expected, strict=True):
        assert torch.equal(one.views.pixels, other.views.pixels)


@pytest.mark.parametrize(("room", "per_pass", "fewer"), [(1, 4, True), (0, 1, False)])
def test_too_little_memory_is_said_plainly(room, per_pass, fewer):
    with pytest.raises(ValueError, match="too little memory") as refused:
        run(_SmallMemory(room), recipe((0, 1, 2, 3)), seeds_per_pass=per_pass)
    # One seed cannot become fewer.
    assert ("fewer seeds" in str(refused.value)) == fewer


def test_one_seed_that_does_not_fit_is_refused_after_one_try():
    model = _SmallMemory(0)
    with pytest.raises(ValueError, match="too little memory"):
        run(model, recipe((0,)))
    assert model.encoded == 1


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9.0 GB)"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
@pytest.mark.parametrize("stage", ["encode_reference", "predict", "decode"])
def test_every_device_and_stage_that_runs_out_of_memory_says_so(monkeypatch, stage, error):
    def full(*args, **kwargs):
        raise error

    monkeypatch.setattr(FakeDenoiser, stage, full)
    with pytest.raises(ValueError, match="too little memory"):
        run(FakeDenoiser(), recipe((0,)))


def test_other_errors_of_a_network_are_not_taken_for_full_memory(monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("CUDA error: device-side assert triggered")

    for stage in ("encode_reference", "predict"):
        monkeypatch.setattr(FakeDenoiser, stage, broken)
        with pytest.raises(RuntimeError, match="device-side"):
            run(FakeDenoiser(), recipe((0,)))


def test_views_that_are_not_finite_are_refused(model, monkeypatch):
    decode = FakeDenoiser.decode

    def broken(self, latents):
        views = decode(self, latents)
        return Views(views.pixels * float("nan"), views.alpha)

    monkeypatch.setattr(FakeDenoiser, "decode", broken)
    with pytest.raises(ValueError, match="seed 0 are not finite"):
        run(model, recipe((0,)))


def test_every_setting_matters(model):
    def pixels(elevation_deg: float = 30.0, **options):
        reference = prepared(elevation_deg).reference
        events = list(generate(FakeDenoiser(), reference, recipe((0,), **options)))
        assert isinstance(events[-1], SampleEvent)
        return events[-1].sample.views.pixels

    base = pixels()
    assert torch.equal(base, pixels())
    for other in (
        pixels(elevation_deg=0.0),
        pixels(steps=4),
        pixels(guidance=Guidance("decomposed", 3.0, 1.0)),
        pixels(guidance=Guidance("decomposed", 2.0, 2.0)),
        pixels(guidance=Guidance("cfg", cfg_scale=1.0)),
    ):
        assert not torch.equal(base, other)


def test_no_guidance_costs_one_branch(model):
    run(model, recipe((0,), guidance=Guidance("decomposed", 0.0, 0.0)))
    assert {call[1] for call in model.calls} == {(Branch.FULL,)}


def test_bytes_are_rounded_and_clamped():
    values = torch.tensor([-1.0, 0.0, 0.5, 0.999, 1.0, 2.0]).view(1, 1, 6).expand(3, 1, 6)
    found = to_uint8(values)
    assert found[0, :, 0].tolist() == [0, 0, 128, 255, 255, 255]
    assert found.flags.c_contiguous


@pytest.mark.gpu
@pytest.mark.parametrize("sampler", list(SAMPLERS))
def test_a_gpu_paints_the_same_from_the_same_seeds(sampler):
    wanted = replace(recipe(), sampler=SamplerSettings(sampler, 4, 1.0))
    _, expected = run(FakeDenoiser(), wanted)
    steps, samples = run(FakeDenoiser(device="cuda"), wanted)
    assert {event.seeds for event in steps} == {(0, 1, 2)}
    for one, other in zip(samples, expected, strict=True):
        assert one.views.pixels.device.type == "cpu"
        torch.testing.assert_close(one.views.pixels, other.views.pixels, atol=2e-3, rtol=0)


@pytest.mark.gpu
def test_views_that_stay_on_a_gpu_are_the_same_views():
    _, samples = run(FakeDenoiser(device="cuda"), recipe())
    _, there = run(FakeDenoiser(device="cuda"), recipe(), views_device="cuda")
    for one, other in zip(samples, there, strict=True):
        assert other.views.pixels.device.type == other.views.alpha.device.type == "cuda"
        assert torch.equal(one.views.alpha, other.views.alpha.cpu())
        assert (to_uint8(one.views.pixels) == to_uint8(other.views.pixels)).all()
