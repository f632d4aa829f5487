"""Several visitors at once, each with a picture in a colour of its own: a small `benchmarks.load`."""

from __future__ import annotations

import argparse
import asyncio
from concurrent.futures import ThreadPoolExecutor

from benchmarks.load import STEP_SECONDS, Load
from benchmarks.served import served

OPTIONS = argparse.Namespace(visitors=4, minutes=0.1, steps=3, model="")
PATIENCE = 120


def test_nobody_gets_an_error_or_anothers_result(tmp_path):
    with served(tmp_path, "benchmarks.coded_app", [str(STEP_SECONDS)]) as app:
        # The browser of other tests may already run an event loop in this thread.
        with ThreadPoolExecutor(1) as threads:
            tally = threads.submit(asyncio.run, Load(app, OPTIONS).run()).result(PATIENCE)
        log = app.log.read_text(errors="replace")
    assert tally.failures == []
    assert tally.counts["finished"] >= OPTIONS.visitors
    assert tally.counts["views examined"] >= 16 * OPTIONS.visitors
    assert tally.counts["attempts to pry"] > 0
    assert "Traceback" not in log
