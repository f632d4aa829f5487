"""A batch from its items to its results, in one process or shared among several."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

from accelerate import PartialState
from accelerate.utils import gather_object

from harmony.batch.items import Item, Items
from harmony.batch.output import validate_output
from harmony.batch.progress import ProgressBar
from harmony.batch.records import Result
from harmony.batch.resume import find_finished
from harmony.batch.settings import Settings, validate_early
from harmony.batch.workshop import Finished, ModelLoader, ScorerLoader, Workshop
from harmony.processes import join_processes


class StoppedError(KeyboardInterrupt):
    """The batch was stopped by hand; what was finished is kept.

    Attributes:
        kept: Items whose views are on disk.
        total: Items in all.
    """

    def __init__(self, kept: int, total: int) -> None:
        """Remember how far it was."""
        super().__init__()
        self.kept, self.total = kept, total


@dataclass(frozen=True)
class Batch:
    """What is to be done.

    Attributes:
        items: The items; several of them each get `output/<name>`.
        output: The output folder.
        settings: Wishes for every item.
    """

    items: Items
    output: Path
    settings: Settings

    def folder(self, item: Item) -> Path:
        """Return where an item's files go."""
        return self.output / item.name if self.items.several else self.output


def run_batch(
    batch: Batch, *, load: ModelLoader, load_scorer: ScorerLoader, shown: bool = True
) -> tuple[Result, ...]:
    """Do the batch; with several processes each does its share and returns all results.

    An item that an earlier run has finished with the same recipe is kept, unless it is the only
    one: that is always made again.

    Args:
        batch: What is to be done.
        load: Loads a model by its name.
        load_scorer: Loads a scorer by its name.
        shown: Whether a progress bar is drawn.

    Raises:
        ValueError: Nothing of it can be done, or the only item failed; the sentence says why.
        StoppedError: It was interrupted.
    """
    validate_early(batch.settings)
    if batch.items.several and batch.output.exists() and not batch.output.is_dir():
        raise ValueError(f"The output {batch.output} is a file; name a folder.")
    # The processes exchange a few words only, which needs no GPU.
    state, device = join_processes(batch.settings.device, backend="gloo" if is_shared() else None)
    bar = ProgressBar(shown=shown and state.is_main_process)
    workshop = Workshop(batch.settings, device, load=load, load_scorer=load_scorer, bar=bar)
    try:
        if not batch.items.several:
            (item,) = batch.items.items
            validate_output(batch.output)
            bar.expect(1)
            return (_do(item, None, batch, workshop, _Count(1)),)
        return _do_several(batch, workshop, state)
    finally:
        bar.close()


def is_shared() -> bool:
    """Whether a launcher started several processes for this work."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def _do_several(batch: Batch, workshop: Workshop, state: PartialState) -> tuple[Result, ...]:
    workshop.titles = True
    # Loaded before the first item: what fails here fails for all of them.
    _ = workshop.model, workshop.scorer
    items = batch.items.items
    found = {item.name: find_finished(item, batch.folder(item), workshop) for item in items}
    kept = [_kept(item, found[item.name], batch, workshop) for item in items]
    results = {result.name: result for result in kept if result is not None}
    wanting = [item for item in items if item.name not in results]
    wait_for_all()
    with state.split_between_processes(wanting) as share:
        made = _do_share(cast(list[Item], share), found, batch, workshop, len(items))
    results |= {result.name: result for result in gather_object(made)}
    return tuple(results[item.name] for item in items)


def wait_for_all() -> None:
    """Wait until every process is here."""
    gather_object([None])


class _Count:
    """How many items have their views on disk."""

    def __init__(self, total: int) -> None:
        self.total, self.done = total, 0


def _do_share(
    share: Sequence[Item],
    found: Mapping[str, Finished | None],
    batch: Batch,
    workshop: Workshop,
    total: int,
) -> list[Result]:
    workshop.bar.expect(len(share))
    count = _Count(total)
    count.done = sum(finished is not None for finished in found.values())
    results = []
    for item in share:
        work = partial(_do, item, found[item.name], batch, workshop, count)
        results.append(_attempt(work, item, batch))
        workshop.bar.item_done()
    return results


def _attempt(work: Callable[[], Result], item: Item, batch: Batch) -> Result:
    """Return what the work returns, or a failed result where it fails."""
    try:
        return work()
    except ValueError as error:
        problem = str(error)
    except Exception as error:  # one item must not cost the others
        traceback.print_exc(file=sys.stderr)
        problem = f"Something unexpected went wrong ({type(error).__name__}: {error})."
    return Result(item.name, item.source, batch.folder(item), "failed", problem, None, {}, {})


def _do(
    item: Item, finished: Finished | None, batch: Batch, workshop: Workshop, count: _Count
) -> Result:
    """Make what the item lacks: its views, its meshes, or both."""
    folder = batch.folder(item)
    try:
        if finished is None:
            if batch.items.several:
                validate_output(folder)
            finished = workshop.make_views(item, folder)
            count.done += 1
        meshes, problem = _make_meshes(finished, folder, workshop)
    except KeyboardInterrupt as error:
        raise StoppedError(count.done, count.total) from error
    state = "made" if problem is None else "failed"
    return Result(
        item.name, item.source, folder, state, problem, finished.recipe, finished.scores, meshes
    )


def _make_meshes(
    finished: Finished, folder: Path, workshop: Workshop
) -> tuple[dict[int, Path], str | None]:
    """Return the meshes that are wished, made where they are not there yet, and what failed."""
    meshes: dict[int, Path] = {}
    problems = []
    for seed in finished.recipe.seeds if workshop.settings.quality else ():
        file = workshop.mesh_file(folder, seed)
        try:
            meshes[seed] = file if file.is_file() else workshop.make_mesh(folder, seed)
        except ValueError as error:
            problems.append(f"The mesh of seed {seed} failed: {error}")
    return meshes, " ".join(problems) or None


def _kept(item: Item, finished: Finished | None, batch: Batch, workshop: Workshop) -> Result | None:
    """Return the result of an item that has everything already, else None."""
    if finished is None:
        return None
    folder = batch.folder(item)
    seeds = finished.recipe.seeds if workshop.settings.quality else ()
    meshes = {seed: workshop.mesh_file(folder, seed) for seed in seeds}
    if not all(file.is_file() for file in meshes.values()):
        return None
    return Result(
        item.name, item.source, folder, "kept", None, finished.recipe, finished.scores, meshes
    )
