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
from harmony.ui.loading import live_offer, standard_engine
from harmony.ui.pooled_engine import PooledEngine, WorkerEngine

ZERO_SLOTS = 4
"""ZeroGPU lends several GPUs at once; each visitor pays with their own quota."""


def _worker_engine(options: argparse.Namespace, cache: Path) -> Engine:
    # A worker sees one GPU only, which is "cuda" to it.
    return standard_engine(
        options.model,
        "cuda",
        live_model=options.live_model,
        cache=FileCache(cache),
        low_memory=options.low_memory,
    )


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
            live_model=options.live_model,
            text_model=options.text_model,
            cache=FileCache(cache),
            low_memory=options.low_memory,
        )
    make = functools.partial(_worker_engine, options, cache)
    pool = WorkerPool(functools.partial(WorkerEngine, make), options.gpus)
    usual = standard_engine(options.model, "cuda")
    return PooledEngine(
        model_name=options.model,
        rules=usual.rules,
        pool=pool,
        live=live_offer(options.model, "cuda", options.live_model),
        known=usual.known,
    )


def _zero_engine(options: argparse.Namespace, gpu: Callable[..., Any], cache: Path) -> Engine:
    from harmony.ui.zero_engine import ZeroEngine

    usual = standard_engine(options.model, "cuda", low_memory=options.low_memory)
    # A loan of a GPU for every movement of a dial would eat up a visitor's quota.
    engine = ZeroEngine(
        gpu,
        model_name=options.model,
        load_model=usual.model.get,
        load_scorer=None if usual.scorer is None else _cpu_scorer,
        rules=usual.rules,
        cache=FileCache(cache),
        live=live_offer(options.model, "cpu", options.live_model),
    )
    # Before the launch, where `spaces` packs what the forks will find on their GPU.
    engine.model.get()
    return engine


def _cpu_scorer() -> Any:
    return standard_engine("small", "cpu").scorer.get()  # pyright: ignore[reportOptionalMemberAccess]


def slots(options: argparse.Namespace) -> int:
    """Return how many runs go on at once."""
    return ZERO_SLOTS if is_zero_gpu() else len(options.gpus or (None,))
