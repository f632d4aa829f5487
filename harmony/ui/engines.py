"""Which engine the command line asks for: of this process, over several GPUs, or on ZeroGPU."""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harmony.serving.workers import WorkerPool
from harmony.serving.zero import is_zero_gpu
from harmony.ui.cache import FileCache, default_folder
from harmony.ui.engine import Engine
from harmony.ui.loading import standard_engine
from harmony.ui.pooled_engine import PooledEngine, WorkerEngine

ZERO_SLOTS = 4
"""ZeroGPU lends several GPUs at once; each visitor pays with their own quota."""


def _own_engine(model: str, device: str, cache: Path, low_memory: bool) -> Engine:
    return standard_engine(model, device, cache=FileCache(cache), low_memory=low_memory)


def build_engine(options: argparse.Namespace, gpu: Callable[..., Any]) -> Engine:
    """Return the engine; no worker is started, and a model is loaded on ZeroGPU only.

    Args:
        options: The command line.
        gpu: What `harmony.serving.zero.find_gpu` found.
    """
    cache = default_folder()
    if is_zero_gpu():
        return _zero_engine(options, gpu, cache)
    if not options.gpus:
        return standard_engine(
            options.model,
            options.device,
            text_model=options.text_model,
            cache=FileCache(cache),
            low_memory=options.low_memory,
        )
    # A worker sees one GPU only, which is "cuda" to it.
    make = functools.partial(_own_engine, options.model, "cuda", cache, options.low_memory)
    pool = WorkerPool(functools.partial(WorkerEngine, make), options.gpus)
    rules = standard_engine(options.model, "cuda").rules
    return PooledEngine(model_name=options.model, rules=rules, pool=pool)


def _zero_engine(options: argparse.Namespace, gpu: Callable[..., Any], cache: Path) -> Engine:
    from harmony.ui.zero_engine import ZeroEngine

    usual = standard_engine(options.model, "cuda", low_memory=options.low_memory)
    engine = ZeroEngine(
        gpu,
        model_name=options.model,
        load_model=usual.model.get,
        load_scorer=None if usual.scorer is None else _cpu_scorer,
        rules=usual.rules,
        cache=FileCache(cache),
    )
    # Before the launch, where `spaces` packs what the forks will find on their GPU.
    engine.model.get()
    return engine


def _cpu_scorer() -> Any:
    return standard_engine("small", "cpu").scorer.get()  # pyright: ignore[reportOptionalMemberAccess]


def slots(options: argparse.Namespace) -> int:
    """Return how many runs go on at once."""
    return ZERO_SLOTS if is_zero_gpu() else len(options.gpus or (None,))
