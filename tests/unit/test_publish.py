"""Publishing the tree as a Space, against a fake hub."""

import subprocess
from pathlib import Path

import pytest
import yaml
from huggingface_hub.utils import filter_repo_objects

from harmony.publish import ROOT, publish


class FakeHub:
    def __init__(self) -> None:
        self.created: list[tuple] = []
        self.uploaded: dict = {}

    def create_repo(self, repo_id, **settings):
        self.created.append((repo_id, settings["repo_type"], settings["space_sdk"]))

    def upload_folder(self, **settings):
        folder = Path(settings["folder_path"])
        files = [str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file()]
        kept = filter_repo_objects(files, allow_patterns=settings["allow_patterns"])
        self.uploaded = settings | {"files": set(kept)}


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def tree(tmp_path):
    for name in ("app.py", "harmony/__init__.py", "tests/test_x.py", "strange[1].txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / ".gitignore").write_text("out/\n")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "private.png").write_text("x")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "x")
    return tmp_path


def test_what_git_tracks_is_published_and_nothing_else(tree):
    hub = FakeHub()
    address = publish("owner/name", root=tree, api=hub)
    assert address == "https://huggingface.co/spaces/owner/name"
    assert hub.created == [("owner/name", "space", "gradio")]
    assert hub.uploaded["files"] == {
        *(".gitignore", "app.py", "harmony/__init__.py", "strange[1].txt")
    }
    assert hub.uploaded["repo_type"] == "space"
    assert hub.uploaded["delete_patterns"] == "*"


@pytest.mark.parametrize("name", ["app.py", "new.txt"])
def test_uncommitted_changes_are_refused(tree, name):
    (tree / name).write_text("changed")
    hub = FakeHub()
    with pytest.raises(ValueError, match="uncommitted"):
        publish("owner/name", root=tree, api=hub)
    assert hub.created == []


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (".env", "A=1"),
        ("keys/server.pem", "x"),
        ("notes.txt", "token hf_" + "a1" * 20),
        ("id_ed25519", "x"),
        ("key.txt", "-----BEGIN OPENSSH PRIVATE KEY-----"),
    ],
)
def test_what_looks_like_a_secret_is_refused(tree, name, content):
    (tree / name).parent.mkdir(exist_ok=True)
    (tree / name).write_text(content)
    git(tree, "add", ".")
    git(tree, "commit", "-qm", "oops")
    hub = FakeHub()
    with pytest.raises(ValueError, match="secret"):
        publish("owner/name", root=tree, api=hub)
    assert hub.uploaded == {}


def test_a_name_without_an_owner_and_a_folder_without_git_are_refused(tree, tmp_path_factory):
    with pytest.raises(ValueError, match="owner/name"):
        publish("name", root=tree, api=FakeHub())
    with pytest.raises(ValueError, match="no git repository"):
        publish("owner/name", root=tmp_path_factory.mktemp("plain"), api=FakeHub())


def test_the_space_s_header_is_complete():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    header = yaml.safe_load(text.split("---")[1])
    assert header["sdk"] == "gradio"
    assert header["python_version"] == "3.12.12"
    assert f"gradio>={header['sdk_version'].rpartition('.')[0]}" in (
        ROOT / "requirements.txt"
    ).read_text(encoding="utf-8")
    assert (ROOT / header["app_file"]).is_file()
    assert len(header["short_description"]) <= 60
    assert header["suggested_hardware"]
    assert (ROOT / header["thumbnail"].rpartition("/main/")[2]).is_file()


def test_the_container_runs_the_app_as_nobody_special():
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    steps = [line.partition(" ")[0] for line in lines if line and line[0].isupper()]
    assert "USER app" in lines
    assert steps.index("USER") < steps.index("ENTRYPOINT")
    assert steps.index("COPY") < steps.index("USER")
    assert any("/healthz" in line for line in lines)
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert kept[1] == "*"
    assert all((ROOT / line[1:]).exists() for line in kept if line.startswith("!"))
