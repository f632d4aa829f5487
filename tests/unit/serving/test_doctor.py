"""The doctor: what is well, what is missing, and the command that helps."""

import shutil
import socket

import pytest

from harmony.serving import doctor
from harmony.serving.doctor import Finding
from harmony.serving.options import parse_options


@pytest.fixture
def weights(tmp_path):
    shutil.copytree(doctor.WEIGHTS, tmp_path, dirs_exist_ok=True)
    return tmp_path


def bad(findings):
    return [finding for finding in findings if not finding.good]


def test_the_shipped_weights_are_those_of_their_cards():
    findings = list(doctor.check_weights())
    assert len(findings) == len(list(doctor.WEIGHTS.iterdir()))
    assert bad(findings) == []


def test_a_damaged_and_a_missing_file_are_named_with_the_command(weights):
    file = weights / "small" / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    (weights / "u2netp" / "u2netp.onnx").unlink()
    damaged, missing = bad(doctor.check_weights(weights))
    assert "weights/small" in damaged.text
    assert "damaged" in damaged.text
    assert "u2netp.onnx" in missing.text
    assert all("git checkout" in finding.remedy for finding in (damaged, missing))


def test_a_missing_package_is_named_with_the_command(monkeypatch):
    monkeypatch.setattr(doctor, "PACKAGES", ("gradio", "no-such-package"))
    (finding,) = bad(doctor.check_versions())
    assert "no-such-package" in finding.text
    assert "pip install -r requirements.txt" in finding.remedy


def test_a_port_that_is_taken_is_said_to_be():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        taken = holder.getsockname()[1]
        (finding,) = doctor.check_port(taken)
    assert not finding.good
    assert "--port" in finding.remedy
    assert next(doctor.check_port(taken)).good


def test_a_full_disk_is_said_to_be(monkeypatch, tmp_path):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10**6))
    (finding,) = doctor.check_disk(tmp_path / "not" / "there" / "yet")
    assert not finding.good
    assert str(tmp_path) in finding.text
    assert "--cache-dir" in finding.remedy


def test_syncdreamer_s_checkpoint_is_looked_for_and_not_fetched(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    options = parse_options(["--model", "syncdreamer"])
    (online,) = doctor.check_syncdreamer(options)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (offline,) = doctor.check_syncdreamer(options)
    assert (online.good, offline.good) == (True, False)
    assert "hf download camenduru/SyncDreamer" in offline.remedy
    assert list(doctor.check_syncdreamer(parse_options([]))) == []


def test_a_gpu_that_is_not_there_is_named():
    findings = doctor.check_devices(parse_options(["--gpus", "97"]))
    assert "97" in bad(findings)[0].text


@pytest.mark.parametrize(("good", "code"), [(True, 0), (False, 1)])
def test_the_exit_code_says_whether_it_will_work(monkeypatch, capsys, good, code):
    found = (Finding(True, "one thing"), Finding(good, "another", "" if good else "mend it"))
    monkeypatch.setattr(doctor, "examine", lambda _: iter(found))
    assert doctor.report(parse_options([])) == code
    told = capsys.readouterr().out
    assert ("-> mend it" in told) is not good
    assert ("All is well" in told) is good


def test_the_speed_of_both_models_that_answer_is_measured():
    small, live = doctor.check_speed(parse_options(["--device", "cpu"]))
    assert "model small loads" in small.text
    assert "model small-live loads" in live.text
    assert "4 steps about" in live.text


def test_a_page_without_live_dials_says_why(monkeypatch):
    monkeypatch.setattr(doctor, "_speed", lambda _: Finding(True, "measured"))
    for more in (["--live-model", "off"], ["--model", "syncdreamer"]):
        _, live = doctor.check_speed(parse_options(["--device", "cpu", *more]))
        assert "Live dials" in live.text
