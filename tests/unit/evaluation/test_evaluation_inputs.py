from pathlib import Path

import pytest
import torch
from PIL import Image

from harmony.evaluation.dataset import find_objects
from harmony.evaluation.rules import parse_rule, parse_rules, parse_seeds, rule_text
from harmony.records import Guidance


@pytest.mark.parametrize(
    ("text", "guidance"),
    [
        ("none", Guidance("none", 0.0, 0.0, 0.0)),
        ("cfg:1.5", Guidance("cfg", 0.0, 0.0, 1.5)),
        ("dg:2:0.6", Guidance("decomposed", 2.0, 0.6, 0.0)),
        ("dgo:2:1", Guidance("decomposed-official", 2.0, 1.0, 0.0)),
    ],
)
def test_rules_go_there_and_back(text: str, guidance: Guidance) -> None:
    assert parse_rule(text) == guidance
    assert rule_text(guidance) == text


def test_equal_scales_give_equal_texts() -> None:
    assert rule_text(parse_rule("dg:2.0:1.00")) == "dg:2:1"


@pytest.mark.parametrize("text", ["", "cfg", "cfg:a", "dg:1", "none:1", "dg:1:2:3", "eq7:1:2"])
def test_other_forms_of_rules_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Guidance rule is"):
        parse_rule(text)


def test_scales_out_of_range_and_repeated_rules_are_refused() -> None:
    with pytest.raises(ValueError, match="scale"):
        parse_rule("cfg:-1")
    with pytest.raises(ValueError, match="only once"):
        parse_rules("cfg:1,none,cfg:1.0")


def test_seeds_are_ranges_and_numbers() -> None:
    assert parse_seeds("0-3") == (0, 1, 2, 3)
    assert parse_seeds("7,1-2") == (7, 1, 2)
    for text in ("", "a", "3-1", "1-", "-1"):
        with pytest.raises(ValueError, match=r"[Ss]eeds?"):
            parse_seeds(text)


def test_objects_are_found_by_name(dataset: Path) -> None:
    assert [item.name for item in find_objects(dataset)] == ["box1", "red_brick"]
    assert [item.name for item in find_objects(dataset, ("red_brick",))] == ["red_brick"]
    with pytest.raises(ValueError, match="no object sofa"):
        find_objects(dataset, ("sofa",))
    with pytest.raises(ValueError, match="no folder with"):
        find_objects(dataset / "notes")
    with pytest.raises(ValueError, match="no dataset folder"):
        find_objects(dataset / "nowhere")


def test_truth_is_on_white_in_unit_range(dataset: Path) -> None:
    views = find_objects(dataset)[0].views()
    assert views.shape == (16, 3, 32, 32)
    assert torch.equal(views[3, :, 0, 0], torch.ones(3))
    assert torch.allclose(views[3, :, 15, 10], torch.tensor([200.0, 70.0, 170.0]) / 255)


def test_mesh_is_optional(dataset: Path) -> None:
    without, with_mesh = find_objects(dataset)
    assert without.mesh() is None
    mesh = with_mesh.mesh()
    assert mesh is not None
    assert mesh[0].shape == (8, 3)
    assert mesh[1].shape == (12, 3)


def test_hash_tells_objects_apart(dataset: Path) -> None:
    first, second = find_objects(dataset)
    assert first.sha256() == first.sha256()
    assert first.sha256() != second.sha256()


def test_missing_view_and_wrong_size_are_refused(tmp_path: Path) -> None:
    (tmp_path / "cup").mkdir()
    Image.new("RGBA", (256, 256)).save(tmp_path / "cup" / "000.png")
    with pytest.raises(ValueError, match=r"lacks 001\.png"):
        find_objects(tmp_path)
    for view in range(1, 16):
        Image.new("RGBA", (128, 256)).save(tmp_path / "cup" / f"{view:03d}.png")
    with pytest.raises(ValueError, match="square"):
        find_objects(tmp_path)[0].views()
