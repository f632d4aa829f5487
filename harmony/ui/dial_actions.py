"""What happens when a dial is let go: the seed stays, and what was made before shows at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from harmony.ui import plans
from harmony.ui.actions import Actions, Updates, settings_from
from harmony.ui.errors import in_plain_words
from harmony.ui.live import RULES
from harmony.ui.plans import live_request
from harmony.ui.settings import Settings
from harmony.ui.sharing import file_sha256
from harmony.ui.status import status_html
from harmony.ui.texts import dials as texts
from harmony.ui.turns import Turns
from harmony.ui.visits import Run, Visit
from harmony.ui.wire import asked_before


class DialActions:
    """Handlers of a dial that is let go."""

    def __init__(self, page: Actions) -> None:
        """Share the page's engine and visits."""
        self.page = page

    @in_plain_words
    def released(
        self,
        request: gr.Request,
        picture: str | None,
        refine: bool,
        live: int,
        wire: Any,
        *dials: Any,
    ) -> Updates:
        """Show the run of these dials if it was made before; else say or start what it takes.

        Where the student answers, the full model waits until it has.
        """
        if picture is None:
            return self.page.nothing
        wanted, visit = settings_from(dials), self.page.visit(request)
        if asked_before(wire) < visit.live.moved_at:
            return self.page.nothing  # let go elsewhere since
        busy = visit.running and not visit.refining
        served = live and wanted.rule in RULES
        asked = live_request(picture, live, dials) if served else None
        run = None if busy else self._found(visit, Path(picture), wanted)
        if run is not None:
            visit.stop_refining()
            visit.keep(run)
            visit.live.shown = asked  # the student is not needed for it
            return self.page.buttons(running=False) | self.page.show(visit)
        if asked is not None and not busy:
            visit.live.refine = asked if refine else None
            if visit.live.shown != asked:
                visit.live.want(asked)
            return self.page.nothing
        return self._without_student(visit, wanted, refine=refine)

    def _without_student(self, visit: Visit, wanted: Settings, *, refine: bool) -> Updates:
        if refine:
            # The run on its way stops at its next step; the new one follows it.
            visit.replaced += 1
            visit.live.settle()
            visit.live.asked += 1
            return {self.page.inputs.asked: visit.live.asked}
        if visit.running:
            return self.page.nothing
        text = texts.to_make(self.page.engine.estimate(wanted))
        return {self.page.results.status: status_html(text)}

    def _found(self, visit: Visit, picture: Path, wanted: Settings) -> Run | None:
        """Return the run from the visitor's own shelf, or from the cache."""
        sha256 = file_sha256(picture)
        for run in reversed(visit.runs.values()):
            if run.settings == wanted and run.recipe["image_sha256"] == sha256:
                return run
        return self.page.engine.peek(picture, wanted, visit.new_folder)


def bind_dials(actions: DialActions, turns: Turns) -> Any:
    """Answer when a dial is let go.

    Returns:
        The event, for what comes after it.
    """
    page = actions.page
    inputs, on_show = page.inputs, page.parts
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    released = gr.on(
        [inputs.s1.release, inputs.s2.release, inputs.cfg_scale.release],
        actions.released,
        inputs=[inputs.picture, inputs.refine, inputs.live, inputs.wire, *inputs.dials],
        outputs=[inputs.asked, *on_show],
        trigger_mode="always_last",
        show_progress_on=inputs.asked,  # as for the live dials
        **quiet,
    )
    run = inputs.asked.change(
        **turns.of(page.refine, plans.run, page.waiting),
        inputs=[inputs.picture, *inputs.dials],
        outputs=on_show,
        trigger_mode="multiple",
        **quiet,
    )
    run.failure(page.failed, outputs=on_show, **quiet)
    inputs.stop.click(None, cancels=run, **quiet)
    return released
