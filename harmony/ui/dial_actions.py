"""What happens when a dial is let go: the seed stays, and what was made before shows at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from harmony.ui import plans
from harmony.ui.actions import Actions, Updates, settings_from
from harmony.ui.errors import in_plain_words
from harmony.ui.settings import Settings
from harmony.ui.sharing import file_sha256
from harmony.ui.status import status_html
from harmony.ui.texts import dials as texts
from harmony.ui.turns import Turns
from harmony.ui.visits import Run, Visit


class DialActions:
    """Handlers of s1 and s2."""

    def __init__(self, page: Actions) -> None:
        """Share the page's engine and visits."""
        self.page = page

    @in_plain_words
    def released(
        self, request: gr.Request, picture: str | None, auto: bool, asked: int, *dials: Any
    ) -> Updates:
        """Show the run of these dials if it was made before; else say or start what it takes."""
        if picture is None:
            return {self.page.results.status: gr.skip()}
        wanted, visit = settings_from(dials), self.page.visit(request)
        run = None if visit.running else self._found(visit, Path(picture), wanted)
        if run is not None:
            visit.keep(run)
            return self.page.show(visit)
        if auto:
            # The run on its way stops at its next step; the new one follows it.
            visit.replaced += 1
            return {self.page.inputs.asked: asked + 1}
        if visit.running:
            return {self.page.results.status: gr.skip()}
        text = texts.to_make(self.page.engine.estimate(wanted))
        return {self.page.results.status: status_html(text)}

    def _found(self, visit: Visit, picture: Path, wanted: Settings) -> Run | None:
        """Return the run from the visitor's own shelf, or from the cache."""
        sha256 = file_sha256(picture)
        for run in reversed(visit.runs.values()):
            if run.settings == wanted and run.recipe["image_sha256"] == sha256:
                return run
        return self.page.engine.peek(picture, wanted, visit.new_folder)


def bind_dials(actions: DialActions, turns: Turns) -> None:
    """Answer when s1 or s2 is let go; never while it moves."""
    page = actions.page
    inputs, results = page.inputs, page.results
    on_show = [
        *(results.status, results.turntable, results.details, results.runs, results.recipe_file),
        *(results.gallery, results.views_file, results.mesh_view, results.mesh_file),
        results.mesh_status,
    ]
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    gr.on(
        [inputs.s1.release, inputs.s2.release],
        actions.released,
        inputs=[inputs.picture, inputs.run_on_release, inputs.asked, *inputs.dials],
        outputs=[inputs.asked, *on_show],
        trigger_mode="always_last",
        **quiet,
    )
    shown = [inputs.generate, inputs.stop, *on_show]
    run = inputs.asked.change(
        **turns.of(page.generate, plans.run, page.waiting),
        inputs=[inputs.picture, *inputs.dials],
        outputs=shown,
        trigger_mode="multiple",
        **quiet,
    )
    run.failure(page.failed, outputs=shown, **quiet)
    inputs.stop.click(None, cancels=run, **quiet)
