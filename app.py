"""Opens the page: python app.py [--listen] [--port 7860] [--model small] [--device auto]."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

# Gradio reports every import and launch to its makers unless it is told not to beforehand.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from harmony.painting.models import DEFAULT_MODEL
from harmony.ui.cache import FileCache, default_folder
from harmony.ui.examples import load_examples
from harmony.ui.loading import DEVICES, standard_defaults, standard_engine
from harmony.ui.page import build_demo, launch_settings


def build_parser() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(description="HarmonyView: one picture to sixteen views.")
    parser.add_argument("--listen", action="store_true", help="let other machines reach the page")
    parser.add_argument("--port", type=int, help="port (default: the first free one from 7860)")
    parser.add_argument("--model", default="small", help="small, syncdreamer or a model's folder")
    parser.add_argument("--text-model", default=DEFAULT_MODEL, help="paints: hub id or folder")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--share", action="store_true", help="open a public link for three days")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the page and serve it until it is interrupted."""
    options = build_parser().parse_args(arguments)
    engine = standard_engine(
        options.model,
        options.device,
        text_model=options.text_model,
        cache=FileCache(default_folder()),
    )
    demo = build_demo(engine, defaults=standard_defaults(options.model), examples=load_examples())
    demo.launch(
        server_name="0.0.0.0" if options.listen else None,
        server_port=options.port,
        share=options.share,
        **launch_settings(),
    )


if __name__ == "__main__":
    main()
