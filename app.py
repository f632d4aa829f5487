"""Opens the page: python app.py [--listen] [--port 7860] [--model small] [--doctor] [--help]."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from harmony.serving.options import parse_options, set_environment
from harmony.serving.stop_signal import StopSignal


def serve(options: argparse.Namespace, stop: StopSignal) -> None:
    """Build the page and serve it until it is asked to stop.

    Raises:
        ValueError: The server cannot be set up as the options say.
    """
    from harmony.serving.heap import limit_heaps
    from harmony.serving.zero import find_gpu, is_zero_gpu

    limit_heaps()
    gpu = find_gpu()
    from harmony.ui.preload import import_ahead

    import_ahead()
    from harmony.serving.access import read_users
    from harmony.serving.json_log import log_as_json
    from harmony.serving.lane import Lane
    from harmony.serving.run_log import RunLog
    from harmony.serving.server_folder import ServerFolder
    from harmony.serving.shutdown import shut_down
    from harmony.ui.engines import build_engine, slots
    from harmony.ui.examples import load_examples
    from harmony.ui.loading import load_ahead, standard_defaults
    from harmony.ui.page import build_demo, launch_settings
    from harmony.ui.turns import Turns
    from harmony.ui.visits import Visits

    log_as_json()
    users = read_users(options.auth)
    folder = ServerFolder(options.cache_dir)
    # Where Gradio keeps uploads; it serves files of this folder and of no other.
    os.environ["GRADIO_TEMP_DIR"] = str(folder.files)
    engine = build_engine(options, gpu)
    if not options.gpus and not is_zero_gpu():  # workers and ZeroGPU load their own
        load_ahead(engine, options.model)
    lane = Lane(slots(options), max_waiting=options.max_queue)
    turns = Turns(lane, RunLog(options.model))
    visits = Visits(
        lambda: folder.files,
        clock=lane.clock,
        max_bytes=int(options.cache_size * 1e9),
        busy_since=lane.busy_since,
    )
    demo = build_demo(
        engine,
        defaults=standard_defaults(options.model),
        examples=load_examples(),
        visits=visits,
        turns=turns,
    )
    stop.begin_serving()
    demo.launch(
        server_name="0.0.0.0" if options.listen else None,
        server_port=options.port,
        share=options.share,
        mcp_server=options.mcp,
        auth=users or None,
        prevent_thread_lock=True,
        **launch_settings(engine, visits, turns),
    )
    stop.wait()

    def clean_up() -> None:
        engine.close()
        folder.remove()

    shut_down(demo, lane, clean_up)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    options = parse_options(arguments)
    set_environment(options)
    if options.doctor:
        from harmony.serving.doctor import report

        raise SystemExit(report(options))
    try:
        serve(options, StopSignal())
    except ValueError as error:
        raise SystemExit(f"HarmonyView cannot start: {error}") from None
    logging.shutdown()
    sys.stdout.flush()
    # A step that is still being computed would hold up the interpreter's own end for its length.
    os._exit(0)


if __name__ == "__main__":
    main()
