import json

from harmony.ui.inputs import Defaults
from harmony.ui.loading import DEVICES, standard_defaults, standard_engine

CARD = {
    "defaults": {
        "guidance": {"rule": "cfg", "s1": 0.5, "s2": 0.25, "cfg_scale": 1.5},
        "sampler": {"sampler": "unipc", "num_steps": 12, "eta": 0.0},
        "why": "It was measured.",
    }
}


def test_the_dials_start_where_the_models_card_says(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "card.json").write_text(json.dumps(CARD))
    for model, weights in (("small", tmp_path), (str(folder), tmp_path / "elsewhere")):
        start = standard_defaults(model, weights=weights)
        assert (start.rule, start.s1, start.s2, start.cfg_scale) == ("cfg", 0.5, 0.25, 1.5)
        assert (start.sampler, start.num_steps, start.eta) == ("unipc", 12, 0.0)
        assert start.why == "It was measured."


def test_a_model_without_a_card_starts_at_the_papers_settings(tmp_path):
    assert standard_defaults("syncdreamer", weights=tmp_path) == Defaults()
    assert (Defaults().s1, Defaults().s2, Defaults().num_steps) == (2.0, 1.0, 50)


def test_only_a_device_that_is_named_is_relied_upon_for_fine_meshes():
    offered = {device: standard_engine("small", device).qualities for device in DEVICES}
    assert {device for device, names in offered.items() if "fine" in names} == {"cuda"}


def test_only_the_papers_network_offers_the_released_rule():
    assert "decomposed-official" in standard_engine("syncdreamer", "cpu").rules
    assert "decomposed-official" not in standard_engine("small", "cpu").rules
