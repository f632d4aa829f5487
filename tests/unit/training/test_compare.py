"""The live model beside its teacher: figures, tables, continuity, and the command at a tiny size."""

import json

import pytest
import torch

from harmony.records import Guidance, ReferenceImage
from harmony.training.__main__ import main
from harmony.training.compare import (
    Scores,
    compare,
    continuity,
    dial_path,
    mean_scores,
    positions,
    scored,
    table,
)
from harmony.training.validation import ValidationObject
from tests.unit.training.test_live_command import arguments as live_arguments
from tests.unit.training.test_small_command import arguments as small_arguments
from tests.unit.training.tiny import write_objects

CPU = torch.device("cpu")
GREY = torch.full((2, 3, 4, 4), 0.5)
OBJECT = ValidationObject(
    "grey", ReferenceImage(torch.zeros(3, 4, 4), torch.ones(1, 4, 4), 30.0), GREY
)


def paint_by(value):
    """Paint an object's seeds in a grey that depends on the dials and the seed."""

    def paint(objects, first, guidance):
        rows = [[torch.full((2, 3, 4, 4), value(guidance, seed)) for seed in (0, 1)]]
        return torch.stack([torch.stack(rows[0])] * len(objects))

    return paint


def test_scores_are_psnr_spread_and_agreement():
    teacher = torch.stack([torch.stack([GREY + 0.1, GREY - 0.1])])
    score = scored(teacher + 0.01, teacher, GREY[None])
    assert score.agreement == pytest.approx(40.0, abs=0.01)
    assert score.spread == pytest.approx(0.2 / 2**0.5, abs=1e-4)
    assert score.psnr == pytest.approx(20.04, abs=0.1)


def test_batches_count_by_their_objects():
    mean = mean_scores([(3, Scores(20.0, 0.1, 30.0)), (1, Scores(24.0, 0.2, 34.0))])
    assert (mean.psnr, mean.spread, mean.agreement) == pytest.approx((21.0, 0.125, 31.0))


def test_a_record_holds_the_teacher_and_every_number_of_steps():
    teacher = paint_by(lambda guidance, seed: 0.5 + 0.1 * seed)
    student = paint_by(lambda guidance, seed: 0.5 + 0.05 * seed)
    record = compare(teacher, {4: student}, [OBJECT] * 3, Guidance(), 2, CPU)
    assert set(record) == {"teacher", "4"}
    assert record["4"]["spread"] == pytest.approx(0.5 * record["teacher"]["spread"])
    assert record["4"]["psnr"] > record["teacher"]["psnr"]
    row = table({"1, 0": record}, 4).splitlines()[-1]
    assert row.startswith("| 1, 0 |")
    assert "| 0.50 |" in row


def test_a_steady_morph_and_a_jump_are_told_apart():
    path = dial_path("s1", Guidance("decomposed", 1.0, 0.5), 4.0, 8)
    assert [guidance.s1 for guidance in path] == [0.5 * k for k in range(9)]
    assert {guidance.s2 for guidance in path} == {0.5}
    steady = continuity(paint_by(lambda g, seed: 0.1 * g.s1), [OBJECT], path)
    jump = continuity(paint_by(lambda g, seed: 0.4 * float(g.s1 > 2)), [OBJECT], path)
    assert steady["evenness"] == pytest.approx(1.0, abs=1e-3)
    assert steady["mean_move"] == pytest.approx(0.05, abs=1e-4)
    assert jump["evenness"] == pytest.approx(8.0, abs=1e-3)
    assert jump["largest_move"] == pytest.approx(0.4, abs=1e-4)
    assert steady["straightness"] == pytest.approx(1.0, abs=1e-3)


def test_positions_of_both_rules():
    wanted = positions("0,1", "0.5", "2")
    assert [(g.rule, g.s1, g.s2) for g in wanted[:2]] == [
        ("decomposed", 0.0, 0.5),
        ("decomposed", 1.0, 0.5),
    ]
    assert (wanted[2].rule, wanted[2].cfg_scale) == ("cfg", 2.0)
    with pytest.raises(ValueError, match="commas between"):
        positions("a", "0", "")


def test_the_command_compares_and_is_taken_up(tmp_path, capsys):
    objects = write_objects(tmp_path)
    assert main(small_arguments(objects, tmp_path / "teacher", "--minutes", "0.01")) == 0
    assert main(live_arguments(objects, tmp_path / "live", "--minutes", "0.01")) == 0
    capsys.readouterr()
    command = [
        *("compare", "--student", f"{tmp_path / 'live' / 'weights'}", "--device", "cpu"),
        *("--teacher", f"{tmp_path / 'teacher' / 'weights'}", "--objects", f"{objects / 'set'}"),
        *("--output", f"{tmp_path / 'out.json'}", "--count", "1", "--s1", "0,1", "--s2", "0.5"),
        *("--moves", "2", "--moved", "1"),
    ]
    assert main([*command, "--seeds", "0-1"]) == 0
    text = capsys.readouterr().out
    assert text.count("\n| 1, 0.5 |") == 2
    assert "s2 teacher: mean_move" in text
    saved = json.loads((tmp_path / "out.json").read_text())
    assert set(saved["records"]) == {"0, 0.5", "1, 0.5"}
    assert set(saved["continuity"]) == {f"{d} {m}" for d in ("s1", "s2") for m in ("teacher", 4, 2)}
    saved["records"]["1, 0.5"]["4"]["psnr"] = 99.0
    (tmp_path / "out.json").write_text(json.dumps(saved))
    assert main([*command, "--seeds", "0-1"]) == 0
    assert "99.00" in capsys.readouterr().out
    assert main([*command, "--seeds", "0"]) == 2
    assert "other seeds" in capsys.readouterr().err
