"""Training of the small model: objective, optimiser, exact resume, learning at all."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from harmony.models.small import SmallConfig, SmallNetwork
from harmony.training.loop import LoopSettings, learning_rate, training_step
from harmony.training.loss import FlowObjective, branch_counts, draw_shares, to_signal
from harmony.training.muon import Muon, orthogonalise
from harmony.training.parallel import Processes
from harmony.training.state import TrainingState

TINY = SmallConfig(
    image_size=32, view_count=2, width=16, depth=2, heads=2, reference_depth=1, stem=(8, 8, 16)
)
ALONE = Processes(0, 1, torch.device("cpu"))
SETTINGS = LoopSettings(minutes=1.0, batch=8, new_scenes=1, warmup_steps=1, compile=False)


@dataclass
class FlatScene:
    reference: Tensor
    views: Tensor
    elevation_deg: Tensor


class FlatColours:
    """Scenes whose views are all one colour, which the reference shows."""

    def refill(self, count: int) -> None:
        del count

    def batch(self, count: int, generator: torch.Generator) -> FlatScene:
        colours = torch.randint(0, 256, (count, 4, 1, 1), generator=generator, dtype=torch.uint8)
        reference = colours.expand(count, 4, 32, 32)
        return FlatScene(
            reference, reference[:, None].expand(count, 2, 4, 32, 32), torch.full((count,), 30.0)
        )


def fresh() -> tuple[SmallNetwork, TrainingState]:
    torch.manual_seed(0)
    network = SmallNetwork(TINY)
    return network, TrainingState(network)


def walk(network: SmallNetwork, state: TrainingState, steps: int) -> list[float]:
    losses = []
    for _ in range(steps):
        loss, _norm = training_step(
            FlowObjective(network), state, FlatColours(), ALONE, SETTINGS, rate=1.0, seconds=0.0
        )
        losses.append(loss.item())
    return losses


def test_loss_falls_on_a_learnable_task():
    network, state = fresh()
    losses = walk(network, state, 40)
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])
    assert state.progress.samples == 40 * 8


def test_resumed_run_equals_unbroken_run(tmp_path):
    network, state = fresh()
    walk(network, state, 6)
    broken_network, broken = fresh()
    walk(broken_network, broken, 3)
    broken.save(tmp_path)
    resumed_network, resumed = fresh()
    resumed.load(tmp_path)
    walk(resumed_network, resumed, 3)
    assert resumed.progress == state.progress
    assert torch.equal(resumed.flat.values, state.flat.values)
    assert torch.equal(resumed.average, state.average)


def test_every_parameter_is_trained():
    network, state = fresh()
    before = state.flat.values.clone()
    walk(network, state, 10)
    moved = state.flat.unflatten((state.flat.values - before).abs())
    still = [name for name, change in moved.items() if change.max() == 0]
    assert still == []


def test_start_from_refuses_foreign_weights():
    _, state = fresh()
    with pytest.raises(ValueError, match="do not fit"):
        state.start_from({"a": torch.zeros(1)})


def test_perfect_prediction_costs_nothing(monkeypatch):
    network, _ = fresh()
    views = torch.randint(0, 256, (8, 2, 4, 32, 32), dtype=torch.uint8)
    reference = torch.zeros(8, 4, 32, 32, dtype=torch.uint8)
    arguments = (reference, views, torch.zeros(8), branch_counts(8))

    def loss_when_predicting(pictures: Tensor) -> float:
        monkeypatch.setattr(network, "forward", lambda *_: pictures)
        return FlowObjective(network)(*arguments, torch.Generator().manual_seed(0)).item()

    assert loss_when_predicting(to_signal(views)) == 0
    assert loss_when_predicting(to_signal(views) + 0.1) >= 0.01


def test_branch_shares():
    counts = branch_counts(96)
    assert (counts.full, counts.no_reference, counts.no_views, counts.unconditional) == (
        72,
        9,
        9,
        6,
    )
    assert counts.joint == 81
    assert counts.keep_reference(torch.device("cpu")).sum() == 81
    with pytest.raises(ValueError, match="too small"):
        branch_counts(3)


def test_shares_lie_inside_the_flow():
    shares = draw_shares(1000, torch.Generator().manual_seed(0))
    assert 0 < shares.min() < shares.max() < 1
    assert 0.1 < shares.median() < 0.25


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 12, 5), (2, 5, 12)])
def test_orthogonalised_matrices_have_equal_singular_values(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalise(matrices, steps=8).float())
    assert values.min() > 0.5
    assert values.max() < 1.4


def test_muon_descends_a_quadratic():
    weight = torch.nn.Parameter(torch.zeros(6, 6))
    target = torch.randn(6, 6, generator=torch.Generator().manual_seed(1))
    optimiser = Muon([weight], weight_decay=0.0)
    for step in range(200):
        weight.grad = weight.detach() - target
        optimiser.step(0.2 * (1 - step / 200))
    assert (weight - target).abs().max() < 0.1


def test_learning_rate_rises_holds_and_falls():
    settings = LoopSettings(minutes=1.0, warmup_steps=10, decay_share=0.4)
    assert learning_rate(0, 0.0, settings) == pytest.approx(0.1)
    assert learning_rate(50, 0.5, settings) == 1.0
    assert learning_rate(50, 0.8, settings) == pytest.approx(0.5)
    assert learning_rate(50, 1.1, settings) == 0.0


def _walk_in_a_group(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2
    )
    network, state = fresh()
    together = Processes(rank, 2, torch.device("cpu"))
    for _ in range(3):
        training_step(
            FlowObjective(network), state, FlatColours(), together, SETTINGS, rate=1.0, seconds=0.0
        )
    torch.save(state.flat.values, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def test_processes_stay_equal_and_learn_from_both_halves(tmp_path):
    torch.multiprocessing.spawn(_walk_in_a_group, (str(tmp_path),), nprocs=2)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    assert torch.equal(first, second)
    network, alone = fresh()
    walk(network, alone, 3)
    assert not torch.equal(first, alone.flat.values)
