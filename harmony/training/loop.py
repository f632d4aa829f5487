"""The time-boxed training loop, and a step of the small model."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from harmony.models.small.network import SmallNetwork
from harmony.training.loss import FlowObjective, branch_counts
from harmony.training.parallel import Processes
from harmony.training.state import TrainingState

CLOCK_EVERY = 10  # steps between two agreements on the time

Advance = Callable[[float, float], tuple[Tensor, Tensor]]
"""Makes one step at a learning rate (relative to its peak), told the seconds so far; returns
(loss, gradient norm) without waiting for the device."""
OnCheckpoint = Callable[[TrainingState], Mapping[str, object]]
"""Measures the averaged weights at a checkpoint."""


class SceneBatch(Protocol):
    """A batch of rendered scenes, uint8 RGBA with RGB on white."""

    @property
    def reference(self) -> Tensor:
        """(B, 4, H, W)."""
        ...

    @property
    def views(self) -> Tensor:
        """(B, 16, 4, H, W)."""
        ...

    @property
    def elevation_deg(self) -> Tensor:
        """(B,) of the input camera."""
        ...


class SceneSource(Protocol):
    """Where batches come from (`harmony.training.stream.SceneStream`)."""

    def refill(self, count: int) -> None:
        """Render new scenes."""
        ...

    def batch(self, count: int, generator: torch.Generator) -> SceneBatch:
        """Draw a batch of rendered scenes."""
        ...


@dataclass(frozen=True)
class LoopSettings:
    """How long and how fast a run trains.

    Attributes:
        minutes: Training time of the whole schedule; it ends with a learning rate of 0.
        batch: Samples a step and process.
        new_scenes: Scenes rendered a step and process.
        seed: Of batches, noise and scenes.
        peak: Peak learning rate relative to the usual one; small batches want less than 1.
        warmup_steps: Linear rise of the learning rate.
        decay_share: Last share of the time in which the rate falls to 0.
        compile: Whether blocks are compiled (CUDA).
        log_every: Steps between two lines of the log.
        save_minutes: Time between two checkpoints.
        stop_after: Minutes after which this run ends with a checkpoint, to be resumed; None
            trains to the end of the schedule.
    """

    minutes: float
    batch: int = 96
    new_scenes: int = 24
    seed: int = 0
    peak: float = 1.0
    warmup_steps: int = 300
    decay_share: float = 0.4
    compile: bool = True
    log_every: int = 100
    save_minutes: float = 4.0
    stop_after: float | None = None


def learning_rate(step: int, elapsed_share: float, settings: LoopSettings) -> float:
    """Return the rate relative to the usual one: warm-up by step, decay by time."""
    rise = min(1.0, (step + 1) / settings.warmup_steps)
    fall = min(1.0, max(0.0, 1.0 - elapsed_share) / settings.decay_share)
    return settings.peak * rise * fall


def compile_objective(objective: FlowObjective) -> None:
    """Compile the network's parts and what stands before and behind it."""
    compile_network(objective.network)
    for part in (objective.noisy_views, objective.velocity_error):
        part.compile(dynamic=False)


def compile_network(network: SmallNetwork) -> None:
    """Compile a network's repeated parts once for each kind, and its convolutional ends."""
    parts = [*network.blocks, *network.reference.blocks, network.decoder]
    parts += [
        network.stem.down,
        network.stem.residual,
        network.reference.stem,
        network.reference.fine,
    ]
    for part in parts:
        part.compile(dynamic=False)


def step_generator(settings: LoopSettings, rank: int, step: int, device: torch.device):
    """Return the generator of one step: a resumed run draws what an unbroken one would."""
    mixed = (settings.seed * 1_000_003 + step) * 1009 + rank
    return torch.Generator(device).manual_seed(mixed % 2**63)


def training_step(
    objective: FlowObjective,
    state: TrainingState,
    scenes: SceneSource,
    processes: Processes,
    settings: LoopSettings,
    *,
    rate: float,
    seconds: float,
) -> tuple[Tensor, Tensor]:
    """Render, predict, differentiate, update; return (loss, gradient norm) without waiting.

    Args:
        objective: Of a network on the processes' device; `state` owns its parameters.
        state: Advanced by one step.
        scenes: This process's own stream.
        processes: Gradients are averaged over them.
        settings: Batch, scenes and seed.
        rate: Learning rate relative to its peak.
        seconds: Training time so far, recorded in `state`.
    """
    device = processes.device
    generator = step_generator(settings, processes.rank, state.progress.step, device)
    scenes.refill(settings.new_scenes)
    batch = scenes.batch(settings.batch, generator)
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        loss = objective(
            batch.reference,
            batch.views,
            batch.elevation_deg,
            branch_counts(settings.batch),
            generator,
        )
    loss.backward()
    processes.average(state.flat.gradients)
    norm = state.step(rate, settings.batch * processes.count, seconds)
    return loss.detach(), norm


def train(
    advance: Advance,
    state: TrainingState,
    processes: Processes,
    settings: LoopSettings,
    folder: Path,
    *,
    on_checkpoint: OnCheckpoint | None = None,
) -> bool:
    """Train until the schedule's minutes are over; write log lines and checkpoints to `folder`.

    Args:
        advance: Makes one step of `state`.
        state: Fresh, or loaded to resume.
        processes: This process among its peers.
        settings: Length, batch, seed.
        folder: `log.jsonl` and the checkpoint go here (first process only).
        on_checkpoint: Called by the first process after each checkpoint and at the end; what
            it returns goes to the log.

    Returns:
        Whether the schedule is at its end, and not only this run (`stop_after`).
    """
    clock = _Clock(state.progress.seconds, settings.minutes * 60, processes)
    loss_sum = torch.zeros((), device=processes.device)
    begin = last_save = state.progress.seconds
    end = begin + 60 * (settings.stop_after or settings.minutes)
    while clock.share < 1.0 and clock.seconds < end:
        step = state.progress.step
        rate = learning_rate(step, clock.share, settings)
        loss, norm = advance(rate, clock.seconds)
        loss_sum += loss
        if (step + 1) % settings.log_every == 0:
            _log(folder, state, loss_sum / settings.log_every, norm, rate, processes)
            loss_sum.zero_()
        if (step + 1) % CLOCK_EVERY == 0:
            clock.tick()
            state.progress = replace(state.progress, seconds=clock.seconds)
            if clock.seconds - last_save > settings.save_minutes * 60:
                last_save = clock.seconds
                _checkpoint(state, folder, processes, on_checkpoint)
    _checkpoint(state, folder, processes, on_checkpoint)
    return clock.share >= 1.0


class _Clock:
    """Training time that all processes agree on."""

    def __init__(self, before: float, total: float, processes: Processes) -> None:
        self._start = time.monotonic() - before
        self._total = total
        self._processes = processes
        self.seconds = before

    def tick(self) -> None:
        self.seconds = self._processes.agree(time.monotonic() - self._start)

    @property
    def share(self) -> float:
        return self.seconds / self._total


def _log(
    folder: Path,
    state: TrainingState,
    loss: Tensor,
    norm: Tensor,
    rate: float,
    processes: Processes,
) -> None:
    if not processes.is_first:
        return
    line = {
        "step": state.progress.step,
        "samples": state.progress.samples,
        "seconds": round(state.progress.seconds, 1),
        "loss": round(loss.item(), 5),
        "gradient_norm": round(norm.item(), 4),
        "rate": round(rate, 4),
    }
    _write_line(folder, line)


def _write_line(folder: Path, line: Mapping[str, object]) -> None:
    with (folder / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def _checkpoint(
    state: TrainingState,
    folder: Path,
    processes: Processes,
    on_checkpoint: OnCheckpoint | None,
) -> None:
    if processes.is_first:
        state.save(folder)
        if on_checkpoint is not None:
            _write_line(folder, {"step": state.progress.step, **on_checkpoint(state)})
    processes.wait()
