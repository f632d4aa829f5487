"""Prove the loader at full size: `python -m tests.parity.fullsize [--work DIR] [--dtype float16]`.

Writes a checkpoint with the official keys, shapes and format whose weights follow the formula of
`fullsize.json`, converts and loads it with the package's own code, and compares the networks'
outputs with the recorded ones. Needs about 6 GB of memory, 12 GB of disk and a few minutes,
which is why it is a command and not a test. CLIP's weights are not recorded and stay 0.
`--precision bfloat16` then repeats one guided step (16 views, s1 = 2, s2 = 1) in that number
type and prints its relative error ||a - b|| / ||b|| against float32.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
import zlib
from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from harmony.cameras import target_cameras
from harmony.guidance import branch_weights, guide
from harmony.models.syncdreamer.autoencoder import decode_latents, encode_image
from harmony.models.syncdreamer.branches import unet_input
from harmony.models.syncdreamer.checkpoint import DTYPES, load_network
from harmony.models.syncdreamer.convert import convert_checkpoint
from harmony.models.syncdreamer.embeddings import view_embedding
from harmony.models.syncdreamer.keys import UNUSED_KEYS
from harmony.models.syncdreamer.model import SyncDreamer
from harmony.models.syncdreamer.network import SyncDreamerNetwork, sampling_grids
from harmony.models.syncdreamer.schedule import alphas_cumprod
from harmony.records import ReferenceImage

ROOT = Path(__file__).resolve().parent.parent.parent
TOLERANCE = 1e-3
PRECISION_TOLERANCE = 2e-2
GUIDED_TIMESTEP = 501


def formula(key: str, shape: list[int], seed: int, *, is_input: bool = False) -> Tensor:
    """Return the tensor that `fullsize.json` prescribes for a key."""
    random = np.random.RandomState((zlib.crc32(key.encode()) + seed) % 2**32)
    u = random.standard_normal(int(np.prod(shape))).astype(np.float32).reshape(shape)
    if not is_input:
        if u.ndim >= 2:
            u /= np.float32(np.sqrt(u.size / shape[0]))
        elif key.endswith(".weight"):
            u = 1 + np.float32(0.1) * u
        else:
            u *= np.float32(0.1)
    return torch.from_numpy(u)


def write_checkpoint(path: Path, keys: dict[str, list], seed: int) -> None:
    """Write the checkpoint as the official one is: a pickle with a `state_dict`."""
    tables = {"alphas_cumprod": alphas_cumprod()}
    tables["poses"] = torch.from_numpy(target_cameras().poses.astype(np.float32))
    state: OrderedDict[str, Tensor] = OrderedDict()
    for key, (shape, _) in keys.items():
        if key in tables:
            state[key] = tables[key]
        elif key.startswith("clip_image_encoder.") or key in UNUSED_KEYS:
            state[key] = torch.zeros(shape)
        else:
            state[key] = formula(key, shape, seed)
    torch.save({"global_step": 0, "state_dict": state}, path)


@torch.inference_mode()
def outputs(
    network: SyncDreamerNetwork, recorded: dict[str, Tensor], seed: int
) -> dict[str, Tensor]:
    """Return everything that is recorded, by its recorded name."""

    def given(name: str, *shape: int) -> Tensor:
        return formula(f"input:{name}", list(shape), seed, is_input=True)

    t, target = recorded["t"], recorded["target_index"][0]
    grids = sampling_grids(network.config, "cpu")
    x, clip = given("x_noisy", 1, 16, 4, 32, 32), given("clip", 1, 1, 768)
    view = view_embedding(recorded["elevation_rad"], 16)
    time = network.embed_time(t)
    volume = network.spatial_volume(x, time, view, grids)
    frustum = network.frustum_volumes(volume, time, view[0, target], grids.frustum[target])
    context = network.project_context(clip[:, 0], view[:, target])
    x_unet = unet_input(x[0, target], given("x_input", 1, 4, 32, 32), 1.0)
    zeros = [torch.zeros_like(v) for v in frustum]
    vae = network.autoencoder
    image = given("image", 1, 3, 256, 256).tanh()
    found = {
        "t_embed": time,
        "v_embed": view,
        "context": context,
        "spatial.volume[:,:,::4,::4,::4]": volume[:, :, ::4, ::4, ::4],
        "eps": network.unet(x_unet, t, context, frustum),
        "eps_context3": network.unet(x_unet, t, given("context3", 1, 3, 768), frustum),
        "eps_zero_volume": network.unet(x_unet, t, context, zeros),
        "vae.encode_mode_scaled": encode_image(vae, image),
        "vae.decoded[:,:,::4,::4]": decode_latents(vae, given("z", 1, 4, 32, 32))[:, :, ::4, ::4],
    }
    for volume_w, step in zip(frustum, (8, 4, 2, 1), strict=True):
        name = f"frustum.volume_w{volume_w.shape[-1]}[:,:,::{step},::{step},::{step}]"
        found[name] = volume_w[:, :, ::step, ::step, ::step]
    return found


def compare(network: SyncDreamerNetwork, recorded: dict[str, Tensor], seed: int) -> float:
    """Print the error of every recorded output; returns the largest."""
    worst = 0.0
    found = outputs(network, recorded, seed)
    assert set(found) | {"t", "target_index", "elevation_rad"} == set(recorded)
    for name, actual in found.items():
        expected = recorded[name]
        assert actual.shape == expected.shape, name
        error = (actual - expected).abs().max() / (1 + expected.abs().max())
        worst = max(worst, error.item())
        sys.stdout.write(f"  {name:42s} {error:.1e}\n")
    return worst


def guided_step(network: SyncDreamerNetwork, dtype: torch.dtype, seed: int) -> Tensor:
    """Return one guided prediction of all views; the network stays in `dtype`."""

    def given(name: str, *shape: int) -> Tensor:
        return formula(f"input:{name}", list(shape), seed, is_input=True)

    model = SyncDreamer(network, weights_sha256="formula", device="cpu", dtype=dtype)
    pixels = given("image", 1, 3, 256, 256).tanh()[0]
    condition = model.encode_reference(ReferenceImage(pixels, torch.ones(1, 256, 256), 30.0))
    guidance = model.defaults.guidance
    branches = tuple(branch_weights(guidance))
    latents = given("x_noisy", 1, 16, 4, 32, 32)
    predictions = model.predict(latents, GUIDED_TIMESTEP, condition, branches)
    return guide({name: p.float() for name, p in predictions.items()}, guidance)


def precision_error(network: SyncDreamerNetwork, dtype: torch.dtype, seed: int) -> float:
    """Return the relative error of one guided step in `dtype`."""
    exact = guided_step(network, torch.float32, seed)
    return ((guided_step(network, dtype, seed) - exact).norm() / exact.norm()).item()


def main() -> None:
    parser = argparse.ArgumentParser(description="Prove the SyncDreamer loader at full size.")
    parser.add_argument("--parity", type=Path, default=ROOT.parent / "shared" / "parity")
    parser.add_argument("--work", type=Path, help="folder for about 12 GB of files")
    parser.add_argument("--dtype", default="float32", help="number type of the converted file")
    parser.add_argument("--precision", choices=list(DTYPES), help="also compare a guided step")
    options = parser.parse_args()
    recipe = json.loads((options.parity / "fullsize.json").read_text())
    keys = json.loads((options.parity / "syncdreamer-keys.json").read_text())["keys"]
    recorded = load_file(options.parity / "fullsize.safetensors")
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        start = time.monotonic()

        def report(what: str) -> None:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            elapsed = time.monotonic() - start
            sys.stdout.write(f"{what}: {elapsed:.0f} s, peak {peak:.1f} GiB resident\n")
            sys.stdout.flush()

        checkpoint = Path(folder) / "syncdreamer-pretrain.ckpt"
        write_checkpoint(checkpoint, keys, recipe["seed"])
        report(f"checkpoint of {checkpoint.stat().st_size / 1e9:.2f} GB written")
        output = convert_checkpoint(checkpoint, Path(folder) / "weights", dtype=options.dtype)
        checkpoint.unlink()
        report(f"converted to {options.dtype}")
        network = load_network(output, torch.float32)
        report("loaded")
        worst = compare(network, recorded, recipe["seed"])
        report("compared")
    sys.stdout.write(f"largest error / (1 + max|expected|): {worst:.1e}, allowed {TOLERANCE:.0e}\n")
    failed = worst > TOLERANCE
    if options.precision:
        error = precision_error(network, DTYPES[options.precision], recipe["seed"])
        sys.stdout.write(
            f"one guided step in {options.precision}: relative error {error:.1e}, "
            f"allowed {PRECISION_TOLERANCE:.0e}\n"
        )
        failed |= error > PRECISION_TOLERANCE
    if failed:
        sys.exit(1)


if __name__ == "__main__":
    main()
