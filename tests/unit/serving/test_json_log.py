"""The log: lines of JSON without anything of a visitor's."""

import json
import logging
import sys
from pathlib import Path

import pytest

from harmony.serving.json_log import JsonFormatter
from harmony.serving.lane import Lane, Work
from harmony.serving.run_log import RunLog


def line(**record):
    made = logging.makeLogRecord({"name": "harmony", "levelname": "INFO", **record})
    return json.loads(JsonFormatter().format(made))


def test_a_line_is_one_object_with_its_fields():
    told = line(msg="run", fields={"steps": 4})
    assert (told["event"], told["steps"], told["level"]) == ("run", 4, "info")
    assert told["time"].endswith("+00:00")


def caught(function):
    try:
        function()
    except Exception:
        return sys.exc_info()
    raise AssertionError


def test_an_exception_is_told_by_kind_and_place():
    told = line(msg="failed", exc_info=caught(lambda: 1 // 0))["error"]
    assert told["kind"] == "ZeroDivisionError"
    assert any(place.startswith("tests/unit/serving/test_json_log.py:") for place in told["at"])


def test_the_name_of_a_visitors_file_is_not_repeated(tmp_path):
    secret = tmp_path / "my-passport.png"
    told = line(msg="failed", exc_info=caught(secret.read_bytes))
    assert "passport" not in json.dumps(told)
    assert told["error"]["reason"] == "No such file or directory"


def test_no_path_of_this_machine_is_told():
    told = line(msg="failed", exc_info=caught(lambda: json.loads("{")))["error"]
    assert not any(Path(place).is_absolute() for place in told["at"])


@pytest.mark.parametrize("outcome", ["done", "failed", "stopped"])
def test_each_piece_of_work_has_its_line(caplog, outcome):
    now = [10.0]
    lane = Lane(clock=lambda: now[0])
    lane.join("first", Work("mesh", "mesh"))
    ticket = lane.join("session-of-somebody", Work("generate", "step", 8.0, steps=4, seeds=2))
    now[0] = 12.0
    lane.leave("first")
    with caplog.at_level(logging.INFO, logger="harmony"):
        RunLog("small").ended(ticket, outcome, now[0])
    (record,) = caplog.records
    fields = record.fields
    assert {key: fields[key] for key in ("work", "model", "steps", "seeds", "outcome")} == {
        "work": "generate",
        "model": "small",
        "steps": 4,
        "seeds": 2,
        "outcome": outcome,
    }
    assert fields["waited"] == 2.0
    assert "somebody" not in json.dumps(fields)
