"""The page: its layout, and which control calls what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio import processing_utils

from harmony.background import CUTOUTS
from harmony.ui import texts
from harmony.ui.actions import Actions
from harmony.ui.api import Api
from harmony.ui.compare import CompareActions, build_comparison
from harmony.ui.engine import Engine
from harmony.ui.errors import in_plain_words
from harmony.ui.examples import Example, chosen_example
from harmony.ui.inputs import Defaults, Inputs, build_inputs
from harmony.ui.mesh_actions import MeshActions
from harmony.ui.precomputed import load_precomputed, precomputed_text, precomputed_value
from harmony.ui.results import Results, build_results
from harmony.ui.share_actions import ShareActions
from harmony.ui.sweep import SweepActions, build_sweep
from harmony.ui.theme import style_sheet, theme
from harmony.ui.visits import Visits

MODEL_LANE = "model"
CUTOUT_LANE = "cutout"
SWEEP_SECONDS, KEEP_SECONDS = 1800, 12 * 3600
MAX_FILE_SIZE = "50mb"


def visits_root() -> Path:
    """Return the folder of the visits' folders.

    It is the one folder from which Gradio serves files without copying them, so that a file is
    gone when its visit ends.
    """
    return Path(processing_utils.get_upload_folder())


def build_demo(
    engine: Engine,
    *,
    defaults: Defaults | None = None,
    examples: Sequence[Example] = (),
    visits: Visits | None = None,
) -> gr.Blocks:
    """Build the page.

    Args:
        engine: What does the work.
        defaults: Where the dials stand.
        examples: Pictures to start from.
        visits: The visitors' shelves.
    """
    visits = visits or Visits(visits_root)
    with gr.Blocks(
        title=texts.TITLE,
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(SWEEP_SECONDS, KEEP_SECONDS),
    ) as demo:
        chip = _header(engine)
        with gr.Row(elem_id="main", equal_height=False):
            with gr.Column(scale=4, min_width=320, elem_id="left"):
                inputs = build_inputs(
                    start=defaults or Defaults(),
                    cutouts=CUTOUTS,
                    rules=engine.rules,
                    examples=examples,
                )
            with gr.Column(scale=7, min_width=320, elem_id="right"):
                results = build_results(**_first_paint(examples))
                comparison = build_comparison()
                sweep = build_sweep()
        actions = Actions(engine, visits, inputs, results)
        # First, so that the endpoints get their names before handlers of the same name.
        _bind_api(Api(engine, visits), inputs, results)
        _bind_picture(actions, examples)
        _bind_run(actions, chip)
        _bind_comparison(CompareActions(actions, comparison))
        _bind_sweep(SweepActions(actions, sweep))
        _bind_results(actions)
        _bind_mesh(MeshActions(engine, visits, results))
        _bind_sharing(ShareActions(actions, examples, CUTOUTS), demo)
        demo.load(engine.status, outputs=chip, api_visibility="private", show_progress="hidden")
        demo.unload(_closing(visits))
    return demo


def launch_settings() -> dict[str, Any]:
    """Return what `launch` must be told, in every place that launches the page."""
    return {
        "theme": theme(),
        "css": style_sheet(),
        "ssr_mode": False,
        "run_history": False,
        "max_file_size": MAX_FILE_SIZE,
        "footer_links": ["api", "settings"],
    }


def _first_paint(examples: Sequence[Example]) -> dict[str, Any]:
    """Return a shipped result to open with: nothing is loaded and nothing is asked for it."""
    for example in examples:
        if (result := load_precomputed(example)) is not None:
            return {
                "text": precomputed_text(example, result),
                "value": precomputed_value(result),
            }
    return {}


def _closing(visits: Visits) -> Any:
    def close(request: gr.Request) -> None:
        if request.session_hash:
            visits.close(request.session_hash)

    return close


def _header(engine: Engine) -> gr.Markdown:
    with gr.Row(elem_id="header"):
        gr.HTML(
            f'<h1>{texts.TITLE}</h1><p>{texts.TAGLINE} <a href="{texts.METHOD_LINK}" '
            f'target="_blank" rel="noopener">{texts.METHOD_LINK_TEXT}</a></p>',
            js_on_load=None,
        )
        return gr.Markdown(engine.status(), elem_id="chip")


def _bind_picture(actions: Actions, examples: Sequence[Example]) -> None:
    inputs = actions.inputs
    shown: dict[str, Any] = {
        "fn": actions.cut_out,
        "inputs": [inputs.picture, *inputs.framing],
        "outputs": [inputs.cutout_view, inputs.warnings],
        "concurrency_id": CUTOUT_LANE,
        "concurrency_limit": 1,
        "show_progress": "minimal",
        "show_progress_on": inputs.cutout_view,
        "api_visibility": "private",
    }
    gr.on([inputs.picture.input, inputs.picture.clear, inputs.cutout.input], **shown)

    @in_plain_words
    def choose(request: gr.Request, event: gr.EventData) -> dict[Any, Any]:
        return actions.choose_example(
            request, chosen_example(examples, getattr(event, "index", None))
        )

    inputs.examples.select(
        choose,
        outputs=[
            *(inputs.picture, inputs.object_name, inputs.elevation_deg),
            *(actions.results.status, actions.results.turntable, actions.results.details),
        ],
        api_visibility="private",
        show_progress="hidden",
    ).success(**shown)
    inputs.suggest.click(
        actions.suggest_name,
        inputs=[inputs.picture, *inputs.framing],
        outputs=inputs.object_name,
        concurrency_id=MODEL_LANE,
        concurrency_limit=1,
        api_visibility="private",
    )
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


def _bind_run(actions: Actions, chip: gr.Markdown) -> None:
    inputs, results = actions.inputs, actions.results
    shown = [
        *(inputs.generate, inputs.stop, results.status, results.turntable, results.details),
        *(results.runs, results.recipe_file, results.gallery, results.views_file),
        *(results.mesh_view, results.mesh_file, results.mesh_status),
    ]
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    drawn = inputs.generate.click(
        actions.draw_seed,
        inputs=[inputs.random_seed, inputs.first_seed],
        outputs=inputs.first_seed,
        **quiet,
    )
    run = drawn.success(
        actions.generate,
        inputs=[inputs.picture, *inputs.dials],
        outputs=shown,
        concurrency_id=MODEL_LANE,
        concurrency_limit=1,
        api_visibility="private",
        show_progress="minimal",
        show_progress_on=results.status,
    )
    run.failure(actions.failed, outputs=shown, **quiet)
    run.then(actions.engine.status, outputs=chip, **quiet)
    inputs.stop.click(actions.stopped, outputs=shown, cancels=run, **quiet)
    results.runs.input(actions.choose_run, inputs=results.runs, outputs=shown, **quiet)
    results.turntable.select(actions.choose_sample, outputs=shown, **quiet)


def _bind_comparison(actions: CompareActions) -> None:
    parts, inputs = actions.parts, actions.page.inputs
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    offered = [parts.left, parts.right]
    for choice in offered:
        choice.focus(actions.list_runs, outputs=offered, **quiet)
    made = parts.start.click(
        actions.compare,
        inputs=[inputs.picture, parts.left, parts.right, *inputs.dials],
        outputs=[parts.view, parts.status, inputs.stop, actions.page.results.runs],
        concurrency_id=MODEL_LANE,
        concurrency_limit=1,
        api_visibility="private",
        show_progress="minimal",
        show_progress_on=parts.status,
    )
    ended = [parts.status, inputs.stop]
    made.failure(actions.ended, outputs=ended, **quiet)
    inputs.stop.click(actions.ended, outputs=ended, cancels=made, **quiet)


def _bind_sweep(actions: SweepActions) -> None:
    parts, inputs, results = actions.parts, actions.page.inputs, actions.page.results
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    filled = parts.start.click(
        actions.fill,
        inputs=[inputs.picture, parts.grid, *inputs.dials],
        outputs=[parts.view, parts.status, inputs.stop],
        concurrency_id=MODEL_LANE,
        concurrency_limit=1,
        api_visibility="private",
        show_progress="minimal",
        show_progress_on=parts.status,
    )
    ended = [parts.status, inputs.stop]
    filled.failure(actions.ended, outputs=ended, **quiet)
    inputs.stop.click(actions.ended, outputs=ended, cancels=filled, **quiet)
    parts.view.select(
        actions.choose,
        outputs=[
            *(inputs.rule, inputs.s1, inputs.s2, results.status, results.turntable),
            *(results.details, results.runs, results.recipe_file, results.gallery),
            *(results.views_file, results.mesh_view, results.mesh_file, results.mesh_status),
        ],
        **quiet,
    )


def _bind_results(actions: Actions) -> None:
    results = actions.results
    results.score_again.click(
        actions.score_again,
        inputs=results.rename,
        outputs=[
            *(results.status, results.turntable, results.details, results.runs),
            *(results.recipe_file, results.gallery, results.views_file),
            *(results.mesh_view, results.mesh_file, results.mesh_status),
        ],
        concurrency_id=MODEL_LANE,
        concurrency_limit=1,
        api_visibility="private",
        show_progress="hidden",
    )


def _bind_sharing(actions: ShareActions, demo: gr.Blocks) -> None:
    inputs, results = actions.page.inputs, actions.page.results
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    demo.load(
        actions.open_link,
        inputs=inputs.dials,
        outputs=[
            *(inputs.picture, *inputs.dials),
            *(results.status, results.turntable, results.details),
        ],
        **quiet,
    )
    inputs.recipe.upload(
        actions.restore,
        inputs=[inputs.recipe, inputs.picture, *inputs.dials],
        outputs=inputs.dials,
        **quiet,
    )
    # The recipe's file is set whenever another run is put on show.
    results.recipe_file.change(actions.describe, outputs=[results.link, results.recipe], **quiet)


def _bind_mesh(actions: MeshActions) -> None:
    results = actions.results
    shown = [
        *(results.reconstruct, results.mesh_stop, results.mesh_status, results.mesh_file),
        results.mesh_format,
    ]
    quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    built = results.reconstruct.click(
        actions.reconstruct,
        inputs=results.quality,
        outputs=shown,
        concurrency_id=MODEL_LANE,
        concurrency_limit=1,
        api_visibility="private",
        show_progress="minimal",
        show_progress_on=results.mesh_status,
    )
    unfolded = built.success(actions.unfold, outputs=results.mesh_view, **quiet)
    unfolded.then(actions.show, outputs=results.mesh_view, **quiet)
    built.failure(actions.failed, outputs=shown, **quiet)
    results.mesh_stop.click(actions.stopped, outputs=shown, cancels=built, **quiet)
    results.mesh_format.input(
        actions.choose_format,
        inputs=results.mesh_format,
        outputs=[results.mesh_status, results.mesh_file],
        **quiet,
    )


def _bind_api(api: Api, inputs: Inputs, results: Results) -> None:
    lane: dict[str, Any] = {"concurrency_id": MODEL_LANE, "concurrency_limit": 1}
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
        api.generate,
        inputs=[inputs.picture, *inputs.dials],
        outputs=[progress, pictures, files, scores, report],
        api_name="generate",
        **lane,
    )
    trigger.click(
        api.score, inputs=[views_zip, results.rename], outputs=scores, api_name="score", **lane
    )
    mesh = gr.File(label=texts.MODEL_3D, visible=False)
    trigger.click(
        api.reconstruct,
        inputs=[views_zip, results.quality],
        outputs=[progress, mesh, files, report],
        api_name="reconstruct",
        **lane,
    )
