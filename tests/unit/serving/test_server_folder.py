"""The server's own folder: fresh, locked, swept after a kill."""

import subprocess
import sys

import pytest

from harmony.serving.server_folder import PREFIX, ServerFolder

HOLD = """
import sys, time
from pathlib import Path
from harmony.serving.server_folder import ServerFolder
folder = ServerFolder(Path(sys.argv[1]))
(folder.files / "result.png").write_text("x")
print(folder.path, flush=True)
time.sleep(600)
"""


@pytest.fixture
def other(tmp_path):
    """Another server that holds its folder; yields the process and the folder's name."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
        process.kill()


def folders(root):
    return {str(folder) for folder in root.iterdir()}


def test_a_server_that_runs_keeps_its_folder(tmp_path, other):
    _, held = other
    own = ServerFolder(tmp_path)
    assert own.swept == 0
    assert folders(tmp_path) == {held, str(own.path)}
    own.remove()
    assert folders(tmp_path) == {held}


def test_a_killed_servers_folder_goes_at_the_next_start(tmp_path, other):
    process, held = other
    process.kill()
    process.wait()
    own = ServerFolder(tmp_path)
    assert own.swept == 1
    assert folders(tmp_path) == {str(own.path)}
    assert held not in folders(tmp_path)


def test_other_folders_are_left_alone(tmp_path):
    (tmp_path / "holiday").mkdir()
    (tmp_path / f"{PREFIX}begun").mkdir()
    own = ServerFolder(tmp_path)
    own.remove()
    assert folders(tmp_path) == {str(tmp_path / "holiday"), str(tmp_path / f"{PREFIX}begun")}


def test_the_lock_is_not_among_the_served_files(tmp_path):
    own = ServerFolder(tmp_path)
    assert list(own.files.iterdir()) == []
    assert own.files.parent == own.path


def test_a_place_that_cannot_be_written_gets_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="--cache-dir"):
        ServerFolder(tmp_path / "file" / "below")
