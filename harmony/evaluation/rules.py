"""Guidance rules and seeds as the command line writes them."""

from __future__ import annotations

from collections.abc import Sequence

from harmony.guidance import branch_weights
from harmony.noise import validate_seeds
from harmony.records import Guidance

RULE_FORMS = "none, cfg:S, dg:S1:S2 or dgo:S1:S2"
_RULES = {
    "none": ("none", 0),
    "cfg": ("cfg", 1),
    "dg": ("decomposed", 2),
    "dgo": ("decomposed-official", 2),
}
_SHORT = {rule: (short, count) for short, (rule, count) in _RULES.items()}


def parse_rule(text: str) -> Guidance:
    """Return the guidance that `text` names: "none", "cfg:1", "dg:2:1" or "dgo:2:1".

    Raises:
        ValueError: The text has another form, or a scale is out of its range.
    """
    short, *parts = text.strip().split(":")
    rule, count = _RULES.get(short, ("", -1))
    try:
        scales = [float(part) for part in parts]
    except ValueError:
        count = -1
        scales = []
    if len(scales) != count:
        raise ValueError(f"Guidance rule is {text!r}; write {RULE_FORMS}.")
    if count == 1:
        guidance = Guidance(rule, s1=0.0, s2=0.0, cfg_scale=scales[0])
    elif count == 2:  # noqa: PLR2004
        guidance = Guidance(rule, s1=scales[0], s2=scales[1], cfg_scale=0.0)
    else:
        guidance = Guidance(rule, s1=0.0, s2=0.0, cfg_scale=0.0)
    branch_weights(guidance)
    return guidance


def rule_text(guidance: Guidance) -> str:
    """Return the text that `parse_rule` reads back; equal rules give equal texts."""
    short, count = _SHORT[guidance.rule]
    scales = (guidance.cfg_scale,) if count == 1 else (guidance.s1, guidance.s2)[:count]
    return ":".join([short, *(f"{scale:g}" for scale in scales)])


def parse_rules(text: str) -> tuple[Guidance, ...]:
    """Return the rules of a list with commas between.

    Raises:
        ValueError: A rule is not one, or stands twice.
    """
    rules = tuple(parse_rule(part) for part in text.split(","))
    if len({rule_text(rule) for rule in rules}) != len(rules):
        raise ValueError("Every guidance rule may stand only once.")
    return rules


def parse_seeds(text: str) -> tuple[int, ...]:
    """Return the seeds of "0-3" or "0,1,5" or both together.

    Raises:
        ValueError: A part is not a seed or a range, or a seed stands twice.
    """
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        try:
            start = int(first)
            end = int(last) if dash else start
        except ValueError:
            raise ValueError(f"Seeds are {text!r}; write them like 0-3 or 0,1,5.") from None
        if end < start:
            raise ValueError(f"The range of seeds {part!r} is empty; write the smaller one first.")
        seeds.extend(range(start, end + 1))
    return validate_seeds(seeds)


def texts(rules: Sequence[Guidance]) -> tuple[str, ...]:
    """Return `rule_text` of each."""
    return tuple(rule_text(rule) for rule in rules)
