"""Branches in one batch equal one plain pass of the U-Net for each."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from harmony.models.syncdreamer.branches import BRANCH_INPUTS, plan_branches, unet_input
from harmony.models.syncdreamer.depth_attention import DepthTransformer
from harmony.models.syncdreamer.model import SyncDreamer
from harmony.models.syncdreamer.network import SyncDreamerNetwork
from harmony.models.syncdreamer.unet import MultiviewUNet
from harmony.records import Branch, Condition

from .conftest import TINY

SETS = [
    (Branch.FULL,),
    (Branch.NO_VIEWS,),
    (Branch.FULL, Branch.UNCONDITIONAL),
    (Branch.FULL, Branch.NO_REFERENCE, Branch.NO_VIEWS),
    (Branch.NO_VIEWS_OFFICIAL, Branch.FULL, Branch.NO_REFERENCE),
    tuple(Branch),
]


@pytest.fixture(scope="module")
def condition(syncdreamer: SyncDreamer) -> Condition:
    torch.manual_seed(3)
    return syncdreamer.condition(torch.randn(1, 20), torch.randn(1, 4, 8, 8), 10.0)


@pytest.fixture(scope="module")
def plain(network: SyncDreamerNetwork, syncdreamer: SyncDreamer) -> dict[Branch, Tensor]:
    """Every branch by itself: real tokens, real zero volumes, no short cut."""
    torch.manual_seed(3)
    image, latent = torch.randn(1, 20), torch.randn(1, 4, 8, 8)
    view = syncdreamer.condition(image, latent, 10.0).tensors["view"]
    tokens = network.project_context(image, view[None])[0][:, None].repeat(2, 1, 1)
    x, t = latents(), torch.tensor([401])
    time = network.embed_time(t)
    grids = syncdreamer.grids
    volume = network.spatial_volume(x, time, view[None], grids)
    frustum = network.frustum_volumes(volume, time, view.repeat(2, 1), grids.frustum)
    out = {}
    for branch, given in BRANCH_INPUTS.items():
        rows = unet_input(x.flatten(0, 1), latent.expand(32, -1, -1, -1), given.latent_factor)
        volumes = [v * float(given.volume) for v in frustum]
        noise = network.unet(rows, t, tokens * float(given.context), volumes)
        out[branch] = noise.unflatten(0, (2, 16))
    return out


def latents() -> Tensor:
    return torch.randn(2, 16, 4, 8, 8, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("branches", SETS, ids=lambda names: "+".join(names))
def test_branches_equal_plain_passes(
    syncdreamer: SyncDreamer,
    condition: Condition,
    plain: dict[Branch, Tensor],
    branches: Sequence[Branch],
) -> None:
    predicted = syncdreamer.predict(latents(), 401, condition, branches)
    assert set(predicted) == set(branches)
    for branch in branches:
        assert torch.allclose(predicted[branch], plain[branch], atol=1e-4), branch


def test_branches_differ(plain: dict[Branch, Tensor]) -> None:
    names = list(plain)
    for i, first in enumerate(names):
        for second in names[i + 1 :]:
            assert (plain[first] - plain[second]).abs().max() > 0.02, (first, second)


def test_no_volume_is_built_for_branches_without_it(
    syncdreamer: SyncDreamer, condition: Condition, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Tensor:
        raise AssertionError("a volume was built")

    monkeypatch.setattr(syncdreamer.network.spatial_network, "forward", refuse)
    monkeypatch.setattr(syncdreamer.network.frustum_network, "forward", refuse)
    syncdreamer.predict(latents(), 401, condition, [Branch.NO_VIEWS, Branch.UNCONDITIONAL])
    with pytest.raises(AssertionError, match="volume"):
        syncdreamer.predict(latents(), 401, condition, [Branch.FULL])


def test_branches_that_differ_in_the_volume_share_the_first_half(
    syncdreamer: SyncDreamer, condition: Condition, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = []
    encode = MultiviewUNet.encode

    def counting(self: MultiviewUNet, x: Tensor, *rest: object) -> object:
        rows.append(len(x))
        return encode(self, x, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(MultiviewUNet, "encode", counting)
    one = latents()[:1]
    syncdreamer.predict(one, 401, condition, [Branch.FULL, Branch.NO_VIEWS])
    assert sum(rows) == TINY.view_count
    rows.clear()
    syncdreamer.predict(one, 401, condition, [Branch.FULL, Branch.NO_VIEWS_OFFICIAL])
    assert sum(rows) == 2 * TINY.view_count


def test_what_every_step_shares_is_not_computed_again(
    syncdreamer: SyncDreamer, condition: Condition, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> Tensor:
        raise AssertionError("computed again")

    unet = syncdreamer.network.unet
    for transformer in unet.spatial_transformers():
        attention = transformer.get_submodule("block.attn2")
        for name in ("to_q", "to_k", "to_v", "to_out.0"):
            monkeypatch.setattr(attention.get_submodule(name), "forward", refuse)
    monkeypatch.setattr(unet, "zero_volume_residuals", refuse)
    for part in ("context_projection", "autoencoder", "image_encoder"):
        monkeypatch.setattr(syncdreamer.network.get_submodule(part), "forward", refuse)
    syncdreamer.predict(latents()[:1], 401, condition, tuple(Branch))


def test_contexts_are_shared_by_the_branches_that_keep_the_volume(
    syncdreamer: SyncDreamer, condition: Condition, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = []
    project = DepthTransformer.project_context

    def counting(self: DepthTransformer, volume: Tensor) -> Tensor:
        rows.append(len(volume))
        return project(self, volume)

    monkeypatch.setattr(DepthTransformer, "project_context", counting)
    layers = len(syncdreamer.network.unet.depth_transformers)
    for branches in ([Branch.FULL], [Branch.FULL, Branch.NO_REFERENCE], tuple(Branch)):
        rows.clear()
        syncdreamer.predict(latents()[:1], 401, condition, branches)
        assert sum(rows) == layers * TINY.view_count


def test_plan() -> None:
    plan = plan_branches([Branch.NO_VIEWS, Branch.NO_REFERENCE, Branch.FULL])
    assert plan.order == (Branch.NO_REFERENCE, Branch.FULL, Branch.NO_VIEWS)
    assert plan.with_volume == 2
    assert plan.encodings == ((False, 0.0), (True, 1.0))
    assert plan.encoding_of == (0, 1, 1)
    for wrong in ([], [Branch.FULL, Branch.FULL]):
        with pytest.raises(ValueError, match="once"):
            plan_branches(wrong)
