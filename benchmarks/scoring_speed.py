"""Time the CD score of 4 x 16 views with the bundled encoder: `python -m benchmarks.scoring_speed`.

The bound is the one that the project sets itself on 2 CPU cores. The views are noise; speed does
not depend on them.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from harmony.devices import DEVICES, choose_device
from harmony.records import Views
from harmony.scoring import CDScorer

BOUND_SECONDS = 3.0
SAMPLES, VIEWS, SIDE = 4, 16, 256


def timed_score(scorer: CDScorer, views: Views) -> float:
    """Return the seconds until every sample has its score."""
    start = time.perf_counter()
    scorer.score(views, "teapot")
    return time.perf_counter() - start


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=DEVICES, default="auto")
    parser.add_argument("--repeat", type=int, default=5, help="warm runs; the median counts")
    options = parser.parse_args()
    scorer = CDScorer.load(device=choose_device(options.device))
    pictures = torch.rand(SAMPLES, VIEWS, 4, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    views = Views(pixels=pictures[:, :, :3], alpha=pictures[:, :, 3:])
    first = timed_score(scorer, views)
    warm = statistics.median(timed_score(scorer, views) for _ in range(options.repeat))
    print(f"{SAMPLES} x {VIEWS} views, encoder {scorer.encoder_name}")
    print(
        f"first {first:.2f} s, then {warm:.2f} s; {first / BOUND_SECONDS:.2f} of {BOUND_SECONDS} s"
    )


if __name__ == "__main__":
    main()
