"""The real loading code on tiny pipelines with random weights, saved as diffusers saves them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from harmony.painting.folders import choose_variant, missing_part, wanted_files
from harmony.painting.models import DEFAULT_MODEL, MODELS, find_model
from harmony.painting.painter import Painter
from harmony.painting.record import painted_png, read_painted_from
from harmony.records import PaintedFrom
from tests.tiny_painters import SIDE, save_tiny_painter


@pytest.mark.parametrize(
    ("kind", "pipeline"),
    [
        ("sd", "StableDiffusionPipeline"),
        ("sdxl", "StableDiffusionXLPipeline"),
        ("flux", "FluxPipeline"),
    ],
)
def test_pipelines_load_and_paint(kind: str, pipeline: str, tmp_path: Path):
    folder = save_tiny_painter(kind, tmp_path / kind)
    assert json.loads((folder / "model_index.json").read_text())["_class_name"] == pipeline
    painter, told = Painter(str(folder), num_steps=2), []
    first = painter.paint("a red teapot", 3, on_progress=lambda *news: told.append(news))
    assert told == [
        (f"Loading {kind}", None),
        ("Painting: step 1 of 2", 0.5),
        ("Painting: step 2 of 2", 1.0),
    ]
    assert first.image.mode == "RGB"
    assert len(first.image.getcolors(SIDE**4) or []) > 100
    again = Painter(str(folder), num_steps=2).paint("a red teapot", 3)
    assert first.image.tobytes() == again.image.tobytes()
    for prompt, seed in (("a red teapot", 4), ("a blue mug", 3)):
        assert painter.paint(prompt, seed).image.tobytes() != first.image.tobytes()


def test_a_pipeline_of_no_table_brings_its_own_settings(tiny_painter: Path):
    plan = Painter(str(tiny_painter)).plan("  a  red\nteapot ", 7)
    assert plan == PaintedFrom("a red teapot", tiny_painter.name, None, 7, 50, 7.5)
    told = Painter(str(tiny_painter), num_steps=3, guidance_scale=0).plan("teapot", 0)
    assert (told.num_steps, told.guidance_scale) == (3, 0.0)


def test_the_table_names_settings_and_licences():
    assert DEFAULT_MODEL == "stabilityai/sd-turbo"
    assert set(MODELS) >= {"stabilityai/sdxl-turbo", "black-forest-labs/FLUX.1-schnell"}
    for model in MODELS.values():
        assert 1 <= (model.num_steps or 0) <= 4
        assert model.guidance_scale == 0
        assert model.licence
        assert (model.licence_url or "").startswith("https://")
    pinned = find_model(f"{DEFAULT_MODEL}@abc123")
    assert (pinned.id, pinned.revision, pinned.num_steps) == (DEFAULT_MODEL, "abc123", 2)
    assert find_model("someone/else").num_steps is None
    for name in ("", "../x", "a/b/c", "someone/else@", "no such/model"):
        with pytest.raises(ValueError, match="no text-to-image model"):
            find_model(name)


def test_an_exception_of_the_listener_stops_the_work(tiny_painter: Path):
    class StoppedError(Exception):
        pass

    steps: list[str] = []

    def listen(text: str, fraction: float | None) -> None:
        steps.append(text)
        if text.startswith("Painting"):
            raise StoppedError

    with pytest.raises(StoppedError):
        Painter(str(tiny_painter), num_steps=9).paint("a red teapot", 0, on_progress=listen)
    assert [text for text in steps if text.startswith("Painting")] == ["Painting: step 1 of 9"]


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: (folder / "model_index.json").unlink(), "is no text-to-image pipeline"),
        (lambda folder: (folder / "model_index.json").write_text("[]"), "is no text-to-image"),
        (
            lambda folder: (folder / "unet/diffusion_pytorch_model.safetensors").unlink(),
            "unet lacks its files",
        ),
        (lambda folder: shutil.rmtree(folder / "tokenizer"), "tokenizer lacks its files"),
        (
            lambda folder: (folder / "vae/diffusion_pytorch_model.safetensors").write_bytes(b"x"),
            "cannot be loaded",
        ),
        (lambda folder: (folder / "unet/config.json").write_text("{"), "cannot be loaded"),
    ],
)
def test_a_broken_folder_gets_one_sentence(tiny_painter: Path, tmp_path: Path, damage, sentence):
    folder = Path(shutil.copytree(tiny_painter, tmp_path / "broken"))
    damage(folder)
    with pytest.raises(ValueError, match=sentence) as caught:
        Painter(str(folder), num_steps=1).paint("a red teapot", 0)
    assert "\n" not in str(caught.value)


def test_weights_as_a_pickle_are_never_read(tiny_painter: Path, tmp_path: Path):
    folder = Path(shutil.copytree(tiny_painter, tmp_path / "pickled"))
    (folder / "vae/diffusion_pytorch_model.safetensors").unlink()
    torch.save({}, folder / "vae/diffusion_pytorch_model.bin")
    with pytest.raises(ValueError, match="safetensors"):
        Painter(str(folder), num_steps=1).paint("a red teapot", 0)


@pytest.mark.parametrize(
    ("prompt", "options"),
    [
        ("", {}),
        ("123", {}),
        ("x" * 301, {}),
        ("teapot", {"num_steps": 0}),
        ("teapot", {"num_steps": 1, "guidance_scale": float("nan")}),
        ("teapot", {"num_steps": 1, "guidance_scale": -1.0}),
    ],
)
def test_what_cannot_be_painted_is_refused(tiny_painter: Path, prompt: str, options):
    with pytest.raises(ValueError, match=r"\.$"):
        Painter(str(tiny_painter), **options).paint(prompt, 0)


def test_only_the_files_that_the_pipeline_needs_are_fetched():
    names = [
        *("model_index.json", "README.md", "sd_turbo.safetensors", "pipeline.py"),
        *("unet/config.json", "unet/diffusion_pytorch_model.safetensors"),
        *("unet/diffusion_pytorch_model.fp16.safetensors", "unet/diffusion_pytorch_model.bin"),
        *("unet/diffusion_pytorch_model.non_ema.safetensors", "unet/model.onnx"),
        *("text_encoder/config.json", "text_encoder/model.safetensors"),
        *("text_encoder/model.fp16-00001-of-00002.safetensors", "tokenizer/merges.txt"),
        *("text_encoder/model.fp16-00002-of-00002.safetensors", "vae_1_0/config.json"),
        *("scheduler/scheduler_config.json", "unet/deeper/config.json", "unet/code.py"),
    ]
    parts = ("unet", "text_encoder", "tokenizer", "scheduler")
    assert wanted_files(names, parts) == (
        *("model_index.json", "scheduler/scheduler_config.json", "text_encoder/config.json"),
        "text_encoder/model.fp16-00001-of-00002.safetensors",
        "text_encoder/model.fp16-00002-of-00002.safetensors",
        *("tokenizer/merges.txt", "unet/config.json"),
        "unet/diffusion_pytorch_model.fp16.safetensors",
    )
    full = [name for name in names if not name.startswith("text_encoder/model.fp16")]
    assert choose_variant(full, parts) is None
    assert "unet/diffusion_pytorch_model.safetensors" in wanted_files(full, parts)


def test_half_precision_files_are_found_and_loaded(tiny_painter: Path, tmp_path: Path):
    folder = Path(shutil.copytree(tiny_painter, tmp_path / "half"))
    for file in folder.glob("*/*.safetensors"):
        file.rename(file.with_name(file.name.replace(".safetensors", ".fp16.safetensors")))
    assert missing_part(folder) is None
    painted = Painter(str(folder), num_steps=1).paint("a red teapot", 0)
    whole = Painter(str(tiny_painter), num_steps=1).paint("a red teapot", 0)
    assert painted.image.tobytes() == whole.image.tobytes()


def test_a_missing_shard_is_noticed(tiny_painter: Path, tmp_path: Path):
    folder = Path(shutil.copytree(tiny_painter, tmp_path / "sharded"))
    weights = folder / "text_encoder" / "model.safetensors"
    weights.rename(weights.with_name("model-00001-of-00002.safetensors"))
    index = {"weight_map": {f"w{k}": f"model-0000{k}-of-00002.safetensors" for k in (1, 2)}}
    (folder / "text_encoder/model.safetensors.index.json").write_text(json.dumps(index))
    assert missing_part(folder) == "text_encoder"


def test_a_picture_file_says_what_it_was_painted_from(tiny_painter: Path):
    painting = Painter(str(tiny_painter), num_steps=1).paint("a red teapot", 0)
    file = painted_png(painting.image, painting.painted_from)
    assert file == painted_png(painting.image, painting.painted_from)
    assert read_painted_from(file) == painting.painted_from


def test_the_words_go_when_the_pixels_change(tiny_painter: Path):
    painting = Painter(str(tiny_painter), num_steps=1).paint("a red teapot", 0)
    changed = painting.image.copy()
    changed.putpixel((0, 0), tuple(255 - value for value in changed.getpixel((0, 0))))  # pyright: ignore
    original = painted_png(painting.image, painting.painted_from)
    # The old words in front of new pixels, as an editor saves them that keeps all metadata.
    forged = painted_png(changed, painting.painted_from)
    start = original.index(b"harmony-painted-from") - 8
    end = start + 12 + int.from_bytes(original[start : start + 4])
    other = forged.index(b"harmony-painted-from") - 8
    rest = forged[other + 12 + int.from_bytes(forged[other : other + 4]) :]
    mixed = forged[:other] + original[start:end] + rest
    assert read_painted_from(forged) == painting.painted_from
    assert read_painted_from(mixed) is None
    assert read_painted_from(b"\xff\xd8no png") is None
    assert read_painted_from(b"\x89PNG\r\n\x1a\ndamaged") is None
