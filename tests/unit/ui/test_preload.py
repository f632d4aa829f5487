"""Loading ahead of the first run."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from harmony.models.base import MultiviewDenoiser
from harmony.ui.engine import Engine, Known
from harmony.ui.events import Event
from harmony.ui.lazy import Lazy
from harmony.ui.loading import is_at_hand, load_ahead, standard_engine
from harmony.ui.preload import preload
from harmony.ui.settings import Framing, Settings
from tests.page_fakes import PageDenoiser, PixelScorer, fake_engine


def settings(num_steps: int) -> Settings:
    framing = Framing("none", 0.8, 30.0)
    return Settings(framing, "decomposed", 2.0, 1.0, 1.0, "ddim", num_steps, 0.0, 1, 0, "egg")


def two_steps(engine: Engine, folder: Path) -> Iterator[Event]:
    """Return the events of a short run, which begins when the first is asked for."""
    picture = folder / "picture.png"
    Image.new("RGBA", (64, 64), "#b45309").save(picture)
    return engine.generate(picture, settings(2), folder)


def failing() -> PageDenoiser:
    raise ValueError("The weights are damaged.")


def test_parts_are_ready_after_loading_ahead():
    engine = fake_engine()
    thread = engine.preload()
    assert engine.model.state in ("loading", "ready")
    thread.join()
    assert engine.scorer is not None
    assert (engine.model.state, engine.scorer.state) == ("ready", "ready")
    assert "CPU" in engine.status()


def test_a_part_that_fails_does_not_keep_the_next_from_loading(caplog: pytest.LogCaptureFixture):
    done: list[str] = []
    preload([failing, lambda: done.append("next")]).join()
    assert done == ["next"]
    assert "The weights are damaged." in caplog.text


def test_a_load_that_failed_ahead_is_told_at_the_click(tmp_path: Path):
    engine = Engine(model_name="fake", load_model=failing, load_scorer=None)
    engine.preload().join()
    assert "did not load" in engine.status()
    picture = tmp_path / "picture.png"
    Image.new("RGB", (8, 8)).save(picture)
    with pytest.raises(ValueError, match="The weights are damaged"):
        list(engine.generate(picture, settings(1), tmp_path))


def test_a_load_that_failed_can_succeed_later():
    answers = iter([ValueError("Busy."), None])

    def load() -> str:
        if (error := next(answers)) is not None:
            raise error
        return "loaded"

    lazy = Lazy(load)
    with pytest.raises(ValueError, match="Busy"):
        lazy.get()
    assert lazy.state == "failed"
    assert lazy.get() == "loaded"
    assert lazy.state == "ready"


def test_painting_does_not_wait_for_the_scorer(tmp_path: Path):
    release = threading.Event()

    def slow() -> PixelScorer:
        assert release.wait(30)
        return PixelScorer()

    engine = Engine(
        model_name="fake",
        load_model=PageDenoiser,
        load_scorer=slow,  # pyright: ignore[reportArgumentType]
        known=Known(encoder_name="pixel-means"),
    )
    thread = engine.preload()
    events = two_steps(engine, tmp_path)
    for event in events:
        if type(event).__name__ == "Step":
            break
    else:
        pytest.fail("there was no step")
    assert engine.scorer is not None
    assert engine.scorer.state == "loading"
    release.set()
    assert any(type(event).__name__ == "RunReady" for event in events)
    thread.join()


class _Waiting(PageDenoiser):
    """Its first step takes until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.release = threading.Event(), threading.Event()

    def predict(self, latents, timestep, condition, branches):
        self.asked.set()
        assert self.release.wait(30)
        return super().predict(latents, timestep, condition, branches)


def test_the_scorer_is_loaded_after_the_first_step_of_a_run_that_came_first(tmp_path: Path):
    model, begun, scoring = _Waiting(), threading.Event(), threading.Event()

    def load_model() -> MultiviewDenoiser:
        assert begun.wait(30)
        return model

    def load_scorer() -> PixelScorer:
        scoring.set()
        return PixelScorer()

    engine = Engine(
        model_name="fake",
        load_model=load_model,
        load_scorer=load_scorer,  # pyright: ignore[reportArgumentType]
        known=Known(encoder_name="pixel-means"),
    )
    ahead = engine.preload()
    events = two_steps(engine, tmp_path)
    next(events)
    begun.set()
    rest: list[str] = []
    run = threading.Thread(target=lambda: rest.extend(type(event).__name__ for event in events))
    run.start()
    assert model.asked.wait(30)
    assert not scoring.wait(0.5)
    model.release.set()
    assert scoring.wait(30)
    run.join()
    ahead.join()
    assert rest[-1] == "RunReady"


@pytest.mark.parametrize(("model", "ahead"), [("small", True), ("syncdreamer", False)])
def test_only_a_model_at_hand_is_loaded_ahead(
    monkeypatch: pytest.MonkeyPatch, model: str, ahead: bool
):
    assert is_at_hand(model) == ahead
    loaded: list[Engine] = []
    monkeypatch.setattr(Engine, "preload", lambda self: loaded.append(self))
    load_ahead(fake_engine(), model)
    assert bool(loaded) == ahead


def test_the_shipped_scorer_has_the_name_that_is_said_before_it_is_loaded():
    engine = standard_engine("small", "cpu")
    assert engine.scorer is not None
    assert engine.scorer.get().encoder_name == engine.known.encoder_name
