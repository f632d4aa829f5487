from random import Random

import numpy as np
import open_clip
import pytest
import torch

from harmony.training.clip.augment import augment, on_background
from harmony.training.clip.captions import (
    COLOUR_WORDS,
    END_OF_TEXT,
    TEMPLATES,
    CaptionBook,
    describe,
    name_group,
    visible_colours,
)
from harmony.training.clip.colours import colour_shares
from harmony.training.clip.export import suggestable_names
from harmony.training.clip.losses import NameHead, contrastive_loss, name_loss


@pytest.fixture(scope="module")
def tokenizer() -> open_clip.SimpleTokenizer:
    return open_clip.SimpleTokenizer(context_length=32)


def test_synonyms_word_order_and_plural_form_one_group() -> None:
    assert name_group("coffee table") == name_group("table coffee")
    assert name_group("large sofa") == name_group("large couch")
    assert name_group("mushrooms") == name_group("mushroom")
    assert name_group("glass") != name_group("glas")
    assert name_group("sofa") != name_group("sofa bed")


def test_rows_equal_open_clips_tokenizer(tokenizer: open_clip.SimpleTokenizer) -> None:
    names = ["captain's bed", "rubik's cube", "tyrannosaurus rex", "round plate"]
    book = CaptionBook(names, tokenizer, 32)
    rng = Random(0)
    captions = [
        describe(name, ("red", "white"), template, rng) for name in names for template in TEMPLATES
    ]
    assert torch.equal(book.rows(captions), tokenizer(captions))


def test_colours_stand_before_names_that_have_none() -> None:
    captions = {describe("ice staff", ("red", "white"), "this is {}", Random(i)) for i in range(20)}
    assert captions == {"this is red and white ice staff", "this is a red and white ice staff"}
    captions = {describe("blue flag", ("red",), "{}", Random(i)) for i in range(20)}
    assert captions == {"blue flag", "a blue flag"}
    captions = {describe("sofa", ("orange",), "{}", Random(i)) for i in range(60)}
    assert {"an orange sofa", "orange couch"} <= captions


def test_long_caption_is_cut_and_still_ends(tokenizer: open_clip.SimpleTokenizer) -> None:
    book = CaptionBook(["chair"], tokenizer, 8)
    row = book.rows(["a " * 30])[0]
    assert len(row) == 8
    assert row[-1] == END_OF_TEXT


def test_unknown_words_replace_words_only(tokenizer: open_clip.SimpleTokenizer) -> None:
    book = CaptionBook(["chair"], tokenizer, 32)
    plain = book.rows(["a picture of a chair"])[0]
    mixed = book.rows(["a picture of a chair"], unknown_share=0.999, rng=np.random.default_rng(0))[
        0
    ]
    inside = slice(1, 6)
    assert torch.equal(plain[[0, 6]], mixed[[0, 6]])
    assert torch.equal(plain[7:], mixed[7:])
    assert not np.isin(mixed[inside].numpy(), book.used_tokens).any()


def test_every_caption_token_is_a_used_token(tokenizer: open_clip.SimpleTokenizer) -> None:
    names = ["red sofa", "small plants", "oven"]
    book = CaptionBook(names, tokenizer, 32)
    rng = Random(3)
    captions = [
        describe(name, (colour,), rng.choice(TEMPLATES), rng)
        for name in names
        for colour in COLOUR_WORDS
    ]
    assert np.isin(book.rows(captions).numpy(), book.used_tokens).all()


def test_book_without_names_is_refused(tokenizer: open_clip.SimpleTokenizer) -> None:
    with pytest.raises(ValueError, match="No object has a name"):
        CaptionBook([], tokenizer, 32)


@pytest.mark.parametrize(
    ("rgb", "word"),
    [
        ((10, 10, 12), "black"),
        ((250, 250, 250), "white"),
        ((128, 130, 128), "grey"),
        ((220, 20, 20), "red"),
        ((250, 140, 20), "orange"),
        ((110, 65, 30), "brown"),
        ((240, 220, 40), "yellow"),
        ((40, 160, 50), "green"),
        ((40, 190, 190), "turquoise"),
        ((40, 70, 200), "blue"),
        ((140, 50, 190), "purple"),
        ((250, 150, 170), "pink"),
    ],
)
def test_plain_colours_get_their_word(rgb: tuple[int, int, int], word: str) -> None:
    rgba = torch.full((1, 4, 4, 4), 255, dtype=torch.uint8)
    rgba[0, :3] = torch.tensor(rgb, dtype=torch.uint8).view(3, 1, 1)
    shares = colour_shares(rgba)[0]
    assert COLOUR_WORDS[int(shares.argmax())] == word
    assert shares.max() == 1


def test_background_does_not_count_as_a_colour() -> None:
    rgba = torch.zeros((2, 4, 2, 2), dtype=torch.uint8)
    rgba[0, :, 0, 0] = torch.tensor([255, 0, 0, 255])
    shares = colour_shares(rgba)
    assert shares[0, COLOUR_WORDS.index("red")] == 1
    assert shares[1].sum() == 0


def test_captions_name_no_colour_half_of_the_time() -> None:
    shares = [0.0] * len(COLOUR_WORDS)
    shares[3], shares[1] = 0.6, 0.3
    rng = Random(0)
    seen = [visible_colours(shares, rng) for _ in range(400)]
    assert set(seen) == {(), ("red", "white")}
    assert 120 < seen.count(()) < 280
    shares[1] = 0.1
    assert {visible_colours(shares, rng) for _ in range(50)} == {(), ("red",)}


def test_pictures_move_to_another_background() -> None:
    rgba = torch.zeros((1, 4, 1, 3), dtype=torch.uint8)
    rgba[0, :, 0, 0] = torch.tensor([255, 255, 255, 0])  # background
    rgba[0, :, 0, 1] = torch.tensor([10, 20, 30, 255])  # object
    rgba[0, :, 0, 2] = torch.tensor([155, 155, 155, 100])  # black at alpha 100/255 on white
    moved = on_background(rgba, torch.tensor([0.2, 0.4, 0.6]).view(1, 3, 1, 1))[0, :, 0] * 255
    assert torch.allclose(moved[:, 0], torch.tensor([51.0, 102.0, 153.0]))
    assert torch.allclose(moved[:, 1], torch.tensor([10.0, 20.0, 30.0]), atol=1e-3)
    expected = torch.tensor([51.0, 102.0, 153.0]) * 155 / 255
    assert torch.allclose(moved[:, 2], expected, atol=1e-2)


def test_augmentation_is_repeatable_and_in_range() -> None:
    rgba = torch.randint(0, 256, (6, 4, 20, 20), generator=torch.Generator().manual_seed(0))
    rgba = rgba.to(torch.uint8)
    first = augment(rgba, 16, torch.Generator().manual_seed(5))
    again = augment(rgba, 16, torch.Generator().manual_seed(5))
    other = augment(rgba, 16, torch.Generator().manual_seed(6))
    assert first.shape == (6, 3, 16, 16)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.min() >= 0
    assert first.max() <= 1


def test_contrastive_loss_ignores_pictures_of_the_same_group() -> None:
    scale = torch.tensor(1.0)
    features = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [1, 0], [0, 1]]), dim=1)
    # Rows 0 and 1 show the same: each has one negative left, row 2 has two.
    one_negative = torch.log(torch.tensor(1.0) + torch.exp(torch.tensor(-1.0)))
    two_negatives = torch.log(torch.tensor(1.0) + 2 * torch.exp(torch.tensor(-1.0)))
    loss = contrastive_loss(features, features, torch.tensor([0, 0, 1]), scale)
    assert torch.isclose(loss, (2 * one_negative + two_negatives) / 3)
    unmasked = contrastive_loss(features, features, torch.tensor([0, 1, 2]), scale)
    assert unmasked > loss


def test_name_loss_is_smaller_for_the_right_name() -> None:
    names = torch.eye(3)
    scale = torch.tensor(10.0)
    right = name_loss(names[:1], names, torch.tensor([0]), scale)
    wrong = name_loss(names[:1], names, torch.tensor([1]), scale)
    assert right < wrong


def test_suggestable_names_keep_the_most_frequent_of_a_group() -> None:
    assert suggestable_names(["couch", "sofa", "sofa", "box_2", "box"]) == ["box", "sofa"]


def test_head_sees_through_a_common_part() -> None:
    torch.manual_seed(0)
    groups = torch.tensor([0, 0, 1, 1])
    features = torch.randn(4, 8).double()
    head = NameHead(8, 2).double()
    spread = head(features, groups, features, groups)
    collapsed = 50 + 0.3 * features  # cosines above 0.999
    assert torch.nn.functional.cosine_similarity(collapsed[0], collapsed[2], dim=0) > 0.999
    assert head(collapsed, groups, collapsed, groups).item() == pytest.approx(
        spread.item(), rel=1e-2
    )


def test_head_learns_from_either_tower() -> None:
    torch.manual_seed(0)
    groups = torch.tensor([0, 0, 1, 1])
    features = torch.randn(4, 8)
    for trained in (0, 1):
        head, sides = NameHead(8, 2), [features.clone(), features.clone()]
        sides[trained].requires_grad_()
        before = head(sides[0], groups, sides[1], groups)
        (gradient,) = torch.autograd.grad(before, sides[trained])
        sides[trained] = (sides[trained] - 0.5 * gradient).detach()
        assert head(sides[0], groups, sides[1], groups) < before
