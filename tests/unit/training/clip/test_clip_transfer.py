"""The CLIP made from public networks: both towers in closed form, and the whole command."""

import hashlib
import json
from argparse import Namespace

import numpy as np
import open_clip
import pytest
import timm
import torch
import torch.nn.functional as F

from harmony.records import Views
from harmony.scoring import CDScorer
from harmony.training.clip.closed_form import (
    best_scale,
    principal_basis,
    ridge,
    set_text_tower,
    word_tokens,
)
from harmony.training.clip.pictures import cached_round, render_round
from harmony.training.clip.pretrained import Sentences, load_image_weights
from harmony.training.clip.transfer import TransferSettings, clip_config, transfer
from tests.unit.training.shapes import make_library
from tests.unit.training.tiny import write_objects

LITE0 = "tf_efficientnet_lite0"
SMALL = TransferSettings(width=8, image_size=32)


def vector_of(text: str, width: int = 16) -> np.ndarray:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")
    vector = np.random.default_rng(seed).normal(size=width)
    return (vector / np.linalg.norm(vector)).astype(np.float16)


def foreign_weights(network: str) -> dict[str, torch.Tensor]:
    """The layers of a timm network under names of another implementation."""
    state = timm.create_model(network, pretrained=False).state_dict()
    return {
        f"_layer{number}.{name.split('.')[-1]}": v for number, (name, v) in enumerate(state.items())
    }


def test_ridge_finds_a_linear_map_whatever_the_features_scale():
    torch.manual_seed(0)
    features = torch.randn(300, 6) * torch.tensor([1, 10, 0.1, 5, 2, 1.0]) + 3
    weight, bias = torch.randn(4, 6), torch.randn(4)
    found, offset = ridge(features, (features - features.mean(0)) @ weight.T + 0 * bias, 1e-6)
    torch.testing.assert_close(found, weight, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(offset, -weight @ features.mean(0), atol=1e-2, rtol=1e-3)
    small, _ = ridge(features, features @ weight.T, 1e6)
    assert small.norm() < 0.1 * weight.norm()


def test_basis_keeps_what_differs():
    torch.manual_seed(0)
    plane = torch.randn(50, 2) @ torch.randn(2, 10) + torch.randn(10)
    basis = principal_basis(plane, 2)
    centred = plane - plane.mean(0)
    torch.testing.assert_close(basis.directions.T @ basis.directions, torch.eye(2))
    torch.testing.assert_close(
        basis.project(plane) @ basis.project(plane).T,
        F.normalize(centred, dim=-1) @ F.normalize(centred, dim=-1).T,
        atol=1e-4,
        rtol=1e-4,
    )
    with pytest.raises(ValueError, match="principal directions"):
        principal_basis(plane[:1], 2)


def test_temperature_fits_the_similarities():
    sure = 0.2 * torch.eye(4)
    assert best_scale(sure, torch.arange(4)) == 100
    assert best_scale(sure, torch.tensor([1, 2, 3, 0])) == 1


def test_text_tower_adds_up_words():
    tokenizer = open_clip.SimpleTokenizer(context_length=32)
    words = word_tokens(tokenizer.decoder)
    assert {"table", "red"} <= set(words.values())
    assert not {"image", "photo", "of", "an", "the"} & set(words.values())
    model = open_clip.CLIP(**clip_config(SMALL, LITE0)["model_cfg"]).eval()
    vectors = {n: torch.from_numpy(vector_of(word, 8)).float() for n, word in words.items()}
    set_text_tower(model, vectors)

    def embed(text: str) -> torch.Tensor:
        return model.encode_text(tokenizer([text]), normalize=True)[0]

    with torch.inference_mode():
        red, table = embed("red"), embed("table")
        both = embed("an image of a red table")
        torch.testing.assert_close(both, embed("a photo of the table red"))
        assert float(both @ F.normalize(red + table, dim=0)) > 0.98
        assert float(red @ table) < 0.95
        assert float(embed("xqzv").norm()) == 0


def test_image_weights_of_another_implementation_fit_in_order(tmp_path):
    trunk = timm.create_model(LITE0, pretrained=False, num_classes=0)
    foreign = foreign_weights(LITE0)
    torch.save(foreign, tmp_path / "weights.pth")
    load_image_weights(trunk, tmp_path / "weights.pth")
    first = next(iter(foreign.values()))
    assert torch.equal(next(iter(trunk.state_dict().values())), first)
    torch.save({"a": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="does not hold the weights"):
        load_image_weights(trunk, tmp_path / "other.pth")


def test_sentences_are_embedded_once(tmp_path, monkeypatch):
    asked: list[str] = []

    def encode(self, texts):
        asked.extend(texts)
        return np.stack([vector_of(text) for text in texts])

    monkeypatch.setattr(Sentences, "_encode", encode)
    first = Sentences(tmp_path, tmp_path / "cache.npz").embed(["cup", "red cup"])
    second = Sentences(tmp_path, tmp_path / "cache.npz").embed(["red cup", "sofa"])
    assert torch.equal(first[1], second[0])
    assert sorted(asked) == ["cup", "red cup", "sofa"]


def test_without_a_sentence_encoder_it_says_so(tmp_path):
    with pytest.raises(ValueError, match="no sentence encoder"):
        Sentences(tmp_path, tmp_path / "cache.npz").embed(["cup"])


def test_pictures_depend_on_object_and_round_and_are_kept(tmp_path):
    library = make_library()
    how = {"image_size": 16, "number": 0, "cameras": 2}
    both = render_round(library, [0, 2], **how)
    assert both.object_ids.tolist() == [0, 0, 2, 2]
    assert torch.equal(both.pictures[2:], render_round(library, [2], **how).pictures)
    other = render_round(library, [0, 2], image_size=16, number=1, cameras=2)
    assert not torch.equal(both.pictures, other.pictures)
    cached_round(tmp_path / "a.npz", library, [0, 2], **how)
    again = cached_round(tmp_path / "a.npz", library, [], **how)
    assert torch.equal(again.pictures, both.pictures)
    assert len(again) == 4


def test_the_command_leaves_a_folder_that_scores(tmp_path, monkeypatch):
    monkeypatch.setattr(
        Sentences, "_encode", lambda self, texts: np.stack([vector_of(t) for t in texts])
    )
    objects = write_objects(tmp_path)
    torch.save(foreign_weights("tf_efficientnet_lite2"), tmp_path / "weights.pth")
    options = Namespace(
        objects=objects / "set",
        image_weights=tmp_path / "weights.pth",
        sentences=tmp_path,
        cache=tmp_path / "cache",
        output=tmp_path / "clip",
    )
    card = transfer(options, SMALL)
    assert card["objects"] == {"training": 10, "held_out": 1}
    assert card["retrieval"]["training_names"]["pictures"] == 20
    assert 0 <= card["retrieval"]["training_names"]["recall_at_1"] <= 1
    written = json.loads((tmp_path / "clip" / "card.json").read_text())
    assert written["weights_sha256"] == card["weights_sha256"]
    scorer = CDScorer.load(tmp_path / "clip")
    assert len(scorer.encoder.names) == 10
    pixels = torch.rand(1, 16, 3, 40, 40)
    (score,) = scorer.score(Views(pixels, pixels[:, :, :1]), "red cup")
    assert score.diversity > 0
    assert score.ratio is not None
