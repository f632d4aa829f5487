"""A scorer that may still be loading while views are painted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harmony.ui.lazy import Lazy

if TYPE_CHECKING:
    from harmony.records import CDScore, Views
    from harmony.scoring import CDScorer, ViewEmbeddings


class LateScorer:
    """The part of `CDScorer` that a run needs; it waits for the loading only when it scores.

    Attributes:
        encoder_name: The encoder, as every `CDScore` names it.
    """

    def __init__(self, scorer: Lazy[CDScorer], encoder_name: str | None) -> None:
        """Load the scorer, unless a thread is about it and its encoder's name is known.

        What will not load is so told before the painting, unless it fails during it.

        Args:
            scorer: The scorer.
            encoder_name: Its encoder's name, where it is known before the scorer is loaded.
        """
        self._scorer = scorer
        if encoder_name is None or scorer.state != "loading":
            encoder_name = scorer.get().encoder_name
        self.encoder_name = encoder_name

    def embed(self, views: Views) -> ViewEmbeddings:
        """Embed all views; see `CDScorer.embed`."""
        return self._scorer.get().embed(views)

    def score(self, views: Views | ViewEmbeddings, object_name: str) -> list[CDScore]:
        """Score every sample; see `CDScorer.score`."""
        return self._scorer.get().score(views, object_name)
