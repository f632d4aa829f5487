import json
import math
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from harmony.records import CDScore, ReferenceImage, Views
from harmony.scoring import CDScorer, cd_score, clean_object_name, mean_cd_ratio
from harmony.scoring_encoder import ClipEncoder, load_encoder, preprocess
from tests.tiny_clip import save_tiny_clip


def directions(*angles_deg: float) -> torch.Tensor:
    radians = torch.tensor(angles_deg).deg2rad()
    return torch.stack([radians.cos(), radians.sin()], dim=-1)


def test_paper_score_equals_hand_computation() -> None:
    # d = 0, 1/2, 1; t = cos of 60, 0, 30 deg = 1/2, 1, sqrt(3)/2.
    score = cd_score(directions(0, 60, 90), directions(0)[0], directions(60)[0], scaling="paper")
    t = [0.5, 1.0, math.sqrt(3) / 2]
    mean = sum(t) / 3
    variance = sum((value - mean) ** 2 for value in t) / 3
    assert score.diversity == pytest.approx(0.5, abs=1e-6)
    assert score.semantic_variance == pytest.approx(variance, abs=1e-6)
    assert score.ratio == pytest.approx(0.5 / variance, rel=1e-5)
    assert score.view_distances == pytest.approx((0, 0.5, 1), abs=1e-6)
    assert score.text_similarities == pytest.approx(t, abs=1e-6)


def test_official_score_sums_clips_and_uses_percent() -> None:
    # The last view's text cosine is cos 150 < 0 and counts as 0.
    score = cd_score(
        directions(0, 60, 210), directions(0)[0], directions(60)[0], scaling="official"
    )
    t = [50.0, 100.0, 0.0]
    assert score.diversity == pytest.approx(0 + 0.5 + 1 + math.sqrt(3) / 2, abs=1e-6)
    assert score.semantic_variance == pytest.approx(sum((v - 50) ** 2 for v in t) / 2, rel=1e-6)
    assert score.text_similarities[2] == pytest.approx(-math.sqrt(3) / 2, abs=1e-6)


def test_official_is_0_0015_times_the_paper_for_sixteen_views() -> None:
    generator = torch.Generator().manual_seed(0)
    text = torch.ones(8)
    views = text + 0.3 * torch.randn(16, 8, generator=generator)  # all cosines with text > 0
    paper = cd_score(views, views[0], text, scaling="paper")
    official = cd_score(views, views[0], text, scaling="official")
    assert paper.ratio is not None
    assert official.ratio == pytest.approx(0.0015 * paper.ratio, rel=1e-9)


@pytest.mark.parametrize("scaling", ["official", "paper"])
def test_lengths_of_embeddings_do_not_matter(scaling: str) -> None:
    views, text = directions(0, 20, 50), directions(70)[0]
    plain = cd_score(views, views[0], text, scaling=scaling)
    longer = cd_score(views * 7, views[0] * 3, text * 0.1, scaling=scaling)
    assert longer.ratio == pytest.approx(plain.ratio, rel=1e-6)


@pytest.mark.parametrize("scaling", ["official", "paper"])
def test_identical_views_have_no_ratio(scaling: str) -> None:
    views = directions(30, 30, 30)
    score = cd_score(views, views[0], directions(0)[0], scaling=scaling)
    assert score.diversity == pytest.approx(0, abs=1e-12)
    assert score.semantic_variance == 0
    assert score.ratio is None


def test_not_finite_embedding_has_no_ratio() -> None:
    views = directions(0, 30, 60)
    views[1, 0] = float("nan")
    assert cd_score(views, views[0], directions(10)[0]).ratio is None


def test_bad_arguments_are_refused() -> None:
    views = directions(0, 30)
    with pytest.raises(ValueError, match="Scaling"):
        cd_score(views, views[0], views[0], scaling="log")
    with pytest.raises(ValueError, match="at least two"):
        cd_score(views[:1], views[0], views[0])


def test_table_value_is_a_ratio_of_means() -> None:
    scores = [CDScore(1.0, 2.0, 0.5, "official", "e"), CDScore(3.0, 1.0, 3.0, "official", "e")]
    assert mean_cd_ratio(scores) == pytest.approx(4 / 3)
    with pytest.raises(ValueError, match="different"):
        mean_cd_ratio([*scores, CDScore(1.0, 1.0, 1.0, "paper", "e")])
    with pytest.raises(ValueError, match="no score"):
        mean_cd_ratio([])


def test_object_name_loses_digits_and_underscores() -> None:
    assert clean_object_name("school_bus1") == "school bus"
    assert clean_object_name(" Lunch_Bag ") == "lunch bag"


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def scorer(tiny_folder: Path) -> CDScorer:
    return CDScorer.load(tiny_folder)


def random_views(samples: int = 2, count: int = 4, side: int = 48) -> Views:
    generator = torch.Generator().manual_seed(1)
    pixels = torch.rand(samples, count, 3, side, side, generator=generator)
    return Views(pixels, torch.ones(samples, count, 1, side, side))


def test_saved_folder_loads_with_its_weights(tiny_folder: Path, scorer: CDScorer) -> None:
    saved = load_file(tiny_folder / "open_clip_model.safetensors")
    loaded = scorer.encoder.model.state_dict()
    assert saved.keys() == loaded.keys()
    assert all(torch.equal(saved[key].float(), loaded[key]) for key in saved)
    card = json.loads((tiny_folder / "card.json").read_text())
    assert len(card["weights_sha256"]) == 64
    assert scorer.encoder.names == ("chair", "oak tree")


def test_new_name_needs_no_new_embedding(scorer: CDScorer) -> None:
    views = random_views()
    embedded = scorer.embed(views)
    for name in ("chair", "oak_tree"):
        assert scorer.score(embedded, name) == scorer.score(views, name)
    assert scorer.score(embedded, "chair") != scorer.score(embedded, "oak tree")


def test_score_agrees_with_plain_open_clip(tiny_folder: Path, scorer: CDScorer) -> None:
    views = random_views(samples=1, side=32)
    model: Any = open_clip.create_model(f"local-dir:{tiny_folder}")
    tokens = open_clip.get_tokenizer(f"local-dir:{tiny_folder}")(["An image of oak tree"])
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (scorer.encoder.mean, scorer.encoder.std))
    pixels = (views.pixels[0] * 255).round() / 255
    with torch.no_grad():
        images = model.eval().encode_image((pixels - mean) / std)
        text = model.encode_text(tokens)[0]
    expected = cd_score(images, images[0], text, encoder=scorer.encoder.name)
    (score,) = scorer.score(views, "oak_tree2")
    assert score.ratio == pytest.approx(expected.ratio, rel=1e-3)
    assert score.view_distances[0] == pytest.approx(0, abs=1e-6)


def test_paper_scaling_compares_with_the_input_picture(scorer: CDScorer) -> None:
    views = random_views(side=32)
    # Exactly representable in 8 bit, so that the way through [-1, 1] loses nothing.
    views = Views((views.pixels * 255).round() / 255, views.alpha)
    reference = ReferenceImage(views.pixels[1, 2] * 2 - 1, torch.ones(1, 32, 32), 30.0)
    scores = scorer.score(views, "chair", scaling="paper", reference=reference)
    assert [score.scaling for score in scores] == ["paper", "paper"]
    assert scores[1].view_distances[2] == pytest.approx(0, abs=1e-5)
    assert scores[0].view_distances[2] > 1e-4
    with pytest.raises(ValueError, match="input picture"):
        scorer.score(views, "chair", scaling="paper")


def test_suggested_name_is_the_nearest_text(scorer: CDScorer) -> None:
    reference = ReferenceImage(torch.zeros(3, 32, 32), torch.ones(1, 32, 32), 30.0)
    name, probability = scorer.suggest_name(reference)
    image = scorer.encoder.embed_images(torch.full((1, 3, 32, 32), 0.5))[0]
    texts = scorer.encoder.embed_texts(["an image of chair", "an image of oak tree"])
    expected = (scorer.encoder.logit_scale * texts @ image).softmax(0)
    assert name == scorer.encoder.names[int(expected.argmax())]
    assert probability == pytest.approx(float(expected.max()), rel=1e-5)


def test_empty_name_and_nameless_encoder_are_refused(scorer: CDScorer) -> None:
    with pytest.raises(ValueError, match="object's name"):
        scorer.score(random_views(), "_12")
    nameless = CDScorer(
        ClipEncoder("x", scorer.encoder.model, scorer.encoder.tokenize, 32, (0, 0, 0), (1, 1, 1))
    )
    reference = ReferenceImage(torch.zeros(3, 32, 32), torch.ones(1, 32, 32), 30.0)
    with pytest.raises(ValueError, match="no list of names"):
        nameless.suggest_name(reference)


def test_incomplete_folder_and_unknown_encoder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"open_clip_config\.json"):
        load_encoder(tmp_path)
    with pytest.raises(ValueError, match="CLIP encoder"):
        load_encoder("ViT-L-14-quickgelu/nobody")
    with pytest.raises(ValueError, match="wrong activation"):
        load_encoder("ViT-L-14/openai")


def test_preprocessing_follows_open_clip() -> None:
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand(1, 3, 16, 16, generator=generator)
    pixels = torch.nn.functional.interpolate(coarse, size=64, mode="bicubic").clamp(0, 1)
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    ours = preprocess(pixels, 40, mean, std)[0]
    picture = Image.fromarray((pixels[0] * 255).round().byte().permute(1, 2, 0).numpy())
    transform: Any = open_clip.image_transform(40, is_train=False, mean=mean, std=std)
    theirs = transform(picture)
    steps_of_8_bit = (ours - theirs).abs() * 255 * 0.28
    # PIL rounds between its two passes, so single pixels may be two steps off.
    assert steps_of_8_bit.max() < 2.2
    assert steps_of_8_bit.mean() < 0.25
