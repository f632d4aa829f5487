"""Recipes: everything that determines a result, as JSON, as a hash and as a command line.

A recipe comes from strangers (a dropped file, a link), so reading one checks every value and
nothing in it is ever executed, fetched or used as a path.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import io
import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from PIL import Image, PngImagePlugin

from harmony.background import ALPHA, CUTOUTS, NO_CUTOUT
from harmony.framing import validate_elevation, validate_foreground
from harmony.guidance import branch_weights
from harmony.json_fields import MAX_NAME, as_table, as_whole, number_of, parse_json, text_of
from harmony.models.base import MultiviewDenoiser
from harmony.noise import validate_seeds
from harmony.painting.record import (
    canonical_painted_from,
    painted_from_table,
    painting_options,
    validate_painted_from,
)
from harmony.records import Guidance, PaintedFrom, Recipe, SamplerSettings
from harmony.sampling import VERSION as SAMPLING_VERSION
from harmony.sampling import validate_settings

FORMAT = "harmony recipe 1"
PNG_KEY = "harmony-recipe"
"""Keyword of the PNG text chunk that carries a recipe."""
OPTIONAL = "painted_from"
MAX_SEEDS = 1000
PACKAGES = ("torch", "diffusers", "numpy", "pillow", "rembg")
UNKNOWN_VERSION = "unknown"
SHA256 = re.compile(r"[0-9a-f]{64}")


def package_versions() -> dict[str, str]:
    """Return the versions of what takes part in a result: packages, and our own sampling.

    A package that is not there, or came without its metadata, is "unknown": a result that does
    not need it must not fail for it.
    """
    installed = {name: installed_version(name) for name in PACKAGES}
    return {"harmony.sampling": SAMPLING_VERSION, **installed}


@functools.cache  # metadata files are read anew each time, which a moving dial would wait for
def installed_version(package: str) -> str:
    """Return a package's version, read once in a process, or `UNKNOWN_VERSION`."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return UNKNOWN_VERSION


def validate_object_name(name: str) -> str:
    """Return the name.

    Raises:
        ValueError: It holds no letter (the score reads letters only), or is very long.
    """
    if not any(letter.isalpha() for letter in name):
        raise ValueError(f"The object name is {name!r}; it needs letters, such as 'teapot'.")
    if len(name) > MAX_NAME or not name.isprintable():
        raise ValueError(f"The object name must be one line of at most {MAX_NAME} characters.")
    return name


def validate_recipe(recipe: Recipe) -> Recipe:
    """Return the recipe.

    Raises:
        ValueError: A value is out of its range; the sentence names it.
    """
    for name in ("image_sha256", "weights_sha256"):
        if not SHA256.fullmatch(getattr(recipe, name)):
            raise ValueError(f"The recipe's {name} is not a SHA-256 in hexadecimal.")
    if recipe.cutout not in (*CUTOUTS, ALPHA):
        raise ValueError(
            f"The recipe's cutout is {recipe.cutout!r}; "
            f"it must be one of {', '.join((*CUTOUTS, ALPHA))}."
        )
    if not recipe.model or len(recipe.model) > MAX_NAME or not recipe.model.isprintable():
        raise ValueError(f"The recipe's model must be one line of at most {MAX_NAME} characters.")
    if len(recipe.seeds) > MAX_SEEDS:
        raise ValueError(f"The recipe has {len(recipe.seeds)} seeds; the limit is {MAX_SEEDS}.")
    validate_foreground(recipe.foreground)
    validate_elevation(recipe.elevation_deg)
    validate_seeds(recipe.seeds)
    branch_weights(recipe.guidance)
    validate_settings(recipe.sampler)
    validate_object_name(recipe.object_name)
    if recipe.painted_from is not None:
        validate_painted_from(recipe.painted_from)
    return recipe


def make_recipe(  # noqa: PLR0913 (a recipe has that many parts)
    model: MultiviewDenoiser,
    *,
    image_sha256: str,
    cutout: str,
    foreground: float | None,
    elevation_deg: float,
    seeds: Sequence[int],
    guidance: Guidance,
    sampler: SamplerSettings,
    object_name: str = "object",
    painted_from: PaintedFrom | None = None,
) -> Recipe:
    """Return the checked recipe of a run of `model`; see `Recipe` for the arguments.

    Raises:
        ValueError: A value is out of its range; the sentence names it.
    """
    return validate_recipe(
        Recipe(
            image_sha256=image_sha256,
            cutout=cutout,
            foreground=foreground,
            elevation_deg=elevation_deg,
            seeds=tuple(seeds),
            guidance=guidance,
            sampler=sampler,
            model=model.name,
            weights_sha256=model.weights_sha256,
            object_name=object_name,
            versions=package_versions(),
            painted_from=painted_from,
        )
    )


def recipe_to_json(recipe: Recipe) -> str:
    """Return the recipe as JSON, keys sorted, one value a line; 2 and 2.0 give the same text."""
    values = {"format": FORMAT, **asdict(_canonical(recipe))}
    if recipe.painted_from is None:  # as recipes were before pictures could be painted
        del values[OPTIONAL]
    return json.dumps(values, indent=2, sort_keys=True, allow_nan=False) + "\n"


def _canonical(recipe: Recipe) -> Recipe:
    guidance, sampler, foreground = recipe.guidance, recipe.sampler, recipe.foreground
    painted = recipe.painted_from
    scales = (float(scale) for scale in (guidance.s1, guidance.s2, guidance.cfg_scale))
    return replace(
        recipe,
        foreground=None if foreground is None else float(foreground),
        elevation_deg=float(recipe.elevation_deg),
        guidance=Guidance(guidance.rule, *scales),
        sampler=replace(sampler, eta=float(sampler.eta)),
        painted_from=None if painted is None else canonical_painted_from(painted),
    )


def recipe_from_json(text: str) -> Recipe:
    """Read a recipe; `recipe_from_json(recipe_to_json(recipe)) == recipe`.

    Raises:
        ValueError: It is no JSON, a value is unknown, missing, of the wrong type or out of range.
    """
    found = parse_json(text, "recipe")
    names = {"format", *(f.name for f in fields(Recipe))} - {OPTIONAL}
    values = as_table(found, "recipe", names, optional=frozenset({OPTIONAL}))
    if values.pop("format") != FORMAT:
        raise ValueError(f"This is not a recipe of the format {FORMAT!r}.")
    foreground = values["foreground"]
    return validate_recipe(
        Recipe(
            image_sha256=text_of(values, "image_sha256"),
            cutout=text_of(values, "cutout"),
            foreground=None if foreground is None else number_of(values, "foreground"),
            elevation_deg=number_of(values, "elevation_deg"),
            seeds=_seeds(values["seeds"]),
            guidance=_guidance(values["guidance"]),
            sampler=_sampler(values["sampler"]),
            model=text_of(values, "model"),
            weights_sha256=text_of(values, "weights_sha256"),
            object_name=text_of(values, "object_name"),
            versions=_versions(values["versions"]),
            painted_from=painted_from_table(values[OPTIONAL]) if OPTIONAL in values else None,
        )
    )


def _seeds(found: Any) -> tuple[int, ...]:
    if not isinstance(found, list):
        raise ValueError("The recipe's seeds must be a list of whole numbers.")
    return tuple(as_whole(seed, "seeds") for seed in found)


def _guidance(found: Any) -> Guidance:
    values = as_table(found, "recipe's guidance", {f.name for f in fields(Guidance)})
    scales = {name: number_of(values, name) for name in ("s1", "s2", "cfg_scale")}
    return Guidance(rule=text_of(values, "rule"), **scales)


def _sampler(found: Any) -> SamplerSettings:
    values = as_table(found, "recipe's sampler", {f.name for f in fields(SamplerSettings)})
    return SamplerSettings(
        text_of(values, "sampler"),
        as_whole(values["num_steps"], "num_steps"),
        number_of(values, "eta"),
    )


def _versions(found: Any) -> dict[str, str]:
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise ValueError("The recipe's versions must be an object of texts.")
    return found


def recipe_hash(recipe: Recipe) -> str:
    """Return the SHA-256 of the recipe's canonical JSON."""
    return hashlib.sha256(recipe_to_json(recipe).encode()).hexdigest()


def recipe_command(recipe: Recipe, *, image: str = "IMAGE", output: str = "OUTPUT") -> str:
    """Return the command line that repeats the recipe.

    Args:
        recipe: What to repeat; a painted picture is painted again.
        image: The picture file, where the picture was not painted.
        output: Folder to write.
    """
    guidance, sampler, painted = recipe.guidance, recipe.sampler, recipe.painted_from
    source = [image] if painted is None else painting_options(painted)
    framing = [] if recipe.foreground is None else ["--foreground", f"{recipe.foreground!r}"]
    # A picture that brings its own mask keeps it under any name.
    cutout = NO_CUTOUT if recipe.cutout == ALPHA else recipe.cutout
    if guidance.rule == "cfg":
        scales = ["--cfg-scale", f"{guidance.cfg_scale!r}"]
    else:
        scales = ["--rule", guidance.rule, "--s1", f"{guidance.s1!r}", "--s2", f"{guidance.s2!r}"]
    return shlex.join(
        [
            *("python", "-m", "harmony.generate", *source, "--output", output),
            *(f"--model={recipe.model}", "--seeds", ",".join(map(str, recipe.seeds)), *scales),
            *("--sampler", sampler.sampler, "--steps", str(sampler.num_steps)),
            *("--eta", f"{sampler.eta!r}", f"--elevation-deg={recipe.elevation_deg!r}"),
            *(framing or ["--no-crop"]),
            *("--cutout", cutout, f"--object-name={recipe.object_name}"),
        ]
    )


def recipe_png_info(recipe: Recipe) -> PngImagePlugin.PngInfo:
    """Return PNG text metadata that carries the recipe; pass it as `pnginfo` when saving."""
    info = PngImagePlugin.PngInfo()
    info.add_text(PNG_KEY, recipe_to_json(recipe))
    return info


def recipe_from_png(data: bytes) -> Recipe:
    """Read the recipe that a PNG file of this project carries.

    Raises:
        ValueError: It is no PNG, carries no recipe, or the recipe is invalid.
    """
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            # `image.text` would decode the pixels to look for what stands behind them.
            text = image.info.get(PNG_KEY)
    except Exception as error:  # a decoder may raise anything on damaged data
        raise ValueError("The picture is not a PNG file that can be read.") from error
    if not isinstance(text, str):
        raise ValueError("The PNG file carries no recipe.")
    return recipe_from_json(text)
