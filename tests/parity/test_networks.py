"""The networks against the recorded outputs, tensor by tensor (ARCHITECTURE sections 2 to 6)."""

from __future__ import annotations

import json
import re

import pytest
import torch
from torch import Tensor

from harmony.cameras import target_cameras
from harmony.models.syncdreamer.autoencoder import decode_latents, encode_image, encode_posterior
from harmony.models.syncdreamer.embeddings import timestep_sinusoid, view_embedding
from harmony.models.syncdreamer.geometry import frustum_depths
from tests.parity.conftest import DEFAULT_PREFIX, ParitySet


def _target_views(parity: ParitySet) -> Tensor:
    rows = zip(parity["spatial.v_embed"], parity.targets, strict=True)
    return torch.cat([views[targets] for views, targets in rows])


def test_time(parity: ParitySet) -> None:
    t = parity["time.t"]
    channels = parity.config.unet.model_channels
    parity.check("time.sinusoid256", timestep_sinusoid(t, 256))
    parity.check("time.embed", parity.network.embed_time(t))
    parity.check("time.unet_sinusoid", timestep_sinusoid(t, channels))
    parity.check("time.unet_embed", parity.network.unet.embed_time(t))


def test_view(parity: ParitySet) -> None:
    count = parity.config.view_count
    parity.check("view.embed", view_embedding(parity["view.elevation_rad"], count))
    parity.check("spatial.v_embed", view_embedding(parity["spatial.elevation_rad"], count))


def test_grids(parity: ParitySet) -> None:
    names = [
        name for name in parity.tensors if re.fullmatch(r"spatial\.view\d+_grid_every37", name)
    ]
    assert names
    for name in names:
        view = int(name.split("view")[1].split("_")[0])
        grid = parity.grids.unprojection[view, ::37]
        parity.check(name, grid.expand_as(parity[name]))
    parity.check("frustum.depths", torch.from_numpy(frustum_depths(parity.config)).float())
    targets = [index for row in parity.targets for index in row]
    grids = parity.grids.frustum[targets].flatten(1, 3)[:, ::101]
    parity.check("frustum.grid_every101", grids)


def test_spatial_volume(parity: ParitySet) -> None:
    network, x = parity.network, parity["spatial.x"]
    time = network.embed_time(parity["spatial.t"])
    view = parity["spatial.v_embed"]
    parity.check("spatial.t_embed", time)
    feature = network.target_encoder(x[:, 0], time, view[:, 0])
    parity.check("spatial.view0_feature", feature)
    parity.check("spatial.volume", network.spatial_volume(x, time, view, parity.grids))


def test_frustum_volumes(parity: ParitySet) -> None:
    network, volume = parity.network, parity["spatial.volume"]
    rows = []
    for sample, targets in enumerate(parity.targets):
        time = parity["spatial.t_embed"][sample : sample + 1]
        view = parity["spatial.v_embed"][sample, targets]
        grid = parity.grids.frustum[targets]
        one = volume[sample : sample + 1]
        rows.append(network.frustum_volumes(one, time, view, grid))
    for level, width in enumerate(parity.config.volume_widths):
        parity.check(f"frustum.volume_w{width}", torch.cat([row[level] for row in rows]))


def test_conditions(parity: ParitySet) -> None:
    views = [v[t] for v, t in zip(parity["spatial.v_embed"], parity.targets, strict=True)]
    context = parity.network.project_context(parity["cond.clip_embed"][:, 0], torch.stack(views))
    parity.check("cond.context", context.flatten(0, 1)[:, None])
    repeated = parity["cond.x_input"].repeat_interleave(len(parity.targets[0]), dim=0)
    parity.check("cond.x_concat", repeated)


def test_unet(parity: ParitySet) -> None:
    unet, x, t = parity.network.unet, parity["unet.x"], parity["unet.t"]
    context, volumes = parity["cond.context"], parity.volumes
    parity.check("unet.out", unet(x, t, context, volumes))
    parity.check("unet.out_context3", unet(x, t, parity["unet.context3"], volumes))
    zeros = [torch.zeros_like(volume) for volume in volumes]
    parity.check("unet.out_zero_volume", unet(x, t, context, zeros))
    parity.check("unet.out_zero_context", unet(x, t, torch.zeros_like(context), volumes))


def test_unet_trace(parity: ParitySet) -> None:
    unet = parity.network.unet
    modules = {"input_blocks.0": unet.conv_in, "middle_block": unet.middle_second}
    modules |= {f"input_blocks.{i + 1}": block for i, block in enumerate(unet.input_blocks)}
    modules |= {f"output_blocks.{i}": block for i, block in enumerate(unet.output_blocks)}
    depth = {f"output_conditions.{i - 1}": d for i, d in enumerate(unet.depth_transformers)}
    modules |= depth | {"middle_conditions": unet.depth_transformers[0]}
    seen: dict[str, Tensor] = {}
    hooks = [
        module.register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out}))
        for name, module in modules.items()
    ]
    unet(parity["unet.x"], parity["unet.t"], parity["cond.context"], parity.volumes)
    for hook in hooks:
        hook.remove()
    trace = parity.recorded["info"]["unet_trace"]
    assert trace
    for block in trace:
        out = seen[block["name"]]
        assert list(out.shape) == block["shape"]
        numbers = [out.mean(), out.std(), *out.flatten()[:6]]
        expected = [block["mean"], block["std"], *block["first"]]
        parity.check(f"trace.{block['name']}", torch.stack(numbers), torch.tensor(expected))


@pytest.mark.parametrize(
    "name", ["middle_conditions", "output_conditions.0", "output_conditions.2"]
)
def test_depth_transformers(parity: ParitySet, name: str) -> None:
    unet = parity.network.unet
    index = 0 if name == "middle_conditions" else int(name.split(".")[1]) + 1
    context = unet.depth_contexts(parity.volumes)[index]
    out = unet.depth_transformers[index](parity[f"unet.{name}.in"], context)
    parity.check(f"unet.{name}.out", out)


def test_autoencoder(parity: ParitySet) -> None:
    vae = parity.network.autoencoder
    image, noise = parity["vae.image"], parity["vae.sample_noise"]
    posterior = encode_posterior(vae, image)
    parity.check("vae.mean", posterior.mean)
    parity.check("vae.logvar", posterior.logvar)
    parity.check("vae.encode_mode_scaled", encode_image(vae, image))
    parity.check("vae.encode_sample_scaled", encode_image(vae, image, noise))
    parity.check("vae.decoded", decode_latents(vae, parity["vae.z_scaled"]))


@pytest.mark.shared_data
def test_cameras() -> None:
    recorded = json.loads((DEFAULT_PREFIX.parent / "cameras-16.json").read_text())
    cameras = target_cameras(recorded["image_size"])
    poses = torch.tensor(recorded["poses_world_to_camera"], dtype=torch.float64)
    assert torch.allclose(torch.from_numpy(cameras.poses), poses, atol=2e-7, rtol=0)
    assert torch.tensor(cameras.intrinsics).tolist() == recorded["K"]
    azimuths = torch.tensor(recorded["azimuths_rad"], dtype=torch.float64)
    assert torch.allclose(torch.from_numpy(cameras.azimuths_deg).deg2rad(), azimuths, atol=1e-6)
