"""`python -m tests.e2e.fake_app STEP_SECONDS ...`: the app as it is, around the fake network."""

from __future__ import annotations

import functools
import sys

import app
from harmony.ui import pooled_engine
from tests.page_fakes import fake_engine

if __name__ == "__main__":
    seconds = float(sys.argv[1])
    make = functools.partial(fake_engine, step_seconds=seconds)
    pooled_engine.standard_engine = lambda *_, **__: make()
    app.main(sys.argv[2:])
