from pathlib import Path

import pytest

from harmony.ui.settings import Framing, Settings
from harmony.ui.visits import IDLE_SECONDS, KEEP_RUNS, LENT_SECONDS, Run, SampleFiles, Visits

SETTINGS = Settings(
    Framing("u2netp", 0.8, 30.0), "decomposed", 2.0, 1.0, 1.0, "ddim", 4, 1.0, 1, 0, "mug"
)


def a_run(visit, title: str) -> Run:
    folder = visit.new_folder()
    files = [folder / name for name in ("recipe.json", "strip.webp", "views.zip")]
    for file in files:
        file.write_text(title)
    sample = SampleFiles(0, (files[1],), files[1], files[2], None)
    return Run(folder.name, title, SETTINGS, {}, files[0], (sample,), 1.0)


def test_visits_do_not_share_anything(tmp_path):
    visits = Visits(lambda: tmp_path)
    mine, yours = visits.of("me"), visits.of("you")
    mine.keep(a_run(mine, "first"))
    assert yours.run is None
    assert mine.folder != yours.folder
    assert visits.of("me") is mine


def test_folders_cannot_be_guessed_from_the_session(tmp_path):
    visits = Visits(lambda: tmp_path)
    names = {visits.of(f"session-{k}").folder.name for k in range(20)}
    assert len(names) == 20
    assert all(len(name) >= 24 and "session" not in name for name in names)


def test_closing_a_visit_removes_its_files_and_only_these(tmp_path):
    visits = Visits(lambda: tmp_path)
    mine, yours = visits.of("me"), visits.of("you")
    for visit in (mine, yours):
        a_run(visit, "run")
    visits.close("me")
    assert not mine.folder.exists()
    assert yours.folder.exists()
    visits.close("nobody")


def test_a_closed_visit_takes_no_new_result(tmp_path):
    visits = Visits(lambda: tmp_path)
    mine = visits.of("me")
    visits.close("me")
    with pytest.raises(FileNotFoundError):
        mine.new_folder()


def test_forgotten_visits_go_when_another_visitor_comes(tmp_path):
    now = [0.0]
    visits = Visits(lambda: tmp_path, clock=lambda: now[0])
    forgotten = visits.of("forgotten")
    now[0] = IDLE_SECONDS - 1
    recent = visits.of("recent")
    now[0] = IDLE_SECONDS + 1
    visits.of("new")
    assert not forgotten.folder.exists()
    assert recent.folder.exists()


def test_only_the_newest_runs_are_kept(tmp_path):
    visit = Visits(lambda: tmp_path).of("me")
    runs = [a_run(visit, str(k)) for k in range(KEEP_RUNS + 2)]
    for run in runs:
        visit.keep(run)
    assert [run.title for run in visit.runs.values()] == [str(k) for k in range(2, KEEP_RUNS + 2)]
    assert visit.run is runs[-1]
    assert [Path(run.recipe_file).exists() for run in runs] == [False] * 2 + [True] * KEEP_RUNS


def test_a_run_that_fails_gives_back_the_one_before(tmp_path):
    visit = Visits(lambda: tmp_path).of("me")
    run = a_run(visit, "good")
    visit.keep(run)
    visit.begin()
    assert visit.sample is None
    visit.restore()
    assert visit.run is run


def test_a_lent_folder_outlives_every_session_and_goes_after_its_time(tmp_path):
    now = [0.0]
    visits = Visits(lambda: tmp_path, clock=lambda: now[0])
    lent = visits.lend()
    visits.of("me")
    visits.close("me")
    assert lent.is_dir()
    now[0] = LENT_SECONDS + 1
    visits.of("you")
    assert not lent.exists()
