"""One progress bar for a whole batch, and the sentences that stand above it."""

from __future__ import annotations

import sys

from tqdm import tqdm

from harmony.pipeline import StepEvent

FORMAT = "[{bar:30}] {n_fmt}/{total_fmt} steps{postfix}"


class ProgressBar:
    """Counts the steps of all items; nothing is drawn before the first step."""

    def __init__(self, *, shown: bool = True) -> None:
        """Expect nothing yet.

        Args:
            shown: False draws no bar; sentences are said all the same.
        """
        self._count, self._shown = 1, shown
        self._done, self._each = 0, 0
        self._bar: tqdm | None = None

    def expect(self, count: int) -> None:
        """Say how many items have work to do."""
        self._count = count

    def step(self, title: str, event: StepEvent) -> None:
        """Show that one step of the current item is done."""
        if event.notice:
            self.say(event.notice)
        if self._bar is None:
            # Every item of a batch has the same seeds and steps.
            self._each = event.num_steps * event.num_passes
            self._bar = tqdm(
                total=self._each * self._count,
                bar_format=FORMAT,
                ascii=" #",
                file=sys.stderr,
                disable=not self._shown,
            )
        within = event.num_steps * event.pass_index + event.step
        seeds = ",".join(map(str, event.seeds))
        self._bar.set_postfix_str(f"{title}seed {seeds}", refresh=False)
        self._move_to(self._done * self._each + min(within, self._each))

    def stage(self, text: str) -> None:
        """Show what goes on besides sampling."""
        if self._bar is not None:
            self._bar.set_postfix_str(text)

    def item_done(self) -> None:
        """Count an item, whether it was done or failed."""
        self._done += 1
        self._move_to(self._done * self._each)

    def _move_to(self, position: int) -> None:
        if self._bar is not None:
            self._bar.update(position - self._bar.n)

    def say(self, sentence: str) -> None:
        """Write a sentence above the bar."""
        tqdm.write(sentence, file=sys.stderr)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()
