"""`python app.py --doctor`: what is here, what will run and how fast, and what is missing.

Each check is a function that returns findings; a finding that is not good names the command that
helps. Nothing is fetched and nothing is changed.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harmony.models.base import MultiviewDenoiser

WEIGHTS = Path(__file__).resolve().parents[2] / "weights"
SHIPPED = {
    "small": "model.safetensors",
    "small-live": "model.safetensors",
    "clip-small": "open_clip_model.safetensors",
    "u2netp": "u2netp.onnx",
}
PACKAGES = (
    *("torch", "gradio", "diffusers", "transformers", "huggingface_hub", "open_clip_torch"),
    *("rembg", "onnxruntime", "numpy", "pillow", "safetensors", "trimesh"),
)
PYTHON = ((3, 11), (3, 13))
MEMORY_GB, DISK_GB = 4.0, 2.0
RESTORE = "git checkout -- weights (or download the repository's weights folder again)"
INSTALL = f"{Path(sys.executable).name} -m pip install -r requirements.txt"
FIRST_PORT, PORTS = 7860, 100
MEASURED_STEPS = 4  # as many as the live model takes; the first one warms up


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        good: Whether the app works with it.
        text: What was found.
        remedy: The command, or the step, that helps; empty where all is well.
    """

    good: bool
    text: str
    remedy: str = ""


def check_versions() -> Iterator[Finding]:
    """Python and the packages."""
    found = sys.version_info[:2]
    good = PYTHON[0] <= found < PYTHON[1]
    remedy = "" if good else "use Python 3.11 or 3.12"
    yield Finding(good, f"Python {platform.python_version()} on {platform.platform()}", remedy)
    for package in PACKAGES:
        try:
            yield Finding(True, f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            yield Finding(False, f"{package} is not installed", INSTALL)


def check_memory() -> Iterator[Finding]:
    """Memory, where the system tells it."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    except (AttributeError, ValueError, OSError):
        yield Finding(True, "memory: this system does not tell")
        return
    good = total >= MEMORY_GB
    yield Finding(
        good,
        f"memory: {total:.1f} GB, {os.cpu_count()} processors",
        "" if good else f"the small model wants {MEMORY_GB:g} GB",
    )


def check_disk(folder: Path) -> Iterator[Finding]:
    """Room where visitors' files go."""
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    good = free >= DISK_GB and os.access(folder, os.W_OK)
    remedy = "" if good else "free some space, or name another folder with --cache-dir"
    yield Finding(good, f"disk: {free:.1f} GB free at {folder}", remedy)


def check_weights(weights: Path = WEIGHTS) -> Iterator[Finding]:
    """The files that ship, against the sha256 of their cards."""
    for name, file in SHIPPED.items():
        path, card = weights / name / file, weights / name / "card.json"
        try:
            told = json.loads(card.read_text(encoding="utf-8"))
            expected = told.get("weights_sha256") or told["sha256"]
            content = path.read_bytes()
        except (OSError, ValueError, KeyError, AttributeError):
            yield Finding(False, f"weights/{name}: {file} or its card is missing", RESTORE)
            continue
        if hashlib.sha256(content).hexdigest() == expected:
            yield Finding(True, f"weights/{name}: {len(content) / 1e6:.1f} MB, sha256 as its card")
        else:
            yield Finding(False, f"weights/{name}: {file} is damaged", RESTORE)


def check_syncdreamer(options: argparse.Namespace) -> Iterator[Finding]:
    """The paper's network, where it is asked for."""
    if options.model != "syncdreamer":
        return
    from huggingface_hub import try_to_load_from_cache

    from harmony.models.syncdreamer.fetch import WeightsSource
    from harmony.serving.offline import is_offline

    source = WeightsSource()
    command = f"hf download {source.repo_id} {source.filename}"
    if options.weights is not None:
        yield Finding(True, f"SyncDreamer's weights: {options.weights}")
    elif isinstance(try_to_load_from_cache(source.repo_id, source.filename), str):
        yield Finding(True, "SyncDreamer's checkpoint is in the hub's cache")
    else:
        size = f"{source.size / 1e9:.1f} GB"
        text = f"SyncDreamer's checkpoint is not here; the first run fetches {size}"
        yield Finding(not is_offline(), text, command)


def check_devices(options: argparse.Namespace) -> Iterator[Finding]:
    """Where it will compute."""
    import torch

    from harmony.devices import choose_device

    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        memory = properties.total_memory / 1e9
        yield Finding(True, f"GPU {index}: {properties.name}, {memory:.0f} GB")
    wanted = [gpu for gpu in options.gpus or () if gpu >= torch.cuda.device_count()]
    if wanted:
        numbers = ", ".join(map(str, wanted))
        yield Finding(False, f"there is no GPU {numbers}", "name others with --gpus, or none")
    try:
        device = choose_device(options.device)
    except ValueError as error:
        yield Finding(False, str(error), "--device auto")
        return
    yield Finding(True, f"device: {options.model} will run on {device}")


def check_port(port: int | None) -> Iterator[Finding]:
    """Whether the page has a port."""
    candidates = range(FIRST_PORT, FIRST_PORT + PORTS) if port is None else (port,)
    for candidate in candidates:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
        yield Finding(True, f"port: {candidate} is free")
        return
    yield Finding(False, f"port: {candidates[0]} is taken", "name another one with --port")


def check_speed(options: argparse.Namespace) -> Iterator[Finding]:
    """Short measured passes of the small model, and of what answers moving dials."""
    from harmony.ui.loading import TEACHER, denoiser, live_offer

    yield _speed(functools.partial(denoiser, TEACHER, options.device))
    live = live_offer(options.model, options.device, options.live_model)
    yield Finding(True, live.why_not) if live.load is None else _speed(live.load)


def _speed(load: Callable[[], MultiviewDenoiser]) -> Finding:
    began = time.monotonic()
    model = load()
    loaded = time.monotonic() - began
    seconds, usual = _seconds_per_step(model), model.defaults.sampler.num_steps
    text = (
        f"speed: the model {model.name} loads in {loaded:.1f} s and takes {seconds:.2f} s a step; "
        f"{usual} steps about {seconds * usual:.1f} s"
    )
    return Finding(True, text)


def _seconds_per_step(model: MultiviewDenoiser) -> float:
    import torch

    from harmony.noise import SeededNoise
    from harmony.records import Guidance, ReferenceImage, SamplerSettings
    from harmony.sampling import sample_steps

    side = model.image_size
    grey = ReferenceImage(torch.zeros(3, side, side), torch.ones(1, side, side), 30.0)
    with torch.inference_mode():
        condition = model.encode_reference(grey)
    noise = SeededNoise((0,), model.device)
    steps = sample_steps(
        model, condition, noise, Guidance(), SamplerSettings("ddim", MEASURED_STEPS, 0.0)
    )
    next(steps)  # warms up
    began = time.monotonic()
    for _ in steps:
        pass
    return (time.monotonic() - began) / (MEASURED_STEPS - 1)


def examine(options: argparse.Namespace) -> Iterator[Finding]:
    """Yield all findings, the quick ones first."""
    yield from check_versions()
    yield from check_memory()
    yield from check_disk(options.cache_dir)
    yield from check_port(options.port)
    whole = True
    for finding in check_weights():
        whole = whole and finding.good
        yield finding
    yield from check_syncdreamer(options)
    try:
        yield from check_devices(options)
        if whole:
            yield from check_speed(options)
    except ImportError as error:
        yield Finding(False, f"the model cannot be loaded: {error.name} is missing", INSTALL)


def report(options: argparse.Namespace) -> int:
    """Print the findings; returns the exit code: 0 where the app will work, else 1."""
    missing = 0
    for finding in examine(options):
        missing += not finding.good
        print(f"{'ok     ' if finding.good else 'MISSING'}  {finding.text}", flush=True)  # noqa: T201
        if finding.remedy:
            print(f"         -> {finding.remedy}", flush=True)  # noqa: T201
    verdict = "All is well: python app.py" if not missing else f"{missing} to be mended, see above."
    print(verdict)  # noqa: T201
    return int(missing > 0)
