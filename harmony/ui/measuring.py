"""What is measured of a finished sample beside its CD score, and kept with it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from harmony.records import CDScore, ReferenceImage, Views
from harmony.scoring import CDScorer
from harmony.scoring_views import mean_seed_diversity, neighbour_consistency, reference_agreement

Embedding = Float[Tensor, "N d"]
Measures = dict[str, float | None]


class MeasuringScorer:
    """A scorer that remembers the embedding of every sample, in the order of the samples."""

    def __init__(self, scorer: CDScorer) -> None:
        """Score with `scorer`."""
        self.scorer = scorer
        self.embeddings: deque[Embedding] = deque()

    @property
    def encoder_name(self) -> str:
        """The encoder, as every `CDScore` names it."""
        return self.scorer.encoder_name

    def score(self, views: Views, object_name: str) -> list[CDScore]:
        """Return one score for each sample of `views`."""
        embedded = self.scorer.embed(views)
        self.embeddings.extend(embedded.views)
        return self.scorer.score(embedded, object_name)


def measure(views: Views, embedding: Embedding | None, reference: ReferenceImage) -> Measures:
    """Return the figures of one sample by name; None where one has no meaning.

    `neighbour_consistency` needs the scorer's embedding, `reference_psnr` (dB) an input camera at
    the elevation of the views. See `harmony.scoring_views`.
    """
    agreement = reference_agreement(views, reference)
    found = None if agreement is None else agreement[0].psnr
    alike = None if embedding is None else float(neighbour_consistency(embedding[None])[0][0])
    return {
        "neighbour_consistency": alike,
        "reference_psnr": found if found is not None and math.isfinite(found) else None,
    }


def spread(embeddings: Sequence[Embedding | None]) -> float | None:
    """Return how much the seeds of a run differ (`mean_seed_diversity`); None for one seed."""
    known = [embedding for embedding in embeddings if embedding is not None]
    if not known or len(known) < len(embeddings):
        return None
    return mean_seed_diversity(torch.stack(known))
