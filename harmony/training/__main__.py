"""Entry of `python -m harmony.training COMMAND`."""

from __future__ import annotations

import argparse

from harmony.training import small


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m harmony.training", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    small.add_arguments(commands.add_parser("small", help="the shipped multi-view model"))
    small.run(parser.parse_args())


if __name__ == "__main__":
    main()
