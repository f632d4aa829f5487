"""What the README tells programs to do, and what MCP clients will read."""

from __future__ import annotations

import re
from pathlib import Path

import gradio.utils
import pytest

import app
from harmony.ui.api import Api
from tests.conftest import ROOT
from tests.e2e.conftest import Live
from tests.e2e.look import mesh_of

ENDPOINTS = (Api.cutout, Api.generate, Api.score, Api.reconstruct)


def test_the_snippet_of_the_readme_runs(live: Live, monkeypatch: pytest.MonkeyPatch):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"```python\n(from gradio_client.*?)```", readme, flags=re.S)
    assert "http://127.0.0.1:7860" in snippet
    monkeypatch.chdir(ROOT)
    names: dict = {}
    exec(snippet.replace("http://127.0.0.1:7860", live.url), names)
    assert len(names["views"]) == 16
    assert names["recipe"]["object_name"] == "taxi"
    assert names["score"]["ratio"] != names["scores"][0]["score"]["ratio"]
    assert Path(names["cutout"]).stat().st_size > 0
    assert len(mesh_of(names["mesh"]).faces) > 500


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.__name__)
def test_every_argument_of_an_endpoint_is_described(endpoint):
    description, arguments, _ = gradio.utils.get_function_description(endpoint)
    assert len(description) > 30
    assert [name for name, said in arguments.items() if name != "self" and not said] == []


def test_mcp_without_its_extra_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit) as caught:
        app.main(["--mcp"])
    assert caught.value.code == 2
    assert 'pip install "gradio[mcp]' in capsys.readouterr().err
