"""Measuring weights on held-out objects, at a tiny size."""

import json

import pytest
import torch

from harmony.models.small import SmallNetwork, load
from harmony.models.small.denoiser import write_defaults
from harmony.models.small.schedule import noise_schedule
from harmony.models.small.weights import save_model
from harmony.records import Guidance, SamplerSettings
from harmony.scoring_encoder import load_encoder
from harmony.training.__main__ import main
from harmony.training.finish import DEFAULTS, denoiser
from harmony.training.measure import held_out_objects, parse_scales, parse_settings, table
from harmony.training.validation import psnr, validate, view_diversity
from tests.unit.training.tiny import TINY, write_objects

CPU = torch.device("cpu")
ONE, TWO = Guidance("decomposed", 1.0, 0.0), SamplerSettings("ddim", 2, 0.0)


@pytest.fixture(scope="module", name="folder")
def make_folder(tmp_path_factory):
    folder = write_objects(tmp_path_factory.mktemp("objects"))
    torch.manual_seed(0)
    card = {"name": "small", "shift": 1.5, "config": TINY.to_json()}
    card |= {"defaults": write_defaults(DEFAULTS)}
    save_model(folder / "weights", SmallNetwork(TINY).state_dict(), card)
    return folder


@pytest.fixture(scope="module", name="objects")
def make_objects(folder):
    return held_out_objects(folder / "set", 1, 32, CPU, None)


@pytest.fixture(scope="module", name="model")
def make_model():
    torch.manual_seed(0)
    state = SmallNetwork(TINY).state_dict()
    # A fresh network's last layer is 0; without this every seed would give the same picture.
    state = {name: value + 0.1 * torch.randn_like(value) for name, value in state.items()}
    return denoiser(state, TINY, CPU)


def arguments(folder, output, *more):
    return [
        *("measure", "--weights", f"{folder / 'weights'}", "--objects", f"{folder / 'set'}"),
        *("--output", f"{output}", "--count", "1", "--steps", "2", "--device", "cpu", *more),
    ]


def test_the_command_writes_records_and_takes_a_run_up(folder, tmp_path, capsys, monkeypatch):
    output = tmp_path / "measured.json"
    more = ("--seeds", "0-1", "--cache", f"{tmp_path / 'cache'}")
    assert main(arguments(folder, output, "--rules", "1:0", *more)) == 0
    first = json.loads(output.read_text())["records"]["1:0 ddim 2"]
    assert len(first["psnr_by_seed"]) == 2
    assert first["psnr"] == pytest.approx(sum(first["psnr_by_seed"]) / 2)
    assert first["psnr_first_view"] == first["psnr_by_view"][0]
    assert first["diversity"] is None
    # The second run finds the pictures in the cache and the first record in the file.
    monkeypatch.setattr("harmony.training.measure.load_library", None)
    assert main(arguments(folder, output, "--rules", "1:0,0:0", *more)) == 0
    records = json.loads(output.read_text())["records"]
    assert records["1:0 ddim 2"] == first
    assert set(records) == {"1:0 ddim 2", "0:0 ddim 2"}
    assert capsys.readouterr().out.count("| ddim | 2 |") == 3


def test_another_run_is_refused(folder, tmp_path, capsys):
    output = tmp_path / "measured.json"
    output.write_text(json.dumps({"weights_sha256": "other", "records": {}}))
    assert main(arguments(folder, output)) == 2
    assert "weights_sha256" in capsys.readouterr().err
    assert main(arguments(folder, tmp_path / "a.json", "--count", "9")) == 2
    assert "held out" in capsys.readouterr().err


def test_the_shift_of_the_schedule_can_be_tried(folder, tmp_path, capsys):
    output = tmp_path / "measured.json"
    for shift, code in (("1.5", 0), ("6", 2)):  # the file holds the first one's records
        assert main(arguments(folder, output, "--rules", "1:0", "--shift", shift)) == code
    assert "shift" in capsys.readouterr().err
    given, tried = (load(folder / "weights", shift=shift) for shift in (None, 6.0))
    card = json.loads((folder / "weights" / "card.json").read_text())
    assert given.schedule == noise_schedule(card["shift"])
    assert tried.schedule == noise_schedule(6.0)


def test_the_share_up_to_which_guidance_acts_can_be_tried(folder, tmp_path, capsys):
    output = tmp_path / "measured.json"
    for share, code in (("0.3", 0), ("1", 2)):  # the file holds the first one's records
        assert main(arguments(folder, output, "--rules", "1:0", "--guided-share", share)) == code
    assert "guided_share" in capsys.readouterr().err
    assert load(folder / "weights", guided_share=0.3).schedule == noise_schedule(1.5, 0.3)


def test_the_bound_of_guidance_can_be_tried(folder, tmp_path, capsys):
    output = tmp_path / "measured.json"
    for bound, code in (("0.05", 0), ("inf", 2)):  # the file holds the first one's records
        assert main(arguments(folder, output, "--rules", "4:0", "--guidance-bound", bound)) == code
    assert "guidance_bound" in capsys.readouterr().err
    assert load(folder / "weights").schedule.guidance_bound is None
    assert load(folder / "weights", guidance_bound=0.05).schedule.guidance_bound == 0.05
    with pytest.raises(ValueError, match="above 0"):
        load(folder / "weights", guidance_bound=0.0)
    unbounded = tmp_path / "unbounded.json"
    assert main(arguments(folder, unbounded, "--guidance-bound", "inf")) == 0
    assert json.loads(unbounded.read_text())["guidance_bound"] is None


def test_with_an_encoder_the_true_views_have_their_d(folder, objects, tmp_path, capsys):
    output = tmp_path / "measured.json"
    assert main(arguments(folder, output, "--rules", "0:0", "--encoder", "small")) == 0
    file = json.loads(output.read_text())
    truth = file["true_views"]["diversity"]
    assert file["records"]["0:0 ddim 2"]["diversity"] is not None
    assert f"D of the true views: {truth:.3f}" in capsys.readouterr().out
    embed = load_encoder("small").embed_images
    assert truth == pytest.approx(view_diversity(objects[0].views[None], embed).item())
    assert truth > 0


def test_cached_objects_are_the_rendered_ones(folder, objects, tmp_path):
    held_out_objects(folder / "set", 1, 32, CPU, tmp_path)
    (cached,) = held_out_objects(folder / "nowhere", 1, 32, CPU, tmp_path)
    (rendered,) = objects
    assert cached.name == rendered.name
    assert torch.equal(cached.views, rendered.views)
    torch.testing.assert_close(cached.reference.pixels, rendered.reference.pixels)
    assert torch.equal(cached.reference.alpha, rendered.reference.alpha)


def test_scores_do_not_depend_on_the_batch(model, objects):
    three = [*objects, *objects, *objects]
    how = {"guidance": ONE, "settings": TWO, "seeds": (0, 5)}
    whole, split = (validate(model, three, batch=size, **how) for size in (6, 1))
    assert whole.psnr_by_view == pytest.approx(split.psnr_by_view, abs=1e-3)
    assert whole.psnr_by_seed == pytest.approx(split.psnr_by_seed, abs=1e-3)
    assert whole.spread == pytest.approx(split.spread, abs=1e-4)
    assert whole.spread > 0
    alone = validate(model, three, batch=1, guidance=ONE, settings=TWO, seeds=(5,))
    assert alone.psnr == pytest.approx(whole.psnr_by_seed[1], abs=1e-3)
    assert alone.spread == 0


def test_psnr_and_diversity_by_hand():
    black, grey = torch.zeros(3, 4, 4), torch.full((3, 4, 4), 0.1)
    assert psnr(grey, black).item() == pytest.approx(20.0, abs=1e-4)
    pictures = torch.stack([black, black, grey])[None]

    def embed(flat):
        dark = flat.flatten(1).amax(dim=1) == 0
        return torch.where(dark[:, None], torch.tensor([1.0, 0.0]), torch.tensor([0.6, 0.8]))

    assert view_diversity(pictures, embed).tolist() == pytest.approx([0.4])


def test_lists_are_read_and_refused():
    settings = parse_settings("0:0,2:1", "ddim,unipc", "4,8")
    assert len({setting.key for setting in settings}) == 8
    assert settings[0].key == "0:0 ddim 4"
    for bad in ("1", "1:2:3", "a:b"):
        with pytest.raises(ValueError, match="write them like"):
            parse_scales(bad)
    with pytest.raises(ValueError, match="12,25"):
        parse_settings("0:0", "ddim", "x")
    with pytest.raises(ValueError, match="Sampler"):
        parse_settings("0:0", "foo", "4")
    assert table([]).startswith("| s1, s2 |")
