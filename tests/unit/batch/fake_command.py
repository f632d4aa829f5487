"""The real command line in front of the fake network, for tests that start processes."""

import sys

from harmony.batch.command import main
from tests.fakes import FakeDenoiser
from tests.page_fakes import PixelScorer

if __name__ == "__main__":
    sys.exit(
        main(
            load=lambda name, device: FakeDenoiser(),
            load_scorer=lambda name, device: PixelScorer(),
        )
    )
