from __future__ import annotations

import hashlib
import json
import shutil

import numpy as np
import pytest
from PIL import Image, ImageDraw

from harmony.background import (
    CUTOUTS,
    WEIGHTS,
    CutoutModels,
    has_mask,
    remove_background,
    verified_weights,
)


@pytest.fixture(scope="module")
def networks() -> CutoutModels:
    return CutoutModels()


def photo() -> Image.Image:
    """A dark red ball with a highlight on a pale ground."""
    image = Image.new("RGB", (160, 120), (225, 222, 215))
    draw = ImageDraw.Draw(image)
    draw.ellipse((45, 25, 115, 95), fill=(150, 20, 25))
    draw.ellipse((60, 35, 80, 50), fill=(230, 120, 120))
    return image


def masked() -> Image.Image:
    image = photo().convert("RGBA")
    image.paste((9, 9, 9, 0), (0, 0, 40, 120))
    return image


def test_the_shipped_network_is_the_one_of_its_card():
    path = verified_weights(WEIGHTS)
    card = json.loads((WEIGHTS / "card.json").read_text())
    assert hashlib.sha256(path.read_bytes()).hexdigest() == card["sha256"]
    assert card["licence"] == "Apache-2.0"


def test_the_shipped_network_cuts_the_object_out(networks, monkeypatch, tmp_path):
    monkeypatch.setenv(
        "U2NET_HOME", str(tmp_path)
    )  # the user's own cache has nothing and gets nothing
    cutout = remove_background(photo(), "u2netp", models=networks)
    alpha = np.asarray(cutout.getchannel("A"))
    assert cutout.size == (160, 120)
    assert alpha[60, 80] > 240
    assert alpha[:8].max() == 0
    assert cutout.convert("RGB").getpixel((80, 60)) == photo().getpixel((80, 60))
    assert list(tmp_path.iterdir()) == []


def test_the_network_is_loaded_once_and_repeats_itself(networks):
    first = networks.mask(photo(), "u2netp")
    session = networks._sessions["u2netp"]
    again = networks.mask(photo(), "u2netp")
    assert networks._sessions["u2netp"] is session
    assert first.tobytes() == again.tobytes()


def test_the_network_keeps_no_memory_after_use(networks):
    networks.load("u2netp")
    options = networks._sessions["u2netp"].inner_session.get_session_options()
    assert not options.enable_cpu_mem_arena


@pytest.mark.parametrize("model", CUTOUTS)
def test_a_picture_with_a_mask_keeps_it(model):
    class Untouched(CutoutModels):
        def mask(self, image, name):
            raise AssertionError("no network is needed")

    result = remove_background(masked(), model, models=Untouched())
    assert result.tobytes() == masked().tobytes()


def test_has_mask_wants_some_but_not_all():
    assert has_mask(masked())
    assert not has_mask(photo())
    assert not has_mask(photo().convert("RGBA"))
    with pytest.raises(ValueError, match="fully transparent"):
        has_mask(Image.new("RGBA", (8, 8)))


def test_none_takes_the_whole_frame():
    result = remove_background(photo(), "none")
    assert result.mode == "RGBA"
    assert result.getchannel("A").getextrema() == (255, 255)


@pytest.mark.parametrize("model", ["", "bria-rmbg", "u2net", "atlascloud", "../u2netp"])
def test_other_models_are_refused(model):
    with pytest.raises(ValueError, match="must be one of"):
        remove_background(photo(), model)


class _Flat(CutoutModels):
    """A network that sees the same everywhere."""

    def __init__(self, value: int) -> None:
        super().__init__()
        self._value = value

    def mask(self, image, name):
        return Image.new("L", image.size, self._value)


def test_an_empty_cutout_is_refused():
    with pytest.raises(ValueError, match="found no object"):
        remove_background(photo(), "u2netp", models=_Flat(20))


def test_the_haze_of_the_network_is_dropped():
    class Haze(CutoutModels):
        def mask(self, image, name):
            values = np.full(image.size[::-1], 3, dtype=np.uint8)
            values[40:60, 50:70] = 255
            return Image.fromarray(values)

    alpha = np.asarray(remove_background(photo(), "u2netp", models=Haze()))[..., 3]
    assert set(np.unique(alpha)) == {0, 255}


def test_a_damaged_or_missing_network_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"u2netp.onnx is missing"):
        CutoutModels(shipped=tmp_path).mask(photo(), "u2netp")
    shutil.copy(WEIGHTS / "card.json", tmp_path)
    (tmp_path / "u2netp.onnx").write_bytes(b"not a network")
    with pytest.raises(ValueError, match="damaged"):
        CutoutModels(shipped=tmp_path).mask(photo(), "u2netp")


@pytest.mark.parametrize("card", ["", "{}", "[]", "{"])
def test_a_damaged_card_of_the_shipped_network_is_named(tmp_path, card):
    shutil.copy(WEIGHTS / "u2netp.onnx", tmp_path)
    (tmp_path / "card.json").write_text(card)
    with pytest.raises(ValueError, match=r"card.json .* is damaged"):
        CutoutModels(shipped=tmp_path).mask(photo(), "u2netp")


@pytest.mark.parametrize("model", ["isnet-general-use", "birefnet-general-lite"])
def test_a_damaged_download_is_named_and_never_opened(model, monkeypatch, tmp_path):
    """rembg itself takes whatever lies in its cache."""
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    (tmp_path / f"{model}.onnx").write_bytes(b"half a downl")
    with pytest.raises(ValueError, match=rf"{model}.onnx is damaged .* delete it"):
        CutoutModels().mask(photo(), model)


@pytest.mark.parametrize("model", ["isnet-general-use", "birefnet-general-lite"])
def test_a_model_on_demand_says_so_and_fails_clearly_offline(model, monkeypatch, tmp_path):
    import pooch
    import requests

    def offline(*args, **kwargs):
        raise requests.ConnectionError("no route")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    monkeypatch.setattr(pooch, "retrieve", offline)
    said = []
    with pytest.raises(ValueError, match="could not be downloaded"):
        remove_background(photo(), model, models=CutoutModels(on_message=said.append))
    assert len(said) == 1
    assert model in said[0]
    assert "MB" in said[0]
