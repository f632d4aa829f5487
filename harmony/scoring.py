"""The consistency-diversity score: D / S_var over the sixteen views (Eq. 8-10).

D asks how far the views differ from the reference, S_var how unevenly they match the words
"An image of {object}". A sample is good when its views differ while all of them show the object.
The score needs no ground truth.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from harmony.records import CDScore, ReferenceImage, Views
from harmony.scoring_encoder import DEFAULT_ENCODER, ClipEncoder, load_encoder

SCALINGS = ("official", "paper")
PROMPT = "An image of {}"
OFFICIAL_TEXT_FACTOR = 100.0
"""The released code measures text similarity in percent (torchmetrics' CLIP score)."""


def clean_object_name(name: str) -> str:
    """Return the name as the prompt wants it: underscores become spaces, digits go."""
    return " ".join(re.sub(r"\d", "", name.replace("_", " ")).lower().split())


def cd_score(
    image_embeddings: Float[Tensor, "N d"],
    reference_embedding: Float[Tensor, " d"],
    text_embedding: Float[Tensor, " d"],
    *,
    scaling: str = "official",
    encoder: str = DEFAULT_ENCODER,
) -> CDScore:
    """Return the CD score of one sample (Eq. 8-10).

    With d_n = 1 - cos(reference, view n) and t_n = cos(text, view n):

    * "paper": D = mean d_n, S_var = population variance of t_n.
    * "official", as in the released code and the published tables: D = sum d_n,
      S_var = sample variance (N - 1) of 100 max(t_n, 0).

    CD = D / S_var. For equal references the official value is 0.0015 times the paper's at N = 16.

    Args:
        image_embeddings: One for each view; they need not be unit vectors.
        reference_embedding: Of the input picture ("paper") or generated view 0 ("official").
        text_embedding: Of "An image of {object}".
        scaling: One of `SCALINGS`.
        encoder: Name of the CLIP model; it is only written into the result.

    Raises:
        ValueError: The scaling is unknown, or there are fewer than two views.
    """
    if scaling not in SCALINGS:
        raise ValueError(f"Scaling is {scaling!r}; it must be one of {SCALINGS}.")
    if len(image_embeddings) < 2:  # noqa: PLR2004
        raise ValueError("The CD score is a variance over views and needs at least two of them.")
    views = F.normalize(image_embeddings.double(), dim=-1)
    distances = 1 - views @ F.normalize(reference_embedding.double(), dim=-1)
    similarities = views @ F.normalize(text_embedding.double(), dim=-1)
    if scaling == "official":
        diversity = distances.sum()
        variance = (OFFICIAL_TEXT_FACTOR * similarities.clamp(min=0)).var(correction=1)
    else:
        diversity = distances.mean()
        variance = similarities.var(correction=0)
    return CDScore(
        diversity=float(diversity),
        semantic_variance=float(variance),
        ratio=_ratio(float(diversity), float(variance)),
        scaling=scaling,
        encoder=encoder,
        view_distances=tuple(distances.tolist()),
        text_similarities=tuple(similarities.tolist()),
    )


def _ratio(diversity: float, variance: float) -> float | None:
    if not (math.isfinite(diversity) and math.isfinite(variance)) or variance <= 0:
        return None
    ratio = diversity / variance
    return ratio if math.isfinite(ratio) else None


def mean_cd_ratio(scores: Sequence[CDScore]) -> float | None:
    """Return (mean D) / (mean S_var), the single figure of a published table.

    The tables divide two means over all objects and samples; this is not the mean of ratios.

    Raises:
        ValueError: There is no score, or scalings or encoders differ.
    """
    if not scores:
        raise ValueError("There is no score to average.")
    if len({(score.scaling, score.encoder) for score in scores}) > 1:
        raise ValueError("Scores of different scalings or encoders cannot be averaged.")
    diversity = math.fsum(score.diversity for score in scores) / len(scores)
    variance = math.fsum(score.semantic_variance for score in scores) / len(scores)
    return _ratio(diversity, variance)


@dataclass(frozen=True)
class ViewEmbeddings:
    """What `CDScorer.embed` remembers, so that a new object name costs no new embedding.

    Attributes:
        views: (S, N, d) unit vectors, on the CPU.
        reference: (d,) unit vector of the input picture, where one was given.
    """

    views: Float[Tensor, "S N d"]
    reference: Float[Tensor, " d"] | None = None


class CDScorer:
    """Scores views with one CLIP model.

    Attributes:
        encoder: The model that measures.
    """

    def __init__(self, encoder: ClipEncoder) -> None:
        self.encoder = encoder

    @property
    def encoder_name(self) -> str:
        """The encoder, as every `CDScore` names it."""
        return self.encoder.name

    @classmethod
    def load(
        cls, encoder: str | Path = DEFAULT_ENCODER, device: torch.device | str = "cpu"
    ) -> CDScorer:
        """Load the CLIP model; arguments and errors are those of `load_encoder`."""
        return cls(load_encoder(encoder, device))

    def embed(self, views: Views, reference: ReferenceImage | None = None) -> ViewEmbeddings:
        """Embed all views, and the input picture where given, in one batch."""
        samples, count = views.pixels.shape[:2]
        embedded = self.encoder.embed_images(views.pixels.flatten(0, 1))
        picture = None
        if reference is not None:
            picture = self.encoder.embed_images((reference.pixels[None] + 1) / 2)[0]
        return ViewEmbeddings(embedded.unflatten(0, (samples, count)), picture)

    def score(
        self,
        views: Views | ViewEmbeddings,
        object_name: str,
        *,
        scaling: str = "official",
        reference: ReferenceImage | None = None,
    ) -> list[CDScore]:
        """Score every sample.

        Args:
            views: The views, or what `embed` returned for them.
            object_name: The word in "An image of {name}".
            scaling: "official" compares with generated view 0, "paper" with the input picture.
            reference: The input picture; "paper" needs it here or in the embeddings.

        Raises:
            ValueError: The name is empty, the scaling unknown, or "paper" lacks its picture.
        """
        embeddings = views if isinstance(views, ViewEmbeddings) else self.embed(views, reference)
        if scaling == "paper" and embeddings.reference is None:
            raise ValueError(
                "The paper's CD score compares the views with the input picture; give it."
            )
        text = self.text_embedding(object_name)
        return [
            cd_score(
                sample,
                sample[0]
                if scaling != "paper" or embeddings.reference is None
                else embeddings.reference,
                text,
                scaling=scaling,
                encoder=self.encoder.name,
            )
            for sample in embeddings.views
        ]

    def text_embedding(self, object_name: str) -> Float[Tensor, " d"]:
        """Return the embedding of "An image of {object_name}".

        Raises:
            ValueError: Nothing is left of the name once digits and underscores are gone.
        """
        name = clean_object_name(object_name)
        if not name:
            raise ValueError("The CD score needs the object's name, such as 'teapot'.")
        return self.encoder.embed_texts([PROMPT.format(name)])[0]

    def suggest_name(self, reference: ReferenceImage | ViewEmbeddings) -> tuple[str, float]:
        """Guess the object's name from its picture (zero-shot classification).

        Args:
            reference: The input picture, or embeddings that hold it.

        Returns:
            The most probable of the names stored beside the encoder, and its probability.

        Raises:
            ValueError: The encoder has no list of names, or the embeddings hold no picture.
        """
        if not self.encoder.names:
            raise ValueError(
                f"The encoder {self.encoder.name} has no list of names to choose from."
            )
        if isinstance(reference, ViewEmbeddings):
            embedding = reference.reference
        else:
            embedding = self.encoder.embed_images((reference.pixels[None] + 1) / 2)[0]
        if embedding is None:
            raise ValueError("These embeddings hold no input picture to name.")
        logits = self.encoder.logit_scale * self.encoder.name_embeddings() @ embedding
        probability, index = logits.softmax(dim=0).max(dim=0)
        return self.encoder.names[int(index)], float(probability)
