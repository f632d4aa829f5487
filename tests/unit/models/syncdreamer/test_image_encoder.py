"""CLIP's image tower through the key table against open_clip's class with OpenAI's names."""

from __future__ import annotations

import open_clip
import torch
from open_clip.transformer import QuickGELU, VisionTransformer

from harmony.models.syncdreamer.config import ImageEncoderConfig
from harmony.models.syncdreamer.image_encoder import (
    MEAN,
    STD,
    build_image_encoder,
    embed_image,
    preprocess,
)
from harmony.models.syncdreamer.key_entry import convert_tensor
from harmony.models.syncdreamer.keys_encoders import image_encoder_entries


def test_equals_openai_clip() -> None:
    torch.manual_seed(0)
    config = ImageEncoderConfig(28, 14, 32, 64, 3, 2, 20)
    theirs = VisionTransformer(28, 14, 32, 3, 2, 2.0, output_dim=20, act_layer=QuickGELU).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    ours = build_image_encoder(config).eval()
    official = {f"clip_image_encoder.model.visual.{k}": v for k, v in theirs.state_dict().items()}
    entries = list(image_encoder_entries(config.num_layers))
    assert {entry.official for entry in entries} == set(official)
    state = {
        e.ours.removeprefix("image_encoder."): convert_tensor(e, official[e.official])
        for e in entries
    }
    ours.load_state_dict(state)
    image = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        expected = theirs(preprocess(image, 28))
        actual = embed_image(ours, image)
    assert torch.allclose(actual, expected, atol=1e-5)
    assert expected.abs().max() > 0.1


def test_preprocess() -> None:
    assert open_clip.OPENAI_DATASET_MEAN == MEAN
    assert open_clip.OPENAI_DATASET_STD == STD
    ramp = torch.linspace(-1, 1, 64).expand(1, 3, 64, 64)
    pixels = preprocess(ramp, 28) * torch.tensor(STD)[:, None, None]
    pixels = pixels + torch.tensor(MEAN)[:, None, None]
    # Aligned corners keep a ramp a ramp, from end to end; other resizing would shrink it.
    assert torch.allclose(pixels[0, 0, 0], torch.linspace(0, 1, 28), atol=2e-3)
