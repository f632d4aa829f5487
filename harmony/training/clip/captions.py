"""Captions made from an object's name and the colours seen in its picture.

A name such as "wooden chair" becomes "a picture of a red wooden chair" and many variants. Names
that mean the same thing ("couch", "sofa") form one group; a group is never its own negative.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from harmony.scoring import clean_object_name

START_OF_TEXT, END_OF_TEXT = 49406, 49407
"""Token ids of CLIP's byte-pair vocabulary; the text tower reads out at the largest id."""

PROMPT_TEMPLATE = "an image of {}"
TEMPLATES = (
    PROMPT_TEMPLATE,
    "a picture of {}",
    "a photo of {}",
    "a rendering of {}",
    "a 3D model of {}",
    "a view of {}",
    "this is {}",
    "{}",
)

SYNONYMS: tuple[tuple[str, ...], ...] = (
    ("sofa", "couch", "settee"),
    ("fridge", "refrigerator"),
    ("tv", "television", "telly"),
    ("closet", "wardrobe"),
    ("bookcase", "bookshelf"),
    ("airplane", "plane", "aeroplane"),
    ("bicycle", "bike"),
    ("motorbike", "motorcycle"),
    ("trashcan", "dustbin", "garbage"),
    ("cup", "mug"),
    ("automobile", "car"),
    ("spaceship", "spacecraft", "rocket"),
    ("gravestone", "tombstone"),
    ("hamburger", "burger"),
    ("washbasin", "sink"),
    ("stove", "cooker"),
    ("pistol", "handgun"),
    ("kid", "child"),
    ("woman", "lady"),
    ("picture", "painting"),
    ("smartphone", "cellphone"),
    ("stone", "rock"),
    ("plant", "houseplant"),
    ("lamp", "light"),
    ("sneakers", "shoes", "shoe"),
    ("abstract", "random", "geometric"),
)
COLOUR_WORDS = (
    "black",
    "white",
    "grey",
    "red",
    "orange",
    "brown",
    "yellow",
    "green",
    "turquoise",
    "blue",
    "purple",
    "pink",
)
"""In the order of the columns of `colours.colour_shares`."""

SYNONYM_SHARE = 0.3
ARTICLE_SHARE = 0.5
PLAIN_SHARE = 0.5
MIN_FIRST_COLOUR, MIN_SECOND_COLOUR = 0.45, 0.25

_SYNONYMS_OF = {word: group for group in SYNONYMS for word in group}


class WordTokenizer(Protocol):
    """What is needed of open_clip's `SimpleTokenizer`."""

    def encode(self, text: str) -> list[int]:
        """Return the byte-pair tokens of a text, without start and end tokens."""
        ...


def name_group(name: str) -> str:
    """Return a key that two names share when they mean the same.

    Word order, synonyms and a plural s do not count: "coffee table" and "table coffee" agree.
    """
    return " ".join(sorted(_canonical_word(word) for word in clean_object_name(name).split()))


def _canonical_word(word: str) -> str:
    word = _SYNONYMS_OF.get(word, (word,))[0]
    is_plural = word.endswith("s") and not word.endswith("ss") and len(word) > 3  # noqa: PLR2004
    if not is_plural:
        return word
    return _SYNONYMS_OF.get(word[:-1], (word[:-1],))[0]


def visible_colours(shares: Sequence[float], rng: Random) -> tuple[str, ...]:
    """Return none, one or two colour words for a picture.

    Args:
        shares: Share of the foreground for each of `COLOUR_WORDS`.
        rng: Half of the captions name no colour.
    """
    if rng.random() < PLAIN_SHARE:
        return ()
    order = sorted(range(len(shares)), key=lambda index: -shares[index])
    first, second = order[0], order[1]
    if shares[second] > MIN_SECOND_COLOUR:
        return (COLOUR_WORDS[first], COLOUR_WORDS[second])
    return (COLOUR_WORDS[first],) if shares[first] > MIN_FIRST_COLOUR else ()


def describe(name: str, colours: Sequence[str], template: str, rng: Random) -> str:
    """Return one caption: synonyms at random, colours in front, with or without an article.

    Args:
        name: An object's name.
        colours: Words put in front of it, at most two; left out where the name has one itself.
        template: One of `TEMPLATES`.
        rng: Source of the random choices.
    """
    words = [
        rng.choice(_SYNONYMS_OF[word])
        if word in _SYNONYMS_OF and rng.random() < SYNONYM_SHARE
        else word
        for word in clean_object_name(name).split()
    ]
    own_colour = any(word in COLOUR_WORDS for word in words)
    phrase = " ".join(words if own_colour else [" and ".join(colours), *words]).strip()
    if rng.random() < ARTICLE_SHARE:
        phrase = f"{'an' if phrase[:1] in 'aeiou' else 'a'} {phrase}"
    return template.format(phrase)


class CaptionBook:
    """Names by group, and captions as token rows.

    Attributes:
        names: One tuple of names for each group, both sorted.
        used_tokens: Every token id that a caption can hold, sorted.
        context_length: Tokens in a row, start and end tokens included.
    """

    def __init__(self, names: Iterable[str], tokenizer: WordTokenizer, context_length: int) -> None:
        """Group the names.

        Raises:
            ValueError: There is no name.
        """
        groups: dict[str, set[str]] = {}
        for name in names:
            groups.setdefault(name_group(name), set()).add(clean_object_name(name))
        if not groups:
            raise ValueError("No object has a name; the captions are made from names.")
        keys = sorted(groups)
        self.names = tuple(tuple(sorted(groups[key])) for key in keys)
        self.context_length = context_length
        self._group_of = {key: index for index, key in enumerate(keys)}
        self._tokenizer = tokenizer
        self._tokens_of_word: dict[str, list[int]] = {}
        self.used_tokens = self._find_used_tokens()
        self._unused = np.setdiff1d(np.arange(1, START_OF_TEXT), self.used_tokens)

    def group(self, name: str) -> int:
        """Return the number of the name's group.

        Raises:
            KeyError: No name of this group was given at the start.
        """
        return self._group_of[name_group(name)]

    def rows(
        self,
        captions: Sequence[str],
        *,
        unknown_share: float = 0.0,
        rng: np.random.Generator | None = None,
    ) -> Int[Tensor, "B L"]:
        """Return token rows exactly as open_clip's tokenizer does.

        Args:
            captions: Texts.
            unknown_share: Share of tokens replaced by tokens that no caption uses, so that the
                text tower learns to read past words that it does not know.
            rng: Source of the replacements; needed when `unknown_share` is above 0.
        """
        rows = np.zeros((len(captions), self.context_length), dtype=np.int64)
        for row, caption in zip(rows, captions, strict=True):
            tokens = [token for word in caption.lower().split() for token in self._tokens(word)]
            tokens = tokens[: self.context_length - 2]
            row[: len(tokens) + 2] = [START_OF_TEXT, *tokens, END_OF_TEXT]
        if rng is not None and unknown_share > 0:
            replaced = (
                (rng.random(rows.shape) < unknown_share) & (rows > 0) & (rows < START_OF_TEXT)
            )
            rows[replaced] = rng.choice(self._unused, size=int(replaced.sum()))
        return torch.from_numpy(rows)

    def _tokens(self, word: str) -> list[int]:
        # The tokenizer never merges over a blank, so a caption's tokens are its words' tokens.
        if word not in self._tokens_of_word:
            self._tokens_of_word[word] = self._tokenizer.encode(word)
        return self._tokens_of_word[word]

    def _find_used_tokens(self) -> Int[np.ndarray, " T"]:
        words = {word for names in self.names for name in names for word in name.split()}
        words |= {synonym for word in words for synonym in _SYNONYMS_OF.get(word, ())}
        words |= {
            word for template in TEMPLATES for word in template.format("and an a").lower().split()
        }
        tokens = {token for word in words | set(COLOUR_WORDS) for token in self._tokens(word)}
        # 0 fills the row behind the end token.
        return np.array(sorted(tokens | {0, START_OF_TEXT, END_OF_TEXT}), dtype=np.int64)
