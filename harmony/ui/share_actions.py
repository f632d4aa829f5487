"""What the controls for links and recipes do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from harmony.ui import texts
from harmony.ui.actions import Actions, Updates, settings_from
from harmony.ui.errors import in_plain_words
from harmony.ui.examples import Example
from harmony.ui.precomputed import load_precomputed
from harmony.ui.settings import Settings
from harmony.ui.sharing import (
    EXAMPLE,
    file_sha256,
    page_address,
    query_of,
    read_recipe,
    settings_of_query,
    settings_of_recipe,
    values_of,
)
from harmony.ui.texts import recipes

THEME = "__theme"
"""Gradio's own part of an address."""


class ShareActions:
    """Handlers of links and recipes."""

    def __init__(
        self, page: Actions, examples: Sequence[Example], cutouts: tuple[str, ...]
    ) -> None:
        """Share the page's components."""
        self.page, self.examples, self.cutouts = page, examples, cutouts

    def dials(self, settings: Settings) -> Updates:
        """Return the dials as they must stand for the settings."""
        return dict(zip(self.page.inputs.dials, values_of(settings).values(), strict=True))

    @in_plain_words
    def open_link(self, request: gr.Request, *dials: Any) -> Updates:
        """Set the dials, and choose the example, as the page's address says."""
        query = dict(request.query_params)
        if not set(query) - {THEME}:
            return self._open_plain()
        updates = self.dials(settings_of_query(query, settings_from(dials), self.cutouts))
        named = [example for example in self.examples if example.name == query.get(EXAMPLE)]
        if named:
            chosen = self.page.choose_example(request, named[0])
            # The link's own settings go before those of the example.
            updates = chosen | updates if "elevation_deg" in query else updates | chosen
        return updates

    def _open_plain(self) -> Updates:
        """Take the picture of the shipped result that the page opens with; the dials stay."""
        shipped = [e for e in self.examples if load_precomputed(e) is not None]
        if not shipped:
            return self.page.nothing
        return self.page.take_example(shipped[0])

    @in_plain_words
    def restore(self, file: str | None, picture: str | None, *dials: Any) -> Updates:
        """Set the dials as a dropped recipe says."""
        if file is None:
            # An empty table would be taken for a value.
            return {self.page.inputs.s1: gr.skip()}
        recipe = read_recipe(Path(file))
        settings = settings_of_recipe(recipe, settings_from(dials), self.cutouts)
        if picture is None or file_sha256(Path(picture)) != recipe.image_sha256:
            gr.Info(texts.OTHER_PICTURE)
        if recipe.model != self.page.engine.model_name:
            gr.Warning(texts.OTHER_MODEL.format(model=recipe.model))
        return self.dials(settings)

    def describe(self, request: gr.Request) -> tuple[str, str, str]:
        """Return the link, the recipe and the command line of the run on show."""
        from harmony.recipe import recipe_command, recipe_from_json

        run = self.page.visit(request).run
        if run is None:
            return "", "", ""
        picture = run.recipe["image_sha256"]
        example = next((e for e in self.examples if file_sha256(e.file) == picture), None)
        query = query_of(run.settings, None if example is None else example.name)
        text = json.dumps(run.recipe, indent=2)
        image = f"examples/{example.file.name}" if example else recipes.OWN_PICTURE
        command = recipe_command(recipe_from_json(text), image=image, output=recipes.OUTPUT)
        return f"{page_address(request)}?{query}", text, command
