from __future__ import annotations

import pytest

from harmony.painting.prompts import full_prompt, object_name


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("a red teapot", "teapot"),
        ("A small red wooden toy car with yellow wheels", "toy car"),
        ("the Eiffel tower", "Eiffel tower"),
        ("teapot", "teapot"),
        ("a cup of coffee", "cup of coffee"),
        ("a photo of an old brass lamp, studio light", "lamp"),
        ("fox", "fox"),
        ("red", "red"),
        ("a robot made from cans.", "robot"),
        ("eine rote Teekanne", "eine rote Teekanne"),
    ],
)
def test_the_object_gets_a_short_name(prompt: str, name: str):
    assert object_name(prompt) == name


def test_the_model_is_told_of_one_object_on_a_plain_ground():
    told = full_prompt("a red teapot")
    assert "a photo of a red teapot" in told
    assert "one single object" in told
    assert "plain white background" in told
