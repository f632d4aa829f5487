"""Damaged pictures through reading and framing: no crash, no hang, a picture or a sentence.

python -m benchmarks.fuzz_pictures --count 1000
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator

from tests.fuzz.mutations import mutation
from tests.fuzz.originals import originals
from tests.fuzz.reading import read_and_frame
from tests.fuzz.watched import Outcome, watched

HANG_SECONDS = 10.0
GROWN_MB = 800.0
"""What a picture may cost while it is read, see `harmony.image_limits`."""


def outcomes(count: int, first: int) -> Iterator[Outcome]:
    """Yield what became of each mutation."""
    files = originals()
    pieces = (mutation(files, index) for index in range(first, first + count))
    yield from watched(read_and_frame, pieces, seconds=HANG_SECONDS)


def main() -> int:
    """Print failures as they come and a table at the end; returns 1 where there was any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first mutation")
    options = parser.parse_args()
    kinds: Counter[str] = Counter()
    slowest, grown = 0.0, 0.0
    for outcome in outcomes(options.count, options.first):
        kind = outcome.kind
        if kind == "answer":
            kind = "picture" if outcome.text.startswith("picture") else "sentence"
        else:
            print(f"{kind}: {outcome.label}: {outcome.text}", flush=True)
        kinds[kind] += 1
        slowest, grown = max(slowest, outcome.seconds), max(grown, outcome.grown_mb)
    failures = options.count - kinds["picture"] - kinds["sentence"]
    print(f"{options.count} mutations of {len(originals())} files: {dict(kinds)}")
    print(f"crashes, hangs and errors   {failures:8d}      bound 0")
    print(f"slowest answer              {slowest:8.2f} s    bound {HANG_SECONDS:g} s, ratio {slowest / HANG_SECONDS:.2f}")  # fmt: skip
    print(f"peak memory above idle      {grown:8.0f} MB   bound {GROWN_MB:g} MB, ratio {grown / GROWN_MB:.2f}")  # fmt: skip
    return int(failures > 0 or grown > GROWN_MB)


if __name__ == "__main__":
    sys.exit(main())
