"""The server's command line, and what must be set before anything else is imported."""

from __future__ import annotations

import argparse
import importlib.util
import os
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harmony.painting.models import DEFAULT_MODEL

DEVICES = ("auto", "cpu", "cuda", "mps")
MAX_QUEUE = 64
VARIABLE = "HARMONY_OPTIONS"
CACHE_GIGABYTES = 4.0


def _whole(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _size(text: str) -> float:
    number = float(text)
    if not 0.0 < number < float("inf"):
        raise argparse.ArgumentTypeError("must be more than 0")
    return number


def _gpus(text: str) -> tuple[int, ...]:
    try:
        gpus = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError("must be numbers with commas, such as 0,1,2,3") from None
    if min(gpus) < 0 or len(set(gpus)) < len(gpus):
        raise argparse.ArgumentTypeError("names a GPU twice, or one below 0")
    return gpus


def build_parser() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        prog="python app.py", description="HarmonyView: one picture to sixteen views."
    )
    where = parser.add_argument_group("where the page is")
    where.add_argument("--listen", action="store_true", help="let other machines reach the page")
    where.add_argument("--port", type=int, help="port (default: the first free one from 7860)")
    where.add_argument("--share", action="store_true", help="open a public link for a week")
    where.add_argument("--mcp", action="store_true", help="offer the endpoints as MCP tools")
    where.add_argument(
        "--auth",
        metavar="FILE",
        type=Path,
        help="ask for a name and a password: a file with a line user:password for each user "
        "(or set HARMONY_AUTH to one such line; an argument would show in the process list)",
    )
    what = parser.add_argument_group("what works")
    what.add_argument("--model", default="small", help="small, small-live, syncdreamer or a folder")
    what.add_argument(
        "--live-model",
        default="small-live",
        metavar="MODEL",
        help="answers s1 and s2 while they move: small-live (default), its folder, or off",
    )
    what.add_argument(
        "--weights",
        type=Path,
        help="SyncDreamer's official checkpoint or its converted folder, instead of the hub's",
    )
    what.add_argument(
        "--text-model",
        default=DEFAULT_MODEL,
        help="paints descriptions: a hub id, id@revision or a folder (default: %(default)s)",
    )
    what.add_argument(
        "--device",
        choices=DEVICES,
        default="auto",
        help="where to compute (default: a GPU if there is one)",
    )
    what.add_argument(
        "--gpus",
        type=_gpus,
        metavar="0,1,...",
        help="one worker process on each of these CUDA devices, behind one queue",
    )
    what.add_argument(
        "--low-memory", action="store_true", help="SyncDreamer in less memory, and slower"
    )
    what.add_argument("--offline", action="store_true", help="fetch nothing, ever")
    limits = parser.add_argument_group("limits")
    limits.add_argument(
        "--max-queue",
        type=_whole,
        default=MAX_QUEUE,
        metavar="N",
        help="runs that may wait (default: %(default)s); more are refused in a sentence",
    )
    limits.add_argument(
        "--cache-dir",
        type=Path,
        default=Path(tempfile.gettempdir()),
        help="where visitors' files go until they leave (default: %(default)s)",
    )
    limits.add_argument(
        "--cache-size",
        type=_size,
        default=CACHE_GIGABYTES,
        metavar="GB",
        help="what they may take (default: %(default)g); the oldest finished results go first",
    )
    parser.add_argument(
        "--doctor",
        action="store_true",
        help="say what is here, what will run and how fast, and what is missing; then end",
    )
    return parser


def parse_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the options; what does not fit together ends the program with a sentence."""
    parser = build_parser()
    if arguments is None:
        # A Space cannot give arguments; its settings' variables come first, the line overrides.
        arguments = [*shlex.split(os.environ.get(VARIABLE, "")), *sys.argv[1:]]
    options = parser.parse_args(arguments)
    if options.weights is not None and options.model != "syncdreamer":
        parser.error("--weights goes with --model syncdreamer; name another model's folder itself")
    if options.weights is not None and not options.weights.exists():
        parser.error(f"there is nothing at --weights {options.weights}")
    if options.low_memory and options.model != "syncdreamer":
        parser.error("--low-memory goes with --model syncdreamer; the small model needs no less")
    if options.mcp and importlib.util.find_spec("mcp") is None:
        parser.error('--mcp needs an extra; install it with: pip install "gradio[mcp]>=6.31,<7"')
    if options.gpus and options.device not in {"auto", "cuda"}:
        parser.error(f"--gpus does not go with --device {options.device}")
    return options


def set_environment(options: argparse.Namespace) -> None:
    """Set what libraries read while they are imported; call it before they are."""
    # Gradio reports every import and launch to its makers unless it is told not to.
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    if options.offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
    if options.weights is not None:
        os.environ["HARMONY_SYNCDREAMER_WEIGHTS"] = str(options.weights.resolve())
