"""The end of a server: who waits is told at once, who runs may finish, all within ten seconds."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import gradio as gr

from harmony.serving.lane import Lane

logger = logging.getLogger(__name__)

GRACE_SECONDS = 4.0
"""For work that runs: a short run is finished, a long one is reported."""
MESSAGE_SECONDS = 0.5
"""For the last sentences to reach their pages."""
CLOSE_SECONDS = 2
"""For open connections. Gradio itself waits up to 5 s for its server: under 10 s in all."""


def shut_down(demo: gr.Blocks, lane: Lane, clean_up: Callable[[], None]) -> None:
    """End the server.

    Args:
        demo: The page that is being served.
        lane: Gives no more turns; `/healthz` says so from the first moment.
        clean_up: Removes what the server has made.
    """
    began = time.monotonic()
    logger.info("stopping", extra={"fields": {"running": lane.running, "waiting": lane.waiting}})
    lane.close(grace_seconds=GRACE_SECONDS)
    time.sleep(MESSAGE_SECONDS)
    if demo.server is not None:
        demo.server.config.timeout_graceful_shutdown = CLOSE_SECONDS
    demo.close(verbose=False)
    clean_up()
    seconds = round(time.monotonic() - began, 1)
    logger.info("stopped", extra={"fields": {"seconds": seconds}})
