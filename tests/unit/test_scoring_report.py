"""The object's name and the measures beside the CD score."""

import json
from pathlib import Path

import pytest
import torch

from harmony.export import scores_json
from harmony.pipeline import Sample
from harmony.records import ReferenceImage, Views
from harmony.scoring import CDScorer
from harmony.scoring_report import measure_run, name_object
from tests.tiny_clip import save_tiny_clip


@pytest.fixture(scope="module", name="scorer")
def make_scorer(tmp_path_factory: pytest.TempPathFactory) -> CDScorer:
    folder: Path = save_tiny_clip(tmp_path_factory.mktemp("tiny-clip"))
    return CDScorer.load(folder)


def reference(elevation_deg: float = 30.0) -> ReferenceImage:
    return ReferenceImage(torch.zeros(3, 32, 32), torch.ones(1, 32, 32), elevation_deg)


def views(seed: int) -> Views:
    pixels = torch.rand(1, 4, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
    return Views(pixels, pixels[:, :, :1])


def test_a_typed_name_comes_first(scorer: CDScorer) -> None:
    named = name_object(" red cup ", scorer, reference())
    assert (named.name, named.source, named.probability) == ("red cup", "typed", None)


def test_a_sure_guess_is_taken_and_an_unsure_one_told(scorer: CDScorer) -> None:
    sure = name_object(None, scorer, reference(), least_probability=0.0)
    assert sure.source == "suggested"
    assert sure.name in scorer.encoder.names
    assert sure.probability is not None
    assert 1 / len(scorer.encoder.names) <= sure.probability <= 1
    unsure = name_object("  ", scorer, reference(), least_probability=1.1)
    assert (unsure.name, unsure.source) == ("object", "default")
    assert (unsure.guess, unsure.probability) == (sure.name, sure.probability)


def test_without_a_scorer_it_is_an_object() -> None:
    named = name_object(None, None, reference())
    assert (named.name, named.source, named.guess) == ("object", "default", None)


def test_measures_of_a_run_agree_with_the_scorer(scorer: CDScorer) -> None:
    measures = measure_run([views(0), views(1), views(0)], reference(), scorer)
    assert len(measures.samples) == 3
    assert measures.samples[0] == measures.samples[2]
    assert measures.seed_diversity[0][2] == pytest.approx(0, abs=1e-5)
    assert measures.seed_diversity[0][1] > 1e-4
    embedded = scorer.embed(views(1)).views[0]
    expected = (embedded * embedded.roll(-1, dims=0)).sum(dim=1).mean()
    assert measures.samples[1].neighbour_consistency == pytest.approx(float(expected), abs=1e-5)
    assert measures.mean_seed_diversity == pytest.approx(
        sum(measures.seed_diversity[a][b] for a, b in ((0, 1), (0, 2), (1, 2))) / 3, abs=1e-6
    )


def test_pixels_are_compared_without_a_scorer_and_only_at_30_degrees() -> None:
    (sample,) = measure_run([views(0)], reference()).samples
    assert sample.agreement is not None
    assert sample.neighbour_consistency is None
    (other,) = measure_run([views(0)], reference(10.0)).samples
    assert other.agreement is None
    with pytest.raises(ValueError, match="no sample"):
        measure_run([], reference())


def test_scores_json_holds_it_all_and_stays_json(scorer: CDScorer) -> None:
    same = Views(torch.full((1, 4, 3, 32, 32), 0.5), torch.ones(1, 4, 1, 32, 32))
    samples = [Sample(3, same, scorer.score(same, "cup")[0]), Sample(5, views(0), None)]
    measures = measure_run([sample.views for sample in samples], reference(), scorer)
    text = scores_json(samples, "cup", measures)
    content = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    first, second = content["scores"]
    # View 0 is the input picture itself: its PSNR is infinite, which JSON does not have.
    assert first["view_0_psnr_db"] is None
    assert first["view_0_ssim"] == pytest.approx(1)
    assert second["view_0_psnr_db"] > 0
    assert len(second["neighbour_consistency_by_view"]) == 4
    assert content["mean_seed_diversity"] == content["seed_diversity"][0][1]
    plain = json.loads(scores_json(samples, "cup"))
    assert set(plain) == {"object_name", "encoder", "scores"}
