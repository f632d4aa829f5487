"""The view inspector: one view large, where its camera stands, and its own terms of the score."""

from __future__ import annotations

from typing import Any

import gradio as gr

from harmony.cameras import ELEVATION_DEG, VIEW_COUNT
from harmony.ui.strips import file_url
from harmony.ui.texts import inspector as texts
from harmony.ui.turntable import script
from harmony.ui.view_terms import view_terms
from harmony.ui.visits import SampleFiles


def inspector_value(sample: SampleFiles | None) -> dict[str, Any]:
    """Return what the inspector shows of a sample; it turns together with the turntables."""
    return {
        "strip": "" if sample is None else file_url(sample.strip),
        "frames": VIEW_COUNT,
        "elevation": ELEVATION_DEG,
        "terms": view_terms(None if sample is None else sample.score),
        "group": "main",
        "words": texts.WORDS,
    }


def inspector(**settings: Any) -> gr.HTML:
    """Return the component; its value is an `inspector_value`. Moving in it sends no request."""
    return gr.HTML(
        value=inspector_value(None),
        html_template='<div class="in-root"></div>',
        js_on_load=script("turning.js", "plot.js", "inspector.js"),
        apply_default_css=False,
        label=texts.LABEL,
        **settings,
    )
