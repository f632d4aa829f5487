"""SyncDreamer behind the contract of `MultiviewDenoiser`."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from harmony.models.base import MultiviewDenoiser
from harmony.models.syncdreamer import memory
from harmony.models.syncdreamer.autoencoder import decode_latents, encode_image
from harmony.models.syncdreamer.model import SyncDreamer
from harmony.models.syncdreamer.network import SyncDreamerNetwork
from harmony.models.syncdreamer.runtime import RuntimeSettings
from harmony.noise import SeededNoise
from harmony.records import Branch, Condition, Guidance, ReferenceImage, SamplerSettings
from harmony.sampling import sample

from .conftest import build_network

BRANCHES = (Branch.FULL, Branch.NO_REFERENCE, Branch.NO_VIEWS_OFFICIAL)


def _reference(elevation_deg: float = 20.0) -> ReferenceImage:
    pixels = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(2)) * 2 - 1
    return ReferenceImage(pixels, torch.ones(1, 64, 64), elevation_deg)


@pytest.fixture(scope="module")
def condition(syncdreamer: SyncDreamer) -> Condition:
    return syncdreamer.encode_reference(_reference())


def _latents(samples: int = 1) -> Tensor:
    return torch.randn(samples, 16, 4, 8, 8, generator=torch.Generator().manual_seed(4))


def test_contract(syncdreamer: SyncDreamer) -> None:
    model: MultiviewDenoiser = syncdreamer
    assert (model.name, model.view_count, model.image_size) == ("syncdreamer", 16, 64)
    assert model.schedule.prediction_type == "epsilon"
    assert (model.schedule.timestep_spacing, model.schedule.steps_offset) == ("leading", 1)
    assert model.defaults.guidance == Guidance("decomposed-official", s1=2.0, s2=1.0)
    assert model.defaults.sampler == SamplerSettings("ddim", 50, 1.0)
    assert set(model.guidance_rules) == {"none", "cfg", "decomposed", "decomposed-official"}
    assert model.device == torch.device("cpu")


def test_reference_is_encoded_to_the_mode(
    syncdreamer: SyncDreamer, network: SyncDreamerNetwork, condition: Condition
) -> None:
    again = syncdreamer.encode_reference(_reference())
    assert set(again.tensors) == set(condition.tensors)
    for name, tensor in condition.tensors.items():
        assert torch.equal(again.tensors[name], tensor), name
    image = _reference().pixels[None]
    mode = encode_image(network.autoencoder, image)
    assert torch.equal(condition.tensors["reference_latent"], mode)
    noise = torch.ones_like(mode)
    assert not torch.allclose(encode_image(network.autoencoder, image, noise), mode, atol=1e-3)


def test_reference_and_elevation_change_the_prediction(
    syncdreamer: SyncDreamer, condition: Condition
) -> None:
    base = syncdreamer.predict(_latents(), 500, condition, [Branch.FULL])[Branch.FULL]
    higher = syncdreamer.encode_reference(_reference(40.0))
    other = syncdreamer.predict(_latents(), 500, higher, [Branch.FULL])[Branch.FULL]
    assert (base - other).abs().max() > 1e-3


def test_chunk_size_does_not_matter(
    syncdreamer: SyncDreamer, condition: Condition, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = []
    for limit in (32, 4):
        monkeypatch.setattr(memory, "views_at_once", lambda *_, limit=limit: limit)
        results.append(syncdreamer.predict(_latents(2), 500, condition, BRANCHES))
    for branch in BRANCHES:
        assert torch.allclose(results[0][branch], results[1][branch], atol=1e-5)


def test_samples_do_not_see_each_other(syncdreamer: SyncDreamer, condition: Condition) -> None:
    both = syncdreamer.predict(_latents(2), 500, condition, [Branch.FULL])[Branch.FULL]
    alone = syncdreamer.predict(_latents(2)[1:], 500, condition, [Branch.FULL])[Branch.FULL]
    assert torch.allclose(both[1:], alone, atol=1e-5)
    moved = _latents(2)
    moved[0, 3] += 1.0
    changed = syncdreamer.predict(moved, 500, condition, [Branch.FULL])[Branch.FULL]
    # Views of one sample see each other through the volume.
    assert (changed[0, 11] - both[0, 11]).abs().max() > 1e-4
    assert torch.allclose(changed[1], both[1], atol=1e-5)


def test_out_of_memory_is_survived(
    network: SyncDreamerNetwork, condition: Condition, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = SyncDreamer(network, weights_sha256="")
    expected = model.predict(_latents(), 500, condition, [Branch.FULL])[Branch.FULL]
    denoise, sizes = model._denoise, []

    def scarce(latents: Tensor, *rest: object) -> Tensor:
        sizes.append(latents.shape[1])
        if latents.shape[1] > 8:
            raise torch.OutOfMemoryError
        return denoise(latents, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(model, "_denoise", scarce)
    actual = model.predict(_latents(), 500, condition, [Branch.FULL])[Branch.FULL]
    assert sizes == [16, 8, 8]
    model.predict(_latents(), 481, condition, [Branch.FULL])
    # The next step starts with what fits.
    assert sizes == [16, 8, 8, 8, 8]
    assert torch.allclose(actual, expected, atol=1e-5)


def test_low_memory_computes_the_same(condition: Condition) -> None:
    model = SyncDreamer(
        build_network(), weights_sha256="", settings=RuntimeSettings(low_memory=True)
    )
    frugal = model.encode_reference(_reference())
    for name, tensor in condition.tensors.items():
        assert torch.equal(frugal.tensors[name], tensor), name
    branches = [Branch.FULL, Branch.NO_REFERENCE]
    predicted = model.predict(_latents(), 500, frugal, branches)
    plenty = SyncDreamer(build_network(), weights_sha256="")
    expected = plenty.predict(_latents(), 500, frugal, branches)
    for branch in branches:
        assert torch.allclose(predicted[branch], expected[branch], atol=1e-5)


def test_half_precision_stays_close(condition: Condition) -> None:
    half = SyncDreamer(build_network(), weights_sha256="", dtype=torch.bfloat16)
    full = SyncDreamer(build_network(), weights_sha256="")
    rounded = Condition({k: v.bfloat16() for k, v in condition.tensors.items()})
    actual = half.predict(_latents(), 500, rounded, [Branch.FULL])[Branch.FULL]
    expected = full.predict(_latents(), 500, condition, [Branch.FULL])[Branch.FULL]
    assert actual.dtype == torch.float32
    error = (actual - expected).square().mean().sqrt() / expected.square().mean().sqrt()
    assert error < 0.1


def test_decode_and_preview(syncdreamer: SyncDreamer, network: SyncDreamerNetwork) -> None:
    latents = _latents(2)
    views = syncdreamer.decode(latents)
    assert views.pixels.shape == (2, 16, 3, 64, 64)
    assert views.alpha.shape == (2, 16, 1, 64, 64)
    expected = (decode_latents(network.autoencoder, latents[1, 2:3]).clamp(-1, 1) + 1) / 2
    assert torch.allclose(views.pixels[1, 2:3], expected, atol=1e-5)
    assert views.pixels.min() >= 0
    assert views.pixels.max() <= 1
    preview = syncdreamer.preview(latents)
    assert preview.shape == (2, 16, 3, 8, 8)
    assert 0 <= preview.min() < preview.max() <= 1


def test_whole_road_is_repeatable(syncdreamer: SyncDreamer, condition: Condition) -> None:
    settings = SamplerSettings("ddim", 2, 1.0)
    runs = [
        sample(syncdreamer, condition, SeededNoise([3]), syncdreamer.defaults.guidance, settings)
        for _ in range(2)
    ]
    assert torch.equal(runs[0], runs[1])
    assert runs[0].isfinite().all()


@pytest.mark.gpu
@pytest.mark.parametrize("compile_mode", [None, "default"])
def test_gpu_agrees_with_the_cpu(condition: Condition, compile_mode: str | None) -> None:
    settings = RuntimeSettings(compile_mode=compile_mode)
    gpu = SyncDreamer(
        build_network(),
        weights_sha256="",
        device="cuda",
        dtype=torch.float16,
        settings=settings,
    )
    cpu = SyncDreamer(build_network(), weights_sha256="")
    encoded = gpu.encode_reference(_reference())
    actual = gpu.predict(_latents(2).cuda(), 500, encoded, BRANCHES)
    expected = cpu.predict(_latents(2), 500, condition, BRANCHES)
    for branch in BRANCHES:
        assert torch.allclose(actual[branch].cpu(), expected[branch], atol=0.03), branch
    pictures = gpu.decode(_latents().cuda()).pixels
    assert torch.allclose(pictures, cpu.decode(_latents()).pixels, atol=0.02)


def test_bad_input(syncdreamer: SyncDreamer, condition: Condition) -> None:
    small = replace(_reference(), pixels=torch.zeros(3, 32, 32))
    with pytest.raises(ValueError, match="64"):
        syncdreamer.encode_reference(small)
    for elevation in (91.0, float("nan")):
        with pytest.raises(ValueError, match="elevation"):
            syncdreamer.encode_reference(_reference(elevation))
    with pytest.raises(ValueError, match="Latents"):
        syncdreamer.predict(_latents()[:, :15], 1, condition, [Branch.FULL])
    for timestep in (-1, 1000):
        with pytest.raises(ValueError, match="timestep"):
            syncdreamer.predict(_latents(), timestep, condition, [Branch.FULL])
    with pytest.raises(ValueError, match="not finite"):
        syncdreamer.decode(torch.full((1, 16, 4, 8, 8), torch.inf))
