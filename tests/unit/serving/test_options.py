"""The command line, who may see the page, and the environment."""

import os
import subprocess
import sys

import pytest

from harmony.serving.access import read_users
from harmony.serving.lane import MAX_WAITING
from harmony.serving.options import build_parser, parse_options
from harmony.serving.shelf import MAX_BYTES


def test_the_defaults_are_those_that_are_documented():
    options = parse_options([])
    assert options.max_queue == MAX_WAITING
    assert options.cache_size * 1e9 == MAX_BYTES
    assert (options.model, options.listen, options.offline) == ("small", False, False)


def test_every_option_says_what_it_does():
    for action in build_parser()._actions:
        assert action.help, action.option_strings


def test_gpus_are_numbers_with_commas():
    assert parse_options(["--gpus", "0,2,3"]).gpus == (0, 2, 3)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--gpus", "a"], "numbers with commas"),
        (["--gpus", "0,0"], "twice"),
        (["--gpus", "0", "--device", "cpu"], "does not go with"),
        (["--max-queue", "0"], "1 or more"),
        (["--cache-size", "nan"], "more than 0"),
        (["--weights", "x"], "--model syncdreamer"),
        (["--weights", "no-such-file", "--model", "syncdreamer"], "nothing at"),
        (["--low-memory"], "--model syncdreamer"),
    ],
)
def test_what_will_not_do_ends_with_a_sentence(arguments, sentence, capsys):
    with pytest.raises(SystemExit):
        parse_options(arguments)
    assert sentence in capsys.readouterr().err


def test_offline_reaches_the_hub_before_it_is_imported():
    code = (
        "from harmony.serving.options import parse_options, set_environment;"
        "set_environment(parse_options(['--offline']));"
        "from huggingface_hub import constants; print(constants.HF_HUB_OFFLINE)"
    )
    environment = {k: v for k, v in os.environ.items() if k != "HF_HUB_OFFLINE"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.strip() == "True"


def test_users_come_from_a_file(tmp_path, monkeypatch):
    monkeypatch.setenv("HARMONY_AUTH", "other:word")
    (tmp_path / "users").write_text("ada:love:lace\n\nalan:turing\n")
    assert read_users(tmp_path / "users") == [("ada", "love:lace"), ("alan", "turing")]


def test_users_come_from_the_environment_and_may_be_none(monkeypatch):
    monkeypatch.delenv("HARMONY_AUTH", raising=False)
    assert read_users(None) == []
    monkeypatch.setenv("HARMONY_AUTH", "ada:lovelace")
    assert read_users(None) == [("ada", "lovelace")]


@pytest.mark.parametrize("text", ["", "\n", "ada", "ada:", ":lovelace", "a:b\nsecret"])
def test_a_file_that_would_leave_the_page_open_is_refused(tmp_path, text):
    (tmp_path / "users").write_text(text)
    with pytest.raises(ValueError, match="user") as caught:
        read_users(tmp_path / "users")
    assert "secret" not in str(caught.value)
    with pytest.raises(ValueError, match="cannot be read"):
        read_users(tmp_path / "nobody")
