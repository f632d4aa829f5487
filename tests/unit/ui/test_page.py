"""The page as it is configured: what is named, labelled, queued and left alone."""

import inspect
import re
import subprocess
import sys

import pytest
from gradio.components import FormComponent

from harmony.serving.lane import Lane
from harmony.ui.inputs import Defaults
from harmony.ui.page import build_demo, launch_settings
from harmony.ui.texts import COMPARE_WORDS, MAP_WORDS, TURNTABLE_WORDS
from harmony.ui.turns import Turns
from harmony.ui.visits import Visits
from tests.page_fakes import PageStudent, fake_engine

CONTROLS = {
    *("image", "slider", "dropdown", "number", "checkbox", "textbox", "radio", "gallery"),
    *("model3d", "file", "json", "dataset", "downloadbutton"),
}


@pytest.fixture(scope="module")
def config():
    return build_demo(fake_engine()).config


@pytest.mark.parametrize(("student", "more"), [(None, set()), (PageStudent(), {"live"})])
def test_the_endpoints_for_programs_are_exactly_these(student, more):
    functions = build_demo(fake_engine(student=student)).fns.values()
    public = {f.api_name for f in functions if f.api_visibility == "public"}
    assert public == {"cutout", "generate", "score", "reconstruct"} | more


def test_every_control_has_a_label(config):
    nameless = [
        (component["type"], component["id"])
        for component in config["components"]
        if (component["type"] in CONTROLS and not component["props"].get("label"))
        or (component["type"] == "button" and not component["props"].get("value"))
    ]
    assert nameless == []
    assert sum(component["type"] in CONTROLS for component in config["components"]) > 15


@pytest.mark.parametrize("why", ["", "It was measured."])
def test_the_page_says_why_a_model_starts_elsewhere_than_the_paper(why):
    demo = build_demo(fake_engine(), defaults=Defaults(why=why))
    shown = [c["props"].get("value") for c in demo.config["components"] if c["type"] == "markdown"]
    assert ("It was measured." in shown) == bool(why)


@pytest.mark.parametrize(("device", "offered"), [("cpu", False), ("cuda", True)])
def test_a_fine_mesh_is_offered_with_its_time_where_there_is_a_gpu(device, offered):
    demo = build_demo(fake_engine(mesh_device=device))
    (quality,) = (
        c["props"] for c in demo.config["components"] if c["props"].get("elem_id") == "quality"
    )
    assert ("fine" in {value for _, value in quality["choices"]}) == offered
    assert ("half a minute" in (quality.get("info") or "")) == offered
    assert quality["value"] == "draft"


def test_zero_is_off_and_within_reach_of_every_dial(config):
    sliders = {
        component["props"]["elem_id"]: component["props"]
        for component in config["components"]
        if component["type"] == "slider"
    }
    assert (sliders["s1"]["minimum"], sliders["s1"]["maximum"], sliders["s1"]["step"]) == (
        0,
        4,
        0.1,
    )
    assert (sliders["s2"]["minimum"], sliders["s2"]["maximum"], sliders["s2"]["step"]) == (
        0,
        3,
        0.1,
    )


def test_all_work_of_the_model_goes_through_one_lane():
    """A handler that waits for its turn is an async generator, and Gradio does not limit it."""
    demo = build_demo(fake_engine(student=PageStudent()))
    functions = list(demo.fns.values())
    limits = {
        function.name: function.concurrency_limit
        for function in functions
        if inspect.isasyncgenfunction(function.fn)
    }
    work = {"generate", "compare", "fill", "reconstruct", "score", "score_again", "suggest_name"}
    work |= {"refine", "answer", "live"}
    assert set(limits) == work
    assert set(limits.values()) == {None}
    assert not any(
        inspect.isgeneratorfunction(function.fn) for function in functions if function.name in work
    )


def test_only_what_a_visitor_asks_for_writes_into_the_controls():
    """An answer that writes there must be held back; see `LateAnswer`."""
    demo = build_demo(fake_engine())
    shows_state = {"runs", "link", "command", "cfg-scale"}
    writers = {
        function.name
        for function in demo.fns.values()
        for block in function.outputs
        if function.fn is not None
        and (isinstance(block, FormComponent) or block.elem_id == "picture")
        and block.elem_id not in shows_state
    }
    # An example, a cell of the map; a recipe; a pinned run, two of them to compare; a drawn seed.
    deliberate = {"choose", "restore", "again", "versus", "draw_seed"}
    without_a_value = {"<lambda>", "list_runs"}
    assert writers == deliberate | without_a_value


@pytest.mark.parametrize("part", ["advanced", "measure", "map", "compare"])
def test_parts_with_controls_are_built_with_the_page(config, part):
    """What is only built when it is opened overwrites what is entered at once."""
    (found,) = [c["props"] for c in config["components"] if c["props"].get("elem_id") == part]
    assert not found["open"]
    assert found["open"] is not False


def test_building_the_page_loads_no_model():
    engine = fake_engine()
    build_demo(engine)
    assert engine.model.state == "asleep"
    assert engine.scorer is not None
    assert engine.scorer.state == "asleep"
    assert "loads on the first run" in engine.status()


def imported(after: str, *names: str) -> list[str]:
    """Return which of the modules a fresh interpreter has imported after a line of code."""
    code = f"import sys; {after}; print(*[m for m in {names} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_opening_the_page_imports_nothing_heavy():
    code = (
        "import app; from harmony.ui.page import build_demo;"
        "from harmony.ui.loading import standard_engine;"
        "build_demo(standard_engine('small', 'cpu'))"
    )
    heavy = ("torch", "diffusers", "open_clip", "rembg", "onnxruntime", "scipy")
    assert imported(code, "harmony.ui.page", *heavy) == ["harmony.ui.page"]


def test_the_way_to_a_first_run_imports_neither_mesh_code_nor_compiler():
    code = (
        "import harmony.ui.painting; from harmony.ui.loading import denoiser;"
        "denoiser('small', 'cpu')"
    )
    heavy = ("trimesh", "networkx", "skimage", "sympy", "torch._dynamo")
    assert imported(code, "torch", *heavy) == ["torch"]


def test_launching_needs_no_network(tmp_path):
    settings = launch_settings(fake_engine(), Visits(lambda: tmp_path), Turns(Lane()))
    assert settings["ssr_mode"] is False
    assert settings["run_history"] is False
    assert "http" not in settings["css"]
    assert settings["theme"]._stylesheets == []


@pytest.mark.parametrize(
    ("part", "words"),
    [("turntables", TURNTABLE_WORDS), ("compare-view", COMPARE_WORDS), ("map-view", MAP_WORDS)],
)
def test_scripts_have_all_the_words_that_they_read(config, part, words):
    (found,) = [c["props"] for c in config["components"] if c["props"].get("elem_id") == part]
    read = set(re.findall(r"words\.(\w+)", found["js_on_load"]))
    assert read <= set(words)
    assert found["value"]["words"] == words
