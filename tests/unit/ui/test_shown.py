import pytest
from PIL import Image

from harmony.ui.clock import Clock
from harmony.ui.events import Step
from harmony.ui.shown import badge, card_id, live_value, note, seed_of
from harmony.ui.status import status_html, step_text
from harmony.ui.texts import duration

SCORE = {"ratio": 1.23456, "diversity": 2.0, "semantic_variance": 1.62, "encoder": "small"}


def step(number: int, *, pass_index: int = 0, num_passes: int = 1) -> Step:
    return Step((0,), number, 10, pass_index, num_passes, None, None)


def test_scores_are_shown_with_their_terms_and_encoder():
    assert badge(SCORE) == "CD 1.23"
    assert note(SCORE) == "D 2.000 · S_var 1.620 · small"


def test_a_score_without_a_ratio_says_so_and_no_score_shows_nothing():
    assert badge(SCORE | {"ratio": None}) == "CD –"
    assert badge(None) == ""


def test_cards_name_their_seed():
    assert seed_of(card_id(17)) == 17


@pytest.mark.parametrize("card", [None, 3, "seed-", "seed--1", "seed-1;x", "other", {"id": 1}])
def test_what_a_browser_sends_is_not_trusted(card):
    with pytest.raises(ValueError, match="no longer kept"):
        seed_of(card)


def test_a_run_shows_only_samples_that_have_begun_in_the_order_of_the_seeds():
    strip = Image.new("RGB", (32, 2), "red")
    value = live_value((4, 5, 6), {5: strip, 4: strip}, {})
    assert [card["id"] for card in value["samples"]] == ["seed-4", "seed-5"]
    assert all(card["live"] for card in value["samples"])


def test_the_status_escapes_what_it_shows():
    html = status_html("<b>&", fraction=0.5)
    assert "&lt;b&gt;&amp;" in html
    assert 'value="50.0"' in html
    assert 'role="status"' in html


def test_the_step_line_names_passes_only_where_there_are_several():
    one = step_text(3, 50, pass_index=0, num_passes=1, left=20)
    assert one == "Step 3 of 50 · about 20 s left"
    assert "pass 2 of 3" in step_text(3, 50, pass_index=1, num_passes=3, left=20)


def test_the_time_left_does_not_count_the_first_step():
    now = [0.0]
    clock = Clock(now=lambda: now[0])
    now[0] = 30.0
    clock.left(step(1, num_passes=2))
    now[0] = 32.0
    assert clock.left(step(2, num_passes=2)) == pytest.approx(2.0 * 18)
    now[0] = 50.0
    assert clock.left(step(10, pass_index=1, num_passes=2)) == 0


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "0 s"), (59.4, "59 s"), (60, "1 min"), (125, "2 min 5 s")]
)
def test_lengths_of_time_read_naturally(seconds, words):
    assert duration(seconds) == words
