"""Which control calls what.

Work of the model waits for its turn in the lane (`turns.of`); cut-outs have a queue of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from harmony.ui import plans, texts
from harmony.ui.actions import Actions
from harmony.ui.api import Api
from harmony.ui.coach_actions import CoachActions, bind_coach
from harmony.ui.compare import CompareActions
from harmony.ui.errors import in_plain_words
from harmony.ui.examples import Example, chosen_example
from harmony.ui.inputs import Inputs
from harmony.ui.late_answer import LateAnswer
from harmony.ui.mesh_actions import MeshActions
from harmony.ui.results import Results
from harmony.ui.share_actions import ShareActions
from harmony.ui.sharing_view import TO_ADDRESS_BAR
from harmony.ui.sweep import SweepActions
from harmony.ui.turns import Turns

CUTOUT_LANE, FORMAT_LANE = "cutout", "mesh format"


def bind_picture(actions: Actions, examples: Sequence[Example], turns: Turns) -> dict[str, Any]:
    """Cut out whatever picture comes, and follow the guidance rule.

    Returns:
        How the input coach is shown, for others that set a picture.
    """
    inputs, coach = actions.inputs, CoachActions(actions)
    shown: dict[str, Any] = {
        "fn": coach.show,
        "inputs": [inputs.picture, *inputs.framing],
        "outputs": [inputs.cutout_view, inputs.warnings],
        "concurrency_id": CUTOUT_LANE,
        "concurrency_limit": 1,
        "show_progress": "minimal",
        "show_progress_on": inputs.cutout_view,
        "api_visibility": "private",
    }
    gr.on([inputs.picture.input, inputs.picture.clear, inputs.cutout.input], **shown)
    bind_coach(coach, shown)

    @in_plain_words
    def choose(request: gr.Request, event: gr.EventData) -> dict[Any, Any]:
        return actions.choose_example(
            request, chosen_example(examples, getattr(event, "index", None))
        )

    inputs.examples.select(
        choose,
        outputs=[
            *(inputs.picture, inputs.object_name, inputs.elevation_deg),
            *actions.results.of_example,
        ],
        api_visibility="private",
        show_progress="hidden",
    ).success(**shown)
    _bind_suggestion(actions, turns)
    inputs.rule.change(
        lambda rule: (
            gr.update(visible=rule == "cfg"),
            *(gr.update(interactive=rule.startswith("decomposed")) for _ in range(2)),
        ),
        inputs=inputs.rule,
        outputs=[inputs.cfg_scale, inputs.s1, inputs.s2],
        api_visibility="private",
        show_progress="hidden",
    )
    return shown


def _bind_suggestion(actions: Actions, turns: Turns) -> None:
    """A suggestion may have to wait for its turn; a name typed meanwhile goes before it."""
    inputs = actions.inputs
    late = LateAnswer([inputs.object_name])
    late.note(inputs.suggest.click)
    late.settle(
        inputs.suggest.click(
            **turns.of(late.holding(actions.suggest_name), plans.name, plans.toast),
            inputs=[inputs.picture, *inputs.framing],
            outputs=late.held,
            api_visibility="private",
            show_progress="minimal",
            show_progress_on=inputs.object_name,
        )
    )


def bind_run(actions: Actions, chip: gr.Markdown, turns: Turns) -> None:
    """Generate, Stop, and what is on show."""
    inputs, results = actions.inputs, actions.results
    shown = actions.parts
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    drawn = inputs.generate.click(
        actions.draw_seed,
        inputs=inputs.random_seed,
        outputs=inputs.first_seed,
        **quiet,
    )
    run = drawn.success(
        **turns.of(actions.generate, plans.run, actions.waiting),
        inputs=[inputs.picture, *inputs.dials],
        outputs=shown,
        # Generate stays open while a run waits: pressing it again replaces that run.
        trigger_mode="multiple",
        api_visibility="private",
        show_progress="minimal",
        show_progress_on=results.status,
    )
    run.failure(actions.failed, outputs=shown, **quiet)
    run.then(actions.engine.status, outputs=chip, **quiet)
    inputs.stop.click(actions.stopped, outputs=shown, cancels=run, **quiet)
    results.runs.input(actions.choose_run, inputs=results.runs, outputs=shown, **quiet)
    results.turntable.select(actions.choose_sample, outputs=shown, **quiet)


def bind_comparison(actions: CompareActions, turns: Turns) -> None:
    """A and B."""
    parts, inputs = actions.parts, actions.page.inputs
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    offered = [parts.left, parts.right]
    for choice in offered:
        choice.focus(actions.list_runs, outputs=offered, **quiet)
    made = parts.start.click(
        **turns.of(actions.compare, plans.comparison, actions.waiting),
        inputs=[inputs.picture, parts.left, parts.right, *inputs.dials],
        outputs=[parts.view, parts.status, inputs.stop, actions.page.results.runs],
        api_visibility="private",
        show_progress="minimal",
        show_progress_on=parts.status,
    )
    ended = [parts.status, inputs.stop]
    made.failure(actions.ended, outputs=ended, **quiet)
    inputs.stop.click(actions.stopped, outputs=ended, cancels=made, **quiet)


def bind_sweep(actions: SweepActions, demo: gr.Blocks, turns: Turns) -> None:
    """The map of s1 and s2."""
    parts, inputs, results = actions.parts, actions.page.inputs, actions.page.results
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    filled = parts.start.click(
        **turns.of(actions.fill, plans.sweep, actions.waiting),
        inputs=[inputs.picture, parts.grid, *inputs.dials],
        outputs=[parts.view, parts.status, parts.start, inputs.stop],
        api_visibility="private",
        show_progress="minimal",
        show_progress_on=parts.status,
    )
    ended = [parts.status, parts.start, inputs.stop]
    filled.failure(actions.ended, outputs=ended, **quiet)
    inputs.stop.click(actions.stopped, outputs=ended, cancels=filled, **quiet)
    parts.view.select(
        actions.choose,
        outputs=[inputs.rule, inputs.s1, inputs.s2, *results.on_show],
        **quiet,
    )
    gr.on(
        [parts.panel.expand, parts.grid.input, inputs.num_steps.release],
        actions.announce,
        inputs=[parts.grid, *inputs.dials],
        outputs=parts.status,
        **quiet,
    )
    shown = [parts.view, parts.start]
    inputs.examples.select(actions.show_example, outputs=shown, **quiet)
    demo.load(actions.show_first, outputs=shown, **quiet)
    gr.on([inputs.picture.input, inputs.picture.clear], actions.cleared, outputs=shown, **quiet)


def bind_results(actions: Actions, turns: Turns) -> None:
    """Scoring again."""
    results = actions.results
    results.score_again.click(
        **turns.of(actions.score_again, plans.score, actions.waiting_score),
        inputs=results.rename,
        outputs=results.on_show,
        api_visibility="private",
        show_progress="hidden",
    )


def bind_sharing(
    actions: ShareActions, demo: gr.Blocks, coach: dict[str, Any], estimate: dict[str, Any]
) -> None:
    """Links and recipes; `coach` shows the picture that a link names, `estimate` the new dials."""
    inputs, results = actions.page.inputs, actions.page.results
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    late = LateAnswer([inputs.picture, *inputs.dials])
    late.note(demo.load)
    opened = demo.load(
        late.holding(actions.open_link),
        inputs=inputs.dials,
        outputs=[late.held, *results.of_example],
        **quiet,
    )
    late.settle(opened).success(**coach).success(**estimate)
    inputs.recipe.upload(
        actions.restore,
        inputs=[inputs.recipe, inputs.picture, *inputs.dials],
        outputs=inputs.dials,
        **quiet,
    ).success(**coach).success(**estimate)
    results.shown.change(
        actions.describe, outputs=[results.link, results.recipe, results.command], **quiet
    ).success(None, inputs=results.link, js=TO_ADDRESS_BAR, **quiet)


UNTIL_UNFOLDED = """async () => {
  const there = () => document.querySelector("#mesh-view");
  for (let turn = 0; turn < 100 && !there(); turn += 1) await new Promise((go) => setTimeout(go, 50));
  await new Promise((go) => setTimeout(go, 300));
}"""
"""The viewer takes a moment to be built; a value that comes with it is lost."""


def bind_mesh(actions: MeshActions, turns: Turns) -> None:
    """The mesh and its files."""
    results = actions.results
    shown = [
        *(results.reconstruct, results.mesh_stop, results.mesh_status, results.mesh_file),
        results.mesh_turntable,
    ]
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    built = results.reconstruct.click(
        **turns.of(actions.reconstruct, plans.mesh, actions.waiting),
        inputs=results.quality,
        outputs=shown,
        api_visibility="private",
        show_progress="minimal",
        show_progress_on=results.mesh_status,
    )
    unfolded = built.success(actions.unfold, outputs=results.mesh_view, **quiet)
    unfolded.then(None, js=UNTIL_UNFOLDED, **quiet).then(
        actions.show, outputs=results.mesh_view, **quiet
    )
    # One after the other: the last choice of a format is the last answer.
    in_order: dict[str, Any] = {"concurrency_id": FORMAT_LANE, "concurrency_limit": 1, **quiet}
    built.success(actions.offer, inputs=results.mesh_format, outputs=results.mesh_file, **in_order)
    built.failure(actions.failed, outputs=shown, **quiet)
    results.mesh_stop.click(actions.stopped, outputs=shown, cancels=built, **quiet)
    results.mesh_format.input(
        actions.choose_format,
        inputs=results.mesh_format,
        outputs=[results.mesh_status, results.mesh_file],
        trigger_mode="always_last",
        **in_order,
    )


def bind_api(api: Api, inputs: Inputs, results: Results, turns: Turns) -> None:
    """Name the endpoints for programs; call it before the others, which have methods of the same names."""
    views_zip = gr.File(label=texts.DOWNLOAD_VIEWS, file_types=[".zip"], visible=False)
    trigger = gr.Button(texts.GENERATE, visible=False)
    progress = gr.JSON(label=texts.API_PROGRESS, visible=False)
    files = gr.File(label=texts.API_FILES, file_count="multiple", visible=False)
    scores = gr.JSON(label=texts.API_SCORES, visible=False)
    report = gr.JSON(label=texts.API_REPORT, visible=False)
    trigger.click(
        api.cutout,
        inputs=[inputs.picture, *inputs.framing],
        outputs=[gr.Image(label=texts.CUTOUT, format="png", visible=False), report],
        api_name="cutout",
        concurrency_id=CUTOUT_LANE,
        concurrency_limit=1,
    )
    pictures = gr.Gallery(label=texts.GALLERY, format="png", visible=False)
    trigger.click(
        **turns.of(api.generate, plans.for_program(plans.run), plans.told(5)),
        inputs=[inputs.picture, *inputs.dials],
        outputs=[progress, pictures, files, scores, report],
        api_name="generate",
    )
    trigger.click(
        **turns.of(api.score, plans.for_program(plans.score)),
        inputs=[views_zip, results.rename],
        outputs=scores,
        api_name="score",
    )
    mesh = gr.File(label=texts.MODEL_3D, visible=False)
    trigger.click(
        **turns.of(api.reconstruct, plans.for_program(plans.mesh_of_zip), plans.told(4)),
        inputs=[views_zip, results.quality],
        outputs=[progress, mesh, files, report],
        api_name="reconstruct",
    )
