"""Downloads, from a hub on this machine into a cache of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import constants

from harmony.painting.fetch import find_pipeline
from harmony.painting.models import find_model
from harmony.painting.painter import Painter
from tests.fake_hub import COMMIT, serve_hub

MODEL = "someone/tiny"
Hub = Callable[[str], None]


@pytest.fixture
def use_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """Return a function that says where the hub is; an empty address means HF_HUB_OFFLINE."""

    def use(address: str) -> None:
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", not address)
        monkeypatch.setattr(constants, "ENDPOINT", address or "http://127.0.0.1:9")
        template = constants.ENDPOINT + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)

    return use


def silent(text: str, fraction: float | None) -> None:
    """Tell nobody."""


def test_a_model_is_downloaded_once_and_works_offline_afterwards(tiny_painter: Path, use_hub: Hub):
    (tiny_painter / "README.md").write_text("card")
    told: list[tuple[str, float | None]] = []
    with serve_hub(MODEL, tiny_painter) as (address, sent):
        use_hub(address)
        painter = Painter(MODEL, device="cpu", num_steps=1)
        made = painter.paint("a red teapot", 0, on_progress=lambda *news: told.append(news))
        assert made.painted_from.revision == COMMIT
        text = told[0][0]
        assert text.startswith(f"Downloading {MODEL} (")
        shares = [share or 0.0 for what, share in told if what == text]
        assert shares == sorted(shares)
        assert (shares[0], shares[-1]) == (0, 1)
        assert {"model_index.json", "unet/diffusion_pytorch_model.safetensors"} <= set(sent)
        assert "README.md" not in sent
        sent.clear()
        found = find_pipeline(find_model(MODEL), silent)
        assert (found.revision, sent) == (COMMIT, [])
    use_hub("")
    assert find_pipeline(find_model(MODEL), silent) == found
    assert find_pipeline(find_model(f"{MODEL}@{COMMIT}"), silent) == found


def test_an_interrupted_download_goes_on(tiny_painter: Path, tmp_path: Path, use_hub: Hub):
    with serve_hub(MODEL, tiny_painter) as (address, sent):
        use_hub(address)
        find_pipeline(find_model(MODEL), silent)
        (weights,) = (tmp_path / "cache").rglob("snapshots/*/vae/*.safetensors")
        weights.resolve().unlink()
        weights.unlink(missing_ok=True)
        sent.clear()
        find_pipeline(find_model(MODEL), silent)
    assert sent == ["vae/diffusion_pytorch_model.safetensors"]


@pytest.mark.parametrize("address", ["", "http://127.0.0.1:9"])
def test_without_a_network_one_sentence_says_what_to_do(address: str, use_hub: Hub):
    use_hub(address)
    with pytest.raises(ValueError, match="not on this machine and the hub cannot be") as caught:
        find_pipeline(find_model("stabilityai/sd-turbo"), silent)
    assert str(caught.value).endswith("Go online once, or name a folder that holds a model.")


def test_a_name_that_the_hub_does_not_know_gets_one_sentence(tiny_painter: Path, use_hub: Hub):
    with serve_hub(MODEL, tiny_painter) as (address, _):
        use_hub(address)
        with pytest.raises(ValueError, match="has no text-to-image model 'someone/unknown'"):
            find_pipeline(find_model("someone/unknown"), silent)


def test_a_repository_without_safe_weights_is_refused(
    tiny_painter: Path, tmp_path: Path, use_hub: Hub
):
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/model_index.json").write_bytes(
        (tiny_painter / "model_index.json").read_bytes()
    )
    with serve_hub(MODEL, tmp_path / "bare") as (address, _):
        use_hub(address)
        with pytest.raises(ValueError, match=r"no \.safetensors weights"):
            find_pipeline(find_model(MODEL), silent)
