"""Numbers that tell the networks which timestep and which view they see."""

from __future__ import annotations

import math

import torch
from diffusers.models.embeddings import get_timestep_embedding
from jaxtyping import Float, Int
from torch import Tensor

from harmony.cameras import ELEVATION_DEG


def timestep_sinusoid(timesteps: Int[Tensor, " B"], dim: int) -> Float[Tensor, "B dim"]:
    """Return [cos(t f), sin(t f)] with f_i = exp(-ln(10000) i / (dim/2)), cosines first."""
    return get_timestep_embedding(timesteps, dim, flip_sin_to_cos=True, downscale_freq_shift=0)


def view_embedding(elevation_rad: Float[Tensor, " B"], view_count: int) -> Float[Tensor, "B N 4"]:
    """Return Zero123's four numbers (E - e, sin(a_n - a_0), cos(a_n - a_0), 0) for each view.

    Zero123 stores differences of polar angles (measured from the top), which is why the
    difference of elevations E - e (input minus target) has this sign.

    Args:
        elevation_rad: E, elevation of the input camera; positive is above the object.
        view_count: N target views, evenly spaced, a_0 = 0, all at e = 30 deg.
    """
    # The official code wraps azimuths to [-pi, pi) first; sine and cosine do not notice.
    azimuths = torch.arange(view_count, dtype=torch.float64) * (2 * math.pi / view_count)
    azimuths = azimuths.to(elevation_rad)
    delta = (elevation_rad - math.radians(ELEVATION_DEG))[:, None].expand(-1, view_count)
    sin = azimuths.sin().expand_as(delta)
    cos = azimuths.cos().expand_as(delta)
    return torch.stack([delta, sin, cos, torch.zeros_like(delta)], dim=-1)
