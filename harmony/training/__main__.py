"""Entry of `python -m harmony.training COMMAND`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from harmony.training import compare, live, measure, pieces, small

EXIT_REFUSED = 2


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; every command leaves in `run` what it does."""
    parser = argparse.ArgumentParser(prog="python -m harmony.training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    small.add_arguments(commands.add_parser("small", help="train the shipped multi-view model"))
    live.add_arguments(commands.add_parser("live", help="distil the model for live dials"))
    compare.add_arguments(commands.add_parser("compare", help="live model beside its teacher"))
    measure.add_arguments(commands.add_parser("measure", help="score weights on held-out objects"))
    pieces.add_split_arguments(commands.add_parser("split", help="cut files into pieces"))
    pieces.add_join_arguments(commands.add_parser("join", help="join pieces to files"))
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 2 refused."""
    options = build_parser().parse_args(arguments)
    try:
        text = options.run(options)
    except (ValueError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return EXIT_REFUSED
    if text:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
