"""One generated sample against the truth: all measures of one record."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from jaxtyping import Float
from torch import Tensor

from harmony.evaluation.dataset import EvaluationObject
from harmony.evaluation.flow import FlowEstimator, neighbour_flows
from harmony.evaluation.geometry import chamfer_distance, volume_iou
from harmony.evaluation.metrics import flow_error, psnr, ssim, to_side
from harmony.evaluation.perceptual import Perceptual
from harmony.reconstruction import reconstruct
from harmony.records import CDScore, Mesh, ReferenceImage, Views
from harmony.scoring import CDScorer
from harmony.scoring_views import neighbour_consistency

MAX_PSNR = 100.0
"""Stands for the infinite PSNR of equal pictures, which JSON cannot hold."""


@dataclass(frozen=True)
class SampleRecord:
    """All measures of one sample; None means not available or not defined.

    Attributes:
        object_name: Of the dataset.
        rule: As `rules.rule_text` writes it.
        seed: Of the sample.
        psnr: Mean over the 16 views, in dB.
        psnr_first_view: Of view 0.
        psnr_other_views: Mean over views 1 to 15.
        ssim: Mean over the views, data range taken from each pair as in the published tables.
        lpips: Mean over the views.
        e_flow: Against the truth's flows, in pixels.
        cd_diversity: D, official scaling.
        cd_semantic_variance: S_var, official scaling.
        cd: D / S_var, official scaling.
        cd_paper: The CD score as printed, with the input picture as the reference.
        neighbour_consistency: Mean cosine of neighbouring views.
        chamfer: Of the reconstructed mesh.
        volume_iou: Of the reconstructed mesh.
        mesh_failure: Why there is no mesh, where reconstruction was asked for and refused.
        seed_spread: Standard deviation of a pixel in [0, 1] across the run's seeds, averaged; the
            same for all samples of an object and rule, None for one seed.
    """

    object_name: str
    rule: str
    seed: int
    psnr: float
    psnr_first_view: float
    psnr_other_views: float
    ssim: float | None
    lpips: float | None
    e_flow: float | None
    cd_diversity: float | None = None
    cd_semantic_variance: float | None = None
    cd: float | None = None
    cd_paper: float | None = None
    neighbour_consistency: float | None = None
    chamfer: float | None = None
    volume_iou: float | None = None
    mesh_failure: str | None = None
    seed_spread: float | None = None


@dataclass(frozen=True)
class Instruments:
    """What measures; PSNR needs none.

    Attributes:
        scorer: For the CD score; None leaves it out.
        flow: For E_flow; None leaves it out.
        lpips: None leaves it out.
        reconstructs: Whether each sample becomes a mesh.
        ssim: Whether SSIM is measured.
    """

    scorer: CDScorer | None
    flow: FlowEstimator | None
    lpips: Perceptual | None
    reconstructs: bool = False
    ssim: bool = True


@dataclass(frozen=True)
class Truth:
    """What the samples of one object are compared with.

    Attributes:
        item: The object.
        views: Its true views in [0, 1].
        flows: Between them, where flow is measured.
    """

    item: EvaluationObject
    views: Float[Tensor, "16 3 H H"]
    flows: Float[Tensor, "16 2 2 H H"] | None


def load_truth(item: EvaluationObject, instruments: Instruments) -> Truth:
    """Read an object's views and find the flows between them."""
    views = item.views()
    flows = None if instruments.flow is None else neighbour_flows(views, instruments.flow)
    return Truth(item, views, flows)


def as_saved(views: Float[Tensor, "16 3 h h"], side: int) -> Float[Tensor, "16 3 H H"]:
    """Return the views as a file holds them (8 bit), brought to the truth's size."""
    return to_side((views.float().clamp(0, 1) * 255).round() / 255, side)


def measure_sample(
    views: Views,
    truth: Truth,
    reference: ReferenceImage,
    instruments: Instruments,
    *,
    rule: str,
    seed: int,
) -> SampleRecord:
    """Measure one sample.

    Args:
        views: With S = 1, on the CPU.
        truth: Of the object.
        reference: The input picture, for the CD score as printed.
        instruments: What measures.
        rule: For the record.
        seed: For the record.
    """
    pictures = as_saved(views.pixels[0], truth.views.shape[-1])
    pairs = list(zip(pictures, truth.views, strict=True))
    psnrs = [min(psnr(one, true), MAX_PSNR) for one, true in pairs]
    return SampleRecord(
        object_name=truth.item.name,
        rule=rule,
        seed=seed,
        psnr=fmean(psnrs),
        psnr_first_view=psnrs[0],
        psnr_other_views=fmean(psnrs[1:]),
        ssim=fmean(ssim(*pair, data_range=None) for pair in pairs) if instruments.ssim else None,
        lpips=_lpips(pictures, truth, instruments),
        e_flow=_e_flow(pictures, truth, instruments),
        **_cd_scores(views, truth.item.name, reference, instruments.scorer),
        **(_mesh_measures(views, truth.item) if instruments.reconstructs else {}),
    )


def _lpips(pictures: Tensor, truth: Truth, instruments: Instruments) -> float | None:
    if instruments.lpips is None:
        return None
    return float(instruments.lpips(pictures, truth.views).mean())


def _e_flow(pictures: Tensor, truth: Truth, instruments: Instruments) -> float | None:
    if instruments.flow is None or truth.flows is None:
        return None
    return flow_error(neighbour_flows(pictures, instruments.flow), truth.flows)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _cd_scores(
    views: Views, object_name: str, reference: ReferenceImage, scorer: CDScorer | None
) -> dict[str, Any]:
    if scorer is None:
        return {}
    embeddings = scorer.embed(views, reference)
    official: CDScore = scorer.score(embeddings, object_name)[0]
    printed: CDScore = scorer.score(embeddings, object_name, scaling="paper")[0]
    return {
        "cd_diversity": official.diversity,
        "cd_semantic_variance": official.semantic_variance,
        "cd": _finite(official.ratio),
        "cd_paper": _finite(printed.ratio),
        "neighbour_consistency": float(neighbour_consistency(embeddings.views)[0][0]),
    }


def _mesh_measures(views: Views, item: EvaluationObject) -> dict[str, Any]:
    true_mesh = item.mesh()
    if true_mesh is None:
        return {"mesh_failure": "The dataset has no mesh of this object."}
    try:
        mesh: Mesh = reconstruct(views).mesh
    except ValueError as error:
        return {"mesh_failure": str(error)}
    pair = (mesh.vertices, mesh.faces, *true_mesh)
    return {"chamfer": chamfer_distance(*pair), "volume_iou": volume_iou(*pair)}
