from __future__ import annotations

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
