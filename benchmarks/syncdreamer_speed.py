"""Time SyncDreamer's sampling and decoding: `python -m benchmarks.syncdreamer_speed`.

The reference run: 4 seeds x 16 views, three guidance branches (s1 = 2, s2 = 1), 50 DDIM steps,
then all 64 pictures decoded. The weights are random; speed does not depend on them. The reference
time is 24.4 s: the released code at its best setting on one H100.

    python -m benchmarks.syncdreamer_speed --device cuda --compile default --autotune
    python -m benchmarks.syncdreamer_speed --size tiny --seeds 1 --steps 2     # a smoke test
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

from harmony.devices import choose_device
from harmony.models.syncdreamer.checkpoint import DTYPES, empty_network, finish_loading
from harmony.models.syncdreamer.config import (
    AutoencoderConfig,
    ImageEncoderConfig,
    SyncDreamerConfig,
    UNetConfig,
    VolumeConfig,
)
from harmony.models.syncdreamer.model import SyncDreamer
from harmony.models.syncdreamer.network import SyncDreamerNetwork
from harmony.models.syncdreamer.precision import default_dtype
from harmony.models.syncdreamer.runtime import RuntimeSettings
from harmony.noise import SeededNoise
from harmony.records import Branch, Condition, ReferenceImage, SamplerSettings
from harmony.sampling import SAMPLERS, sample

REFERENCE_SECONDS = 24.4
REFERENCE_RUN = ("official", 4, "ddim", 50)
TINY = SyncDreamerConfig(
    unet=UNetConfig(model_channels=32, channel_mult=(1, 1, 1, 2), num_heads=2, context_dim=24),
    volume=VolumeConfig(dims=(8, 16, 24, 32), spatial_size=8, frustum_depth=8),
    autoencoder=AutoencoderConfig(channels=32, channel_mult=(1, 1, 1, 2)),
    image_encoder=ImageEncoderConfig(28, 14, 16, 32, 2, 2, 20),
    image_size=64,
    latent_size=8,
)


def random_network(
    config: SyncDreamerConfig, device: torch.device, dtype: torch.dtype
) -> SyncDreamerNetwork:
    """Return networks with random weights of the usual size, made where they will run."""
    network = empty_network(config).to(dtype).to_empty(device=device)
    generator = torch.Generator(device).manual_seed(0)
    for parameter in network.parameters():
        if parameter.dim() > 1:
            parameter.data.normal_(generator=generator)
            parameter.data /= math.sqrt(parameter.numel() / parameter.shape[0])
        else:
            parameter.data.zero_()
    for module in network.modules():
        if isinstance(module, torch.nn.GroupNorm | torch.nn.LayerNorm):
            module.weight.data.fill_(1.0)
    finish_loading(network, list(network.state_dict()))
    return network


def timed(device: torch.device, run: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """Return what `run` returns and its wall-clock seconds, the device's work included."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    result = run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return result, time.perf_counter() - start


def run_once(
    model: SyncDreamer, condition: Condition, seeds: int, settings: SamplerSettings
) -> tuple[float, float]:
    """Return the seconds of sampling and of decoding."""
    noise = SeededNoise(range(seeds))
    latents, sampling = timed(
        model.device,
        lambda: sample(model, condition, noise, model.defaults.guidance, settings),
    )
    _, decoding = timed(model.device, lambda: model.decode_pixels(latents))
    return sampling, decoding


def print_profile(model: SyncDreamer, condition: Condition, seeds: int) -> None:
    """Print where one step's time goes."""
    latents = torch.randn(seeds, model.view_count, *model.latent_shape, device=model.device)
    branches = (Branch.FULL, Branch.NO_REFERENCE, Branch.NO_VIEWS_OFFICIAL)
    with torch.profiler.profile() as profile:
        _, seconds = timed(
            model.device,
            lambda: model.predict(latents, 501, condition, branches)[Branch.FULL],
        )
    key = f"self_{'cuda' if model.device.type == 'cuda' else 'cpu'}_time_total"
    print(profile.key_averages().table(sort_by=key, row_limit=30, max_name_column_width=70))
    print(f"one profiled step: {1000 * seconds:.0f} ms")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Time SyncDreamer.")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", choices=list(DTYPES), help="default: what the app takes there")
    parser.add_argument("--size", choices=["official", "tiny"], default="official")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--sampler", choices=list(SAMPLERS), default="ddim")
    parser.add_argument("--compile", metavar="MODE", help="a mode of torch.compile")
    parser.add_argument("--autotune", action="store_true", help="let cuDNN try its kernels")
    parser.add_argument("--low-memory", action="store_true")
    parser.add_argument("--repeat", type=int, default=2, help="warm runs; the fastest counts")
    parser.add_argument("--profile", action="store_true", help="show where a step's time goes")
    return parser.parse_args()


def main() -> None:
    """Run the benchmark and print seconds, peak memory and the ratio to the reference."""
    options = parse_arguments()
    device = choose_device(options.device)
    dtype = DTYPES[options.dtype] if options.dtype else default_dtype(device)
    settings = RuntimeSettings(options.low_memory, options.compile, options.autotune)
    config = TINY if options.size == "tiny" else SyncDreamerConfig()
    network = random_network(config, device, dtype)
    model = SyncDreamer(
        network, weights_sha256="random", device=device, dtype=dtype, settings=settings
    )
    side = config.image_size
    reference = ReferenceImage(torch.zeros(3, side, side), torch.ones(1, side, side), 30.0)
    condition = model.encode_reference(reference)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    sampler = SamplerSettings(options.sampler, options.steps, model.defaults.sampler.eta)
    first = sum(run_once(model, condition, options.seeds, sampler))
    print(f"{device} {dtype}, {options.size} size, {sampler}, {settings}")
    print(f"first call {first:.2f} s", flush=True)
    runs = [run_once(model, condition, options.seeds, sampler) for _ in range(options.repeat)]
    sampling, decoding = min(runs, key=sum)
    warm = sampling + decoding
    print(f"warm {warm:.2f} s = sampling {sampling:.2f} s + decoding {decoding:.2f} s")
    if device.type == "cuda":
        print(f"peak memory {torch.cuda.max_memory_allocated(device) / 2**30:.1f} GiB")
    if (options.size, options.seeds, options.sampler, options.steps) == REFERENCE_RUN:
        ratio = REFERENCE_SECONDS / warm
        print(f"{ratio:.2f} times as fast as the released code ({REFERENCE_SECONDS} s)")
    else:
        print("no ratio: only official size, 4 seeds and 50 DDIM steps compare with the reference")
    if options.profile:
        print_profile(model, condition, options.seeds)


if __name__ == "__main__":
    main()
