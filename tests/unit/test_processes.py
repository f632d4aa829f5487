from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from harmony import processes


def test_more_processes_than_gpus_share_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class State:
        num_processes, local_process_index = 4, 3

        def __init__(self, *, cpu: bool, **_: Any) -> None:
            assert not cpu

    monkeypatch.setattr(processes, "PartialState", State)
    monkeypatch.setattr(processes, "choose_device", lambda name: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert processes.join_processes("cuda")[1] == torch.device("cuda", 1)


ALONE_IN_A_GROUP = """
import atexit, os

def threads():
    return set(os.listdir("/proc/self/task"))

def tell():
    print(len(of_the_group), len(of_the_group & threads()))

atexit.register(tell)

from accelerate.utils import gather_object
from harmony.processes import join_processes

before = threads()
join_processes("cpu", backend="gloo")
gather_object(["a word"])
of_the_group = threads() - before

import torch.distributed.nn
"""


def test_no_thread_of_the_group_outlives_the_interpreter() -> None:
    """One that gives back a tensor after the interpreter's end aborts the process."""
    group = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}
    group |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", ALONE_IN_A_GROUP],
        cwd=Path(__file__).parents[2],
        env=os.environ | group,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    started, left = map(int, done.stdout.split())
    assert started > 0
    assert left == 0
