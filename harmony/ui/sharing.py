"""Settings in a link and in a recipe: out to the visitor, and back to the dials."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import gradio as gr

from harmony.ui import texts
from harmony.ui.settings import MAX_NAME, MAX_S1, MAX_S2, Framing, Settings, choice, number

if TYPE_CHECKING:
    from harmony.records import Recipe

EXAMPLE = "example"
NUMBERS: Mapping[str, Callable[[str], float]] = {
    "elevation_deg": float,
    "foreground": float,
    "s1": float,
    "s2": float,
    "cfg_scale": float,
    "num_steps": int,
    "eta": float,
    "instances": int,
    "first_seed": int,
}
WORDS = ("cutout", "rule", "sampler", "object_name")
FRAMING = tuple(field.name for field in fields(Framing))


def values_of(settings: Settings) -> dict[str, Any]:
    """Return every setting by its name, in the order of `Inputs.dials`."""
    framing = {name: getattr(settings.framing, name) for name in FRAMING}
    rest = [field.name for field in fields(Settings) if field.name != "framing"]
    return framing | {name: getattr(settings, name) for name in rest}


def _with(settings: Settings, values: Mapping[str, Any], cutouts: tuple[str, ...]) -> Settings:
    """Return the settings with some values replaced, checked against the reach of the dials."""
    framing = replace(settings.framing, **{k: v for k, v in values.items() if k in FRAMING})
    rest = {name: value for name, value in values.items() if name not in FRAMING}
    changed = replace(settings, framing=framing, **rest)
    choice(texts.CUTOUT_MODEL, framing.cutout, cutouts)
    number("s1", changed.s1, 0.0, MAX_S1)
    number("s2", changed.s2, 0.0, MAX_S2)
    number("s", changed.cfg_scale, 0.0, MAX_S1)
    if len(changed.object_name) > MAX_NAME:
        raise ValueError(texts.LONG_NAME.format(limit=MAX_NAME))
    return changed


def query_of(settings: Settings, example: str | None = None) -> str:
    """Return the settings as a query string, with the example's name where it was one."""
    values = {
        name: f"{value:.10g}" if isinstance(value, float) else value
        for name, value in values_of(settings).items()
    }
    return urlencode(values | ({EXAMPLE: example} if example else {}))


def settings_of_query(
    query: Mapping[str, str], start: Settings, cutouts: tuple[str, ...]
) -> Settings:
    """Return `start` with what a link says; words that it does not know are left alone.

    Raises:
        ValueError: A value in the link will not do; the sentence names it.
    """
    values: dict[str, Any] = {name: query[name] for name in WORDS if name in query}
    for name, read in NUMBERS.items():
        if name in query:
            try:
                values[name] = read(query[name])
            except ValueError as error:
                raise ValueError(texts.BAD_LINK.format(name=name, value=query[name])) from error
    return _with(start, values, cutouts)


def settings_of_recipe(recipe: Recipe, start: Settings, cutouts: tuple[str, ...]) -> Settings:
    """Return what the dials must say for a recipe.

    Raises:
        ValueError: The dials cannot say it; the sentence says what.
    """
    seeds = recipe.seeds
    if tuple(range(seeds[0], seeds[0] + len(seeds))) != tuple(seeds):
        raise ValueError(texts.SCATTERED_SEEDS)
    values: dict[str, Any] = {
        "elevation_deg": recipe.elevation_deg,
        "rule": recipe.guidance.rule,
        "s1": recipe.guidance.s1,
        "s2": recipe.guidance.s2,
        "cfg_scale": recipe.guidance.cfg_scale,
        "sampler": recipe.sampler.sampler,
        "num_steps": recipe.sampler.num_steps,
        "eta": recipe.sampler.eta,
        "instances": len(seeds),
        "first_seed": seeds[0],
        "object_name": recipe.object_name,
    }
    if recipe.foreground is not None:
        values["foreground"] = recipe.foreground
    if recipe.cutout in cutouts:
        values["cutout"] = recipe.cutout
    return _with(start, values, cutouts)


def read_recipe(file: Path) -> Recipe:
    """Read a recipe from a JSON file, or from a PNG picture that carries one.

    Raises:
        ValueError: There is none in it, or it is not valid.
    """
    from harmony.json_fields import MAX_CHARACTERS
    from harmony.recipe import recipe_from_json, recipe_from_png

    if file.suffix.lower() == ".png":
        return recipe_from_png(file.read_bytes())
    with file.open("rb") as opened:
        content = opened.read(4 * MAX_CHARACTERS + 1)
    return recipe_from_json(content.decode("utf-8", errors="replace"))


def file_sha256(file: Path) -> str:
    """Return the hash by which a recipe knows its picture."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def page_address(request: gr.Request) -> str:
    """Return the page's own address without a query; on a Space, that of the Space."""
    space = os.environ.get("SPACE_ID")
    if space:
        return f"https://huggingface.co/spaces/{space}"
    parts = urlsplit(request.headers.get("referer", ""))
    return f"{parts.scheme}://{parts.netloc}{parts.path}" if parts.netloc else ""
