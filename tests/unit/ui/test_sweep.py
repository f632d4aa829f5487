from pathlib import Path

import pytest
from PIL import Image

from harmony.ui.parameter_map import (
    GRIDS,
    MapCell,
    cell_key,
    centre_out,
    map_value,
    run_cell,
    shares,
)
from harmony.ui.settings import MAX_S1, MAX_S2
from harmony.ui.strips import save_strip
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
    middle = ((len(rows) - 1) / 2, (len(columns) - 1) / 2)
    assert abs(rows.index(cells[0][0]) - middle[0]) <= 0.5
    assert abs(columns.index(cells[0][1]) - middle[1]) <= 0.5
    corners = {(s1, s2) for s1 in (rows[0], rows[-1]) for s2 in (columns[0], columns[-1])}
    assert set(cells[-4:]) == corners


@pytest.mark.parametrize("grid", GRIDS)
def test_every_map_holds_guidance_off_and_stays_within_the_dials(grid):
    rows, columns = GRIDS[grid]
    assert (0.0, 0.0) in centre_out(rows, columns)
    assert max(rows) <= MAX_S1
    assert max(columns) <= MAX_S2


def cell(ratio: float | None, neighbours: float | None = None) -> MapCell:
    score = {"ratio": ratio, "diversity": 1.0, "semantic_variance": 1.0, "encoder": "e"}
    return MapCell("data:", score, {"neighbour_consistency": neighbours, "reference_psnr": None})


def test_cells_are_tinted_between_the_lowest_and_the_highest_figure():
    cells = {"0|0": cell(1.0, 0.9), "1|0": cell(2.0, 0.8), "2|0": cell(3.0), "0|1": cell(None, 0.7)}
    assert shares(cells, "ratio") == {"0|0": 0.0, "1|0": 0.5, "2|0": 1.0}
    assert shares(cells, "neighbour_consistency") == pytest.approx(
        {"0|0": 1.0, "1|0": 0.5, "0|1": 0.0}
    )
    assert shares(cells, "diversity") == dict.fromkeys(cells, 0.0)
    assert shares(cells, "reference_psnr") == {}
    assert shares({}, "ratio") == {}


def test_the_map_offers_only_colours_that_were_measured():
    value = map_value((0, 1), (0,), {"0|0": cell(1.0), "1|0": cell(None)})
    assert [name for name, _ in value["colours"]] == ["ratio", "diversity", "semantic_variance"]
    assert value["cells"]["0|0"]["figures"]["ratio"] == "CD 1"
    assert value["cells"]["1|0"]["figures"]["ratio"] == "–"


def test_a_runs_tile_is_small(tmp_path):
    tile = run_cell(run(tmp_path, 2.0))
    assert tile.figure("ratio") == 2.0
    assert tile.strip.startswith("data:image/webp")


def test_cells_are_named_as_a_browser_writes_numbers():
    assert cell_key(0.0, 0.5) == "0|0.5"
    assert cell_key(2.0, 1.5) == "2|1.5"
