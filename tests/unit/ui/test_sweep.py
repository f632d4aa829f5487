from pathlib import Path

import pytest
from PIL import Image

from harmony.ui.settings import MAX_S1, MAX_S2
from harmony.ui.strips import save_strip
from harmony.ui.sweep import GRIDS, cell_key, centre_out, map_value
from harmony.ui.visits import Run, SampleFiles
from tests.unit.ui.test_visits import SETTINGS


def run(folder: Path, ratio: float | None) -> Run:
    strip = folder / "strip.webp"
    save_strip(Image.new("RGB", (16 * 8, 8), "red"), strip)
    score = {"ratio": ratio, "diversity": 1.0, "semantic_variance": 1.0, "encoder": "e"}
    sample = SampleFiles(0, (), strip, strip, score)
    return Run("id", "title", SETTINGS, {}, strip, (sample,), 1.0)


@pytest.mark.parametrize("grid", GRIDS)
def test_every_cell_comes_once_and_the_middle_first(grid):
    rows, columns = GRIDS[grid]
    cells = centre_out(rows, columns)
    assert sorted(cells) == sorted((s1, s2) for s1 in rows for s2 in columns)
    assert cells[0] == (rows[len(rows) // 2], columns[len(columns) // 2])
    corners = {(s1, s2) for s1 in (rows[0], rows[-1]) for s2 in (columns[0], columns[-1])}
    assert set(cells[-4:]) == corners


@pytest.mark.parametrize("grid", GRIDS)
def test_every_map_holds_guidance_off_and_stays_within_the_dials(grid):
    rows, columns = GRIDS[grid]
    assert (0.0, 0.0) in centre_out(rows, columns)
    assert max(rows) <= MAX_S1
    assert max(columns) <= MAX_S2


def test_cells_are_tinted_between_the_lowest_and_the_highest_score(tmp_path):
    ratios = {"0|0": 1.0, "1|0": 2.0, "2|0": 3.0, "0|1": None}
    runs = {key: run(tmp_path, ratio) for key, ratio in ratios.items()}
    cells = map_value((0, 1, 2), (0, 1), runs)["cells"]
    shares = {key: cell["share"] for key, cell in cells.items()}
    assert shares == {"0|0": 0.0, "1|0": 0.5, "2|0": 1.0, "0|1": 0.0}


def test_cells_are_named_as_a_browser_writes_numbers():
    assert cell_key(0.0, 0.5) == "0|0.5"
    assert cell_key(2.0, 1.5) == "2|1.5"
