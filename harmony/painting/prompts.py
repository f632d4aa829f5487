"""Words: what the text-to-image model is told, and what the object is called."""

from __future__ import annotations

MAX_PROMPT = 300
TEMPLATE = (
    "a photo of {prompt}, one single object in the centre, seen slightly from above, "
    "the whole object in view, plain white background, soft even light"
)
"""One centred object on a plain ground is what the cut-out and the multi-view model expect."""

_ARTICLES = frozenset(["a", "an", "the", "one", "my", "your", "some", "this", "that", "single"])
_BEGINNINGS = frozenset(
    ["photo", "photograph", "picture", "image", "drawing", "painting", "render", "model"]
)
_ENDINGS = frozenset(
    [
        "with",
        "on",
        "in",
        "at",
        "from",
        "that",
        "which",
        "who",
        "made",
        "wearing",
        "holding",
        "carrying",
        "standing",
        "sitting",
        "lying",
        "under",
        "over",
        "near",
        "beside",
        "behind",
        "for",
        "against",
        "by",
        "without",
        "painted",
        "covered",
    ]
)
_ADJECTIVES = frozenset(
    [
        "red",
        "orange",
        "yellow",
        "green",
        "blue",
        "purple",
        "violet",
        "pink",
        "brown",
        "black",
        "white",
        "grey",
        "gray",
        "golden",
        "silver",
        "turquoise",
        "beige",
        "colourful",
        "colorful",
        "dark",
        "light",
        "bright",
        "pale",
        "big",
        "small",
        "large",
        "little",
        "tiny",
        "huge",
        "tall",
        "short",
        "long",
        "round",
        "square",
        "old",
        "new",
        "antique",
        "ancient",
        "modern",
        "vintage",
        "retro",
        "rusty",
        "shiny",
        "glossy",
        "cute",
        "beautiful",
        "pretty",
        "ugly",
        "funny",
        "simple",
        "detailed",
        "realistic",
        "stylized",
        "stylised",
        "cartoon",
        "lovely",
        "fluffy",
        "furry",
        "soft",
        "hard",
        "wooden",
        "plastic",
        "ceramic",
        "porcelain",
        "metal",
        "metallic",
        "steel",
        "iron",
        "brass",
        "copper",
        "leather",
        "knitted",
        "woollen",
        "striped",
        "spotted",
        "dotted",
        "fresh",
        "ripe",
        "happy",
        "sad",
        "single",
        "low-poly",
        "3d",
    ]
)


def validate_prompt(prompt: str) -> str:
    """Return the prompt with single spaces.

    Raises:
        ValueError: It holds no letter, or is longer than `MAX_PROMPT` characters.
    """
    words = " ".join(prompt.split())
    if not any(letter.isalpha() for letter in words) or not words.isprintable():
        raise ValueError("Describe the object in a few words, such as 'a red teapot'.")
    if len(words) > MAX_PROMPT:
        raise ValueError(f"The description has {len(words)} characters; the limit is {MAX_PROMPT}.")
    return words


def full_prompt(prompt: str) -> str:
    """Return what the text-to-image model is told."""
    return TEMPLATE.format(prompt=prompt)


def object_name(prompt: str) -> str:
    """Return a short name of what the prompt describes, for the CD score.

    What follows a comma or a word like "with" is left out, and so are the articles and common
    adjectives in front: "a small red toy car with yellow wheels" is a "toy car". It is a guess;
    the user can say better.
    """
    words = validate_prompt(prompt).split(",")[0].rstrip(".!?;:").split()
    if len(words) > 1 and "of" in words[1:4]:
        place = words.index("of", 1)
        if words[place - 1].lower() in _BEGINNINGS:
            words = words[place + 1 :] or words
    ending = next((k for k, word in enumerate(words) if k and word.lower() in _ENDINGS), len(words))
    kept = words[:ending]
    while len(kept) > 1 and kept[0].lower() in _ARTICLES | _ADJECTIVES:
        kept = kept[1:]
    name = " ".join(kept)
    return name if any(letter.isalpha() for letter in name) else "object"
