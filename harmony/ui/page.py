"""The page: its layout, and which control calls what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio import processing_utils
from starlette.middleware import Middleware

from harmony.background import CUTOUTS
from harmony.serving.body_limit import BodyLimit
from harmony.serving.health import health_route
from harmony.serving.lane import Lane
from harmony.ui import texts
from harmony.ui.actions import Actions
from harmony.ui.api import Api
from harmony.ui.chip import bind_chip
from harmony.ui.compare import CompareActions, build_comparison
from harmony.ui.describe_actions import DescribeActions, bind_describe, bind_describe_api
from harmony.ui.dial_actions import DialActions, bind_dials
from harmony.ui.engine import Engine
from harmony.ui.examples import Example
from harmony.ui.inputs import Defaults, build_inputs
from harmony.ui.live_actions import LiveActions, bind_live
from harmony.ui.live_api import LiveApi, bind_live_api
from harmony.ui.mesh_actions import MeshActions
from harmony.ui.modes import ModeActions, bind_modes
from harmony.ui.pin_actions import PinActions, bind_pins
from harmony.ui.pins import build_pins
from harmony.ui.precomputed import (
    Precomputed,
    load_precomputed,
    precomputed_text,
    precomputed_value,
)
from harmony.ui.results import build_results
from harmony.ui.share_actions import ShareActions
from harmony.ui.sweep import SweepActions, build_sweep
from harmony.ui.theme import style_sheet, theme
from harmony.ui.turns import Turns
from harmony.ui.visits import Visits
from harmony.ui.wire import wire_route
from harmony.ui.wiring import (
    bind_api,
    bind_comparison,
    bind_mesh,
    bind_picture,
    bind_results,
    bind_run,
    bind_sharing,
    bind_sweep,
)

SWEEP_SECONDS, KEEP_SECONDS = 1800, 12 * 3600
MAX_FILE_SIZE = "50mb"
THREADS = 40
"""For everything but waiting: cut-outs, page loads, files."""


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
    turns: Turns | None = None,
) -> gr.Blocks:
    """Build the page.

    Args:
        engine: What does the work.
        defaults: Where the dials stand.
        examples: Pictures to start from.
        visits: The visitors' shelves.
        turns: Who works when; one device unless told otherwise.
    """
    visits, start = visits or Visits(visits_root), defaults or Defaults()
    turns = turns or Turns(Lane())
    first = next(filter(None, map(load_precomputed, examples)), None)
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
                    start=start,
                    cutouts=CUTOUTS,
                    rules=engine.rules,
                    examples=examples,
                    painter=engine.painter,
                    live=engine.live,
                )
            with gr.Column(scale=7, min_width=320, elem_id="right"):
                results = build_results(qualities=engine.qualities, **_first_paint(first, start))
                pins = build_pins()
                sweep = build_sweep()
                comparison = build_comparison()
        actions = Actions(engine, visits, inputs, results)
        # First, so that the endpoints get their names before handlers of the same name.
        bind_api(Api(engine, visits), inputs, results, turns)
        if engine.student is not None:
            bind_live_api(LiveApi(engine.student, visits), inputs, turns)
        coach = bind_picture(actions, examples, turns)
        if engine.painter is not None and inputs.describe is not None:
            describe = DescribeActions(actions, inputs.describe, engine.painter, visits)
            bind_describe_api(describe, turns)
            bind_describe(describe, turns, coach)
        bind_run(actions, chip, turns)
        # Of one event's handlers the browser calls the next when the last has answered.
        released = bind_dials(DialActions(actions), turns)
        if engine.student is not None:
            bind_live(LiveActions(actions, engine.student), demo, turns, released)
        estimate = bind_modes(ModeActions(actions, chip))
        bind_comparison(CompareActions(actions, comparison), turns)
        bind_sweep(SweepActions(actions, sweep, examples), demo, turns)
        bind_results(actions, turns)
        bind_mesh(MeshActions(engine, visits, results), turns)
        share = ShareActions(actions, examples, CUTOUTS)
        bind_sharing(share, demo, coach, estimate)
        bind_pins(PinActions(actions, share, comparison, pins), demo, results.pin, coach)
        bind_chip(engine, chip, demo)
        demo.unload(_closing(visits, turns))
    return demo


def launch_settings(engine: Engine, visits: Visits, turns: Turns) -> dict[str, Any]:
    """Return what `launch` must be told, in every place that launches the page.

    Args:
        engine: The page's.
        visits: Likewise.
        turns: Likewise.
    """
    lane = turns.lane
    routes = [health_route(lane, engine.model_name, lambda: engine.model.state)]
    if engine.student is not None:
        routes.append(wire_route(engine.student, visits, turns))
    return {
        "theme": theme(),
        "css": style_sheet(),
        "ssr_mode": False,
        "run_history": False,
        "max_file_size": MAX_FILE_SIZE,
        # Gradio counts an event that waits for its turn as active, although it holds no thread.
        "max_threads": THREADS + lane.max_waiting,
        "app_kwargs": {
            "routes": routes,
            "middleware": [Middleware(BodyLimit)],
        },
        "footer_links": ["api", "settings"],
    }


def _first_paint(first: Precomputed | None, start: Defaults) -> dict[str, Any]:
    """Return a shipped result to open with: nothing is loaded and nothing is asked for it."""
    if first is None:
        return {}
    return {
        "text": precomputed_text(first),
        "value": precomputed_value(first, start.s1, start.s2),
    }


def _closing(visits: Visits, turns: Turns) -> Any:
    def close(request: gr.Request) -> None:
        session = request.session_hash
        if session:
            # Its folder goes when nothing writes into it any more.
            turns.leave(session, lambda: visits.close(session))

    return close


def _header(engine: Engine) -> gr.Markdown:
    with gr.Row(elem_id="header"):
        gr.HTML(
            f'<h1>{texts.TITLE}</h1><p>{texts.TAGLINE} <a href="{texts.METHOD_LINK}" '
            f'target="_blank" rel="noopener">{texts.METHOD_LINK_TEXT}</a></p>',
            js_on_load=None,
        )
        return gr.Markdown(engine.status(), elem_id="chip")
