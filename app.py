"""Opens the page: python app.py [--listen] [--port 7860] [--model small] [--device auto]."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

# Gradio reports every import and launch to its makers unless it is told not to beforehand.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

from harmony.ui.engine import Engine
from harmony.ui.examples import load_examples
from harmony.ui.page import build_demo, launch_settings

DEVICES = ("auto", "cpu", "cuda", "mps")
OFFICIAL_RULE = "decomposed-official"


def build_parser() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(description="HarmonyView: one picture to sixteen views.")
    parser.add_argument("--listen", action="store_true", help="let other machines reach the page")
    parser.add_argument("--port", type=int, help="port (default: the first free one from 7860)")
    parser.add_argument("--model", default="small", help="small, syncdreamer or a model's folder")
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--share", action="store_true", help="open a public link for three days")
    return parser


def build_engine(model: str, device: str) -> Engine:
    """Return the engine for a model and a device; both load on the first run."""

    def load_denoiser():
        from harmony.devices import choose_device
        from harmony.models.registry import load_model

        return load_model(model, choose_device(device))

    def load_scorer():
        from harmony.devices import choose_device
        from harmony.scoring import CDScorer

        return CDScorer.load("small", choose_device(device))

    rules = ("decomposed", "cfg", "none")
    if model == "syncdreamer":
        rules = ("decomposed", OFFICIAL_RULE, "cfg", "none")
    return Engine(model_name=model, load_model=load_denoiser, load_scorer=load_scorer, rules=rules)


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the page and serve it until it is interrupted."""
    options = build_parser().parse_args(arguments)
    demo = build_demo(build_engine(options.model, options.device), examples=load_examples())
    demo.launch(
        server_name="0.0.0.0" if options.listen else None,
        server_port=options.port,
        share=options.share,
        **launch_settings(),
    )


if __name__ == "__main__":
    main()
