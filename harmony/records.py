"""The frozen records that travel between two stages.

Letters in shapes: S samples (seeds), N views, H image side, C latent channels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor


class Branch(StrEnum):
    """What the network is told when it predicts; every prediction carries one of these names."""

    FULL = "full"
    """The reference picture and all noisy views."""
    NO_REFERENCE = "no_reference"
    """The noisy views only."""
    NO_VIEWS = "no_views"
    """The reference only."""
    NO_VIEWS_OFFICIAL = "no_views_official"
    """As NO_VIEWS with the released code's factor 4 on the input latent (SyncDreamer only)."""
    UNCONDITIONAL = "unconditional"
    """Neither."""


Predictions = Mapping[Branch, Float[Tensor, "S N C h w"]]
"""Network outputs for the same latents and timestep, by branch."""


@dataclass(frozen=True)
class ReferenceImage:
    """The framed input picture.

    Attributes:
        pixels: (3, H, H) in [-1, 1], composited on white.
        alpha: (1, H, H) in [0, 1].
        elevation_deg: Elevation of the camera that took it; positive is above the object.
    """

    pixels: Float[Tensor, "3 H H"]
    alpha: Float[Tensor, "1 H H"]
    elevation_deg: float


@dataclass(frozen=True)
class Condition:
    """A reference as one model encoded it; only that model reads `tensors`."""

    tensors: Mapping[str, Tensor]


@dataclass(frozen=True)
class Views:
    """Sixteen pictures for each sample.

    Attributes:
        pixels: (S, N, 3, H, H) in [0, 1], composited on white.
        alpha: (S, N, 1, H, H) in [0, 1], the foreground mask.
    """

    pixels: Float[Tensor, "S N 3 H H"]
    alpha: Float[Tensor, "S N 1 H H"]


@dataclass(frozen=True)
class Guidance:
    """A guidance rule and its scales; 0 means off for every scale.

    Attributes:
        rule: "none", "cfg" (Eq. 3), "decomposed" (Eq. 7) or "decomposed-official"
            (Eq. 7 as released, with a factor 4 on the input latent of one branch).
        s1: Consistency with the reference (Eq. 7).
        s2: Agreement and diversity of the novel views (Eq. 7).
        cfg_scale: s of Eq. 3.
    """

    rule: str = "decomposed"
    s1: float = 2.0
    s2: float = 1.0
    cfg_scale: float = 1.0


@dataclass(frozen=True)
class SamplerSettings:
    """How the reverse process is walked.

    Attributes:
        sampler: A key of `harmony.sampling.SAMPLERS`.
        num_steps: Number of network steps, 1 to 1000.
        eta: DDIM's eta in [0, 1]; ignored by deterministic samplers.
    """

    sampler: str = "ddim"
    num_steps: int = 50
    eta: float = 1.0


@dataclass(frozen=True)
class CDScore:
    """Consistency-diversity score of one sample (Eq. 8-10).

    Attributes:
        diversity: D; higher means that the views differ more.
        semantic_variance: S_var; lower means that the views agree in what they show.
        ratio: D / S_var, or None where S_var is 0 or a term is not finite.
        scaling: "official" (as in the published tables) or "paper" (Eq. 8-10 as printed).
        encoder: The CLIP model that measured; values of different encoders do not compare.
        view_distances: Each view's term of D.
        text_similarities: Each view's cosine with "An image of {object name}".
    """

    diversity: float
    semantic_variance: float
    ratio: float | None
    scaling: str
    encoder: str
    view_distances: tuple[float, ...] = ()
    text_similarities: tuple[float, ...] = ()


@dataclass(frozen=True)
class Mesh:
    """A coloured triangle mesh in the canonical world (z up, object in the unit cube).

    Attributes:
        vertices: (V, 3) float32 world coordinates.
        faces: (F, 3) int32, counter-clockwise seen from outside.
        vertex_colors: (V, 3) float32 sRGB in [0, 1].
    """

    vertices: Float[np.ndarray, "V 3"]
    faces: Int[np.ndarray, "F 3"]
    vertex_colors: Float[np.ndarray, "V 3"]


@dataclass(frozen=True)
class PaintedFrom:
    """Where a picture comes from that a text-to-image model painted.

    Attributes:
        prompt: What the user wrote.
        model: Id of the hub, or a folder's name.
        revision: The hub's commit; None for a folder.
        seed: Of the generator that drew the noise.
        num_steps: Network steps.
        guidance_scale: Scale of the text's guidance.
    """

    prompt: str
    model: str
    revision: str | None
    seed: int
    num_steps: int
    guidance_scale: float


@dataclass(frozen=True)
class Recipe:
    """Everything that determines a result; equal recipes give equal bytes on one device.

    Attributes:
        image_sha256: Of the picture file as it was given.
        cutout: Cut-out model's name, or "alpha" where the picture's own mask was kept.
        foreground: Share of the frame that the object's longer side takes; None keeps
            the picture as it is framed.
        elevation_deg: Elevation of the input camera.
        seeds: One sample each.
        guidance: Rule and scales.
        sampler: Sampler settings.
        model: Model name.
        weights_sha256: Of the model's weights.
        object_name: The word that the CD score reads.
        versions: Versions of the packages that take part.
        painted_from: The description that the picture was painted from, or None.
    """

    image_sha256: str
    cutout: str
    foreground: float | None
    elevation_deg: float
    seeds: tuple[int, ...]
    guidance: Guidance
    sampler: SamplerSettings
    model: str
    weights_sha256: str
    object_name: str = "object"
    versions: Mapping[str, str] = field(default_factory=dict)
    painted_from: PaintedFrom | None = None
