"""Recipes: everything that determines a result, as JSON, as a hash and as a command line.

A recipe comes from strangers (a dropped file, a link), so reading one checks every value and
nothing in it is ever executed, fetched or used as a path.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any, NoReturn

from PIL import Image, PngImagePlugin

from harmony.background import ALPHA, CUTOUTS, NO_CUTOUT
from harmony.framing import validate_elevation, validate_foreground
from harmony.guidance import branch_weights
from harmony.models.base import MultiviewDenoiser
from harmony.noise import validate_seeds
from harmony.records import Guidance, Recipe, SamplerSettings
from harmony.sampling import VERSION as SAMPLING_VERSION
from harmony.sampling import validate_settings

FORMAT = "harmony recipe 1"
PNG_KEY = "harmony-recipe"
"""Keyword of the PNG text chunk that carries a recipe."""
MAX_CHARACTERS = 100_000
MAX_SEEDS = 1000
MAX_NAME = 200
PACKAGES = ("torch", "diffusers", "numpy", "pillow", "rembg")
SHA256 = re.compile(r"[0-9a-f]{64}")


def package_versions() -> dict[str, str]:
    """Return the versions of what takes part in a result: packages, and our own sampling."""
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {**versions, "harmony.sampling": SAMPLING_VERSION}


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
        )
    )


def recipe_to_json(recipe: Recipe) -> str:
    """Return the recipe as JSON, keys sorted, one value a line; 2 and 2.0 give the same text."""
    values = {"format": FORMAT, **asdict(_canonical(recipe))}
    return json.dumps(values, indent=2, sort_keys=True, allow_nan=False) + "\n"


def _canonical(recipe: Recipe) -> Recipe:
    guidance, sampler, foreground = recipe.guidance, recipe.sampler, recipe.foreground
    scales = (float(scale) for scale in (guidance.s1, guidance.s2, guidance.cfg_scale))
    return replace(
        recipe,
        foreground=None if foreground is None else float(foreground),
        elevation_deg=float(recipe.elevation_deg),
        guidance=Guidance(guidance.rule, *scales),
        sampler=replace(sampler, eta=float(sampler.eta)),
    )


def recipe_from_json(text: str) -> Recipe:
    """Read a recipe; `recipe_from_json(recipe_to_json(recipe)) == recipe`.

    Raises:
        ValueError: It is no JSON, a value is unknown, missing, of the wrong type or out of range.
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"The recipe is longer than {MAX_CHARACTERS} characters.")
    try:
        found = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_repetition)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The recipe is not valid JSON: {error}.") from error
    values = _table(found, "recipe", {"format", *(f.name for f in fields(Recipe))})
    if values.pop("format") != FORMAT:
        raise ValueError(f"This is not a recipe of the format {FORMAT!r}.")
    foreground = values["foreground"]
    return validate_recipe(
        Recipe(
            image_sha256=_text(values, "image_sha256"),
            cutout=_text(values, "cutout"),
            foreground=None if foreground is None else _number(values, "foreground"),
            elevation_deg=_number(values, "elevation_deg"),
            seeds=_seeds(values["seeds"]),
            guidance=_guidance(values["guidance"]),
            sampler=_sampler(values["sampler"]),
            model=_text(values, "model"),
            weights_sha256=_text(values, "weights_sha256"),
            object_name=_text(values, "object_name"),
            versions=_versions(values["versions"]),
        )
    )


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _no_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key stands twice")
    return table


def _table(found: Any, what: str, names: set[str]) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise ValueError(f"The {what} must be a JSON object.")
    if missing := sorted(names - set(found)):
        raise ValueError(f"The {what} lacks {', '.join(missing)}.")
    if unknown := sorted(set(found) - names):
        raise ValueError(f"The {what} has unknown entries: {', '.join(unknown)[:MAX_NAME]}.")
    return found


def _text(values: Mapping[str, Any], name: str) -> str:
    if not isinstance(values[name], str):
        raise ValueError(f"The recipe's {name} must be text.")
    return values[name]


def _number(values: Mapping[str, Any], name: str) -> float:
    value = values[name]
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            number = float(value)
            if math.isfinite(number):
                return number
    except OverflowError:
        pass  # an integer too large for a float is refused below, like any other misfit
    raise ValueError(f"The recipe's {name} must be a finite number.")


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"The recipe's {name} must be a whole number.")
    return value


def _seeds(found: Any) -> tuple[int, ...]:
    if not isinstance(found, list):
        raise ValueError("The recipe's seeds must be a list of whole numbers.")
    return tuple(_whole(seed, "seeds") for seed in found)


def _guidance(found: Any) -> Guidance:
    values = _table(found, "recipe's guidance", {f.name for f in fields(Guidance)})
    scales = {name: _number(values, name) for name in ("s1", "s2", "cfg_scale")}
    return Guidance(rule=_text(values, "rule"), **scales)


def _sampler(found: Any) -> SamplerSettings:
    values = _table(found, "recipe's sampler", {f.name for f in fields(SamplerSettings)})
    return SamplerSettings(
        _text(values, "sampler"), _whole(values["num_steps"], "num_steps"), _number(values, "eta")
    )


def _versions(found: Any) -> dict[str, str]:
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise ValueError("The recipe's versions must be an object of texts.")
    return found


def recipe_hash(recipe: Recipe) -> str:
    """Return the SHA-256 of the recipe's canonical JSON."""
    return hashlib.sha256(recipe_to_json(recipe).encode()).hexdigest()


def recipe_command(recipe: Recipe, *, image: str = "IMAGE", output: str = "OUTPUT") -> str:
    """Return the command line that repeats the recipe on the picture file `image`."""
    guidance, sampler = recipe.guidance, recipe.sampler
    framing = [] if recipe.foreground is None else ["--foreground", f"{recipe.foreground!r}"]
    # A picture that brings its own mask keeps it under any name.
    cutout = NO_CUTOUT if recipe.cutout == ALPHA else recipe.cutout
    if guidance.rule == "cfg":
        scales = ["--cfg-scale", f"{guidance.cfg_scale!r}"]
    else:
        scales = ["--rule", guidance.rule, "--s1", f"{guidance.s1!r}", "--s2", f"{guidance.s2!r}"]
    return shlex.join(
        [
            *("python", "-m", "harmony.generate", image, "--output", output),
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
            assert isinstance(image, PngImagePlugin.PngImageFile)
            text = image.text.get(PNG_KEY)
    except Exception as error:  # a decoder may raise anything on damaged data
        raise ValueError("The picture is not a PNG file that can be read.") from error
    if text is None:
        raise ValueError("The PNG file carries no recipe.")
    return recipe_from_json(text)
