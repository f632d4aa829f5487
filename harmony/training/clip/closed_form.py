"""The two towers of the transferred CLIP, found without gradient descent.

A few thousand renders of some thousand names are too little to learn what pictures and words are.
So both towers start from what is known: the picture's features are mapped by ridge regression to
the sentence encoder's vector of the object's name, and the text tower adds up the vectors of the
words. Nothing is fitted to single names, which is why names that were never seen are found too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from harmony.training.clip.captions import TEMPLATES

WORD_END = "</w>"
WORD = re.compile(r"[a-z]{2,}")
EMPTY_WORDS = frozenset(
    {"an", "and", "the", "of", "in", "on", "with", "for", "to", "is", "at", "by", "from"}
)
SMALLEST_DEVIATION = 1e-3


@dataclass(frozen=True)
class Basis:
    """The common space: directions in which names differ most.

    Attributes:
        mean: (d,) of the names' vectors; what all names share says nothing.
        directions: (d, e) orthonormal.
    """

    mean: Float[Tensor, " d"]
    directions: Float[Tensor, "d e"]

    def project(self, vectors: Float[Tensor, "B d"]) -> Float[Tensor, "B e"]:
        """Return unit vectors of the common space."""
        return F.normalize((vectors - self.mean) @ self.directions, dim=-1)


def principal_basis(vectors: Float[Tensor, "B d"], width: int) -> Basis:
    """Return the `width` principal directions of the vectors.

    Raises:
        ValueError: There are too few vectors or directions.
    """
    if min(vectors.shape) < width:
        raise ValueError(f"{tuple(vectors.shape)} vectors have no {width} principal directions.")
    mean = vectors.mean(dim=0)
    _, _, rows = torch.linalg.svd(vectors - mean, full_matrices=False)
    return Basis(mean, rows[:width].T.contiguous())


def ridge(
    features: Float[Tensor, "P c"], targets: Float[Tensor, "P e"], strength: float
) -> tuple[Float[Tensor, "e c"], Float[Tensor, " e"]]:
    """Return weight and bias of the linear map with the least regularised squared error.

    The features are standardised first, so that `strength` counts for all of them alike; the
    standardisation is part of the map that is returned.

    Args:
        features: Of the pictures.
        targets: The vectors of their names.
        strength: Weight of the map's squared norm.
    """
    mean = features.mean(dim=0)
    deviation = features.std(dim=0).clamp(min=SMALLEST_DEVIATION)
    x = ((features - mean) / deviation).double()
    penalty = strength * torch.eye(x.shape[1], dtype=x.dtype)
    solution = torch.linalg.solve(x.T @ x + penalty, x.T @ targets.double())
    weight = (solution / deviation.double()[:, None]).T
    return weight.float(), -(weight @ mean.double()).float()


def best_scale(similarities: Float[Tensor, "P G"], targets: Int[Tensor, " P"]) -> float:
    """Return the inverse temperature, 1 to 100, under which the true names are most probable."""
    scales = torch.logspace(0, 2, 41)
    losses = [F.cross_entropy(scale * similarities.double(), targets) for scale in scales]
    return float(scales[int(torch.stack(losses).argmin())])


def word_tokens(decoder: Mapping[int, str]) -> dict[int, str]:
    """Return the tokens of a byte-pair vocabulary that are whole words which say something."""
    empty = EMPTY_WORDS | {
        word for template in TEMPLATES for word in template.format("").lower().split()
    }
    words = {
        number: text.removesuffix(WORD_END)
        for number, text in decoder.items()
        if text.endswith(WORD_END)
    }
    return {n: word for n, word in words.items() if WORD.fullmatch(word) and word not in empty}


@torch.no_grad()
def set_text_tower(model: Any, vectors: Mapping[int, Float[Tensor, " e"]]) -> None:
    """Make the text tower add up the vectors of the words.

    The token embeddings are the words' vectors, 0 for all others. One layer's attention is
    uniform over the caption, its values pass unchanged, and its MLP adds nothing. The final
    vector is therefore the mean of the words' vectors, each brought to one length.

    Args:
        model: open_clip's CLIP with one text layer whose width is that of the common space.
        vectors: By token.
    """
    width = model.token_embedding.weight.shape[1]
    for tensor in (model.token_embedding.weight, model.positional_embedding):
        tensor.zero_()
    for number, vector in vectors.items():
        model.token_embedding.weight[number] = vector
    (block,) = model.transformer.resblocks
    identity = torch.eye(width)
    block.attn.in_proj_weight.copy_(torch.cat([torch.zeros(2 * width, width), identity]))
    block.attn.in_proj_bias.zero_()
    block.attn.out_proj.weight.copy_(identity)
    block.attn.out_proj.bias.zero_()
    block.mlp.c_proj.weight.zero_()
    block.mlp.c_proj.bias.zero_()
    model.text_projection.copy_(identity)
