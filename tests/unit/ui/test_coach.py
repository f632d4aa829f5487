from __future__ import annotations

import base64
import io

import pytest
from PIL import Image

from harmony.ui.actions import Actions
from harmony.ui.coach import SHOWN_SIDE, Look, coach_value
from harmony.ui.coach_actions import PREFIX, CoachActions, read_strokes
from harmony.ui.settings import Framing
from harmony.ui.visits import Visits
from tests.page_fakes import fake_engine

FRAMING = Framing("u2netp", 0.8, 30)


def sent(image: Image.Image, kind: str = "PNG") -> str:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return PREFIX + base64.b64encode(buffer.getvalue()).decode()


@pytest.fixture
def actions(tmp_path) -> CoachActions:
    page = Actions(fake_engine(), Visits(lambda: tmp_path), None, None)  # pyright: ignore[reportArgumentType]
    return CoachActions(page)


def test_strokes_come_back_as_they_were_painted():
    painted = Image.new("RGB", (40, 30), "#ff0000")
    assert read_strokes(sent(painted)).tobytes() == painted.tobytes()


@pytest.mark.parametrize(
    "found",
    [
        None,
        7,
        "data:image/png;base64,###",
        PREFIX + "AAAA",
        "data:image/svg+xml;base64,AAAA",
        sent(Image.new("RGB", (8, 8)), "GIF"),
        sent(Image.new("RGB", (SHOWN_SIDE + 1, 8))),
    ],
)
def test_strokes_of_a_stranger_get_one_sentence(found):
    with pytest.raises(ValueError, match="cannot be read"):
        read_strokes(found)


def test_a_cutout_that_fails_leaves_the_picture_and_the_sentence(actions, tmp_path):
    Image.new("RGBA", (90, 90)).save(tmp_path / "nothing.png")
    look = actions.look(tmp_path / "nothing.png", FRAMING)
    assert look.cutout is None
    assert any("transparent" in note for note in look.notes)
    value = coach_value(look)
    assert value["picture"].startswith("data:image/webp")
    assert value["cutout"] == ""


def test_what_is_no_picture_is_refused(actions, tmp_path):
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(ValueError, match="picture"):
        actions.look(tmp_path / "text.png", FRAMING)


def test_the_browser_gets_small_pictures():
    big = Image.new("RGBA", (1800, 900), "#336699")
    value = coach_value(Look(big, big, ()))
    content = base64.b64decode(value["cutout"].split(",")[1])
    with Image.open(io.BytesIO(content)) as shown:
        assert shown.size == (SHOWN_SIDE, SHOWN_SIDE // 2)
