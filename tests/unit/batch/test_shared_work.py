"""Several processes, started as a user starts them; on a CPU the launcher wants --multi_gpu."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Run, contents, draw_picture

ROOT = Path(__file__).parents[3]
ENTRY = Path(__file__).with_name("fake_command.py")
QUICK = ("--seeds", "0,1", "--steps", "2", "--device", "cpu")


def launch(*arguments: object, processes: int = 2) -> subprocess.CompletedProcess[str]:
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    counts = ["--num_processes", str(processes), "--num_machines", "1", "--main_process_port", "0"]
    words = [*launcher, *counts, "--mixed_precision", "no", "--dynamo_backend", "no"]
    return subprocess.run(
        [*words, str(ENTRY), *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        check=False,
    )


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for index in range(5):
        draw_picture(tmp_path / "pictures" / f"toy-{index}.png", 40 * index)
    return tmp_path / "pictures"


def test_two_processes_write_the_bytes_of_one(run: Run, pictures: Path, tmp_path: Path):
    assert run(pictures, "--output", tmp_path / "one", *QUICK) == 0
    done = launch(pictures, "--output", tmp_path / "two", *QUICK)
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
    assert done.stderr.count("5 made, 0 kept, 0 failed.") == 1


def test_failures_of_every_process_are_listed_once_and_decide_the_exit_code(
    pictures: Path, tmp_path: Path
):
    for name in ("a-broken.png", "z-broken.png"):  # one for each process
        (pictures / name).write_bytes(b"")
    done = launch(pictures, "--output", tmp_path / "out", *QUICK)
    assert done.returncode == 1
    assert done.stderr.count("5 made, 0 kept, 2 failed.") == 1
    for name in ("a-broken.png", "z-broken.png"):
        assert done.stderr.count(f"{pictures / name}: The picture file is empty.") == 1
    assert len(list((tmp_path / "out").iterdir())) == 5
