"""The shipped model: a small multi-view diffusion transformer on pictures themselves."""

from harmony.models.small.config import SmallConfig
from harmony.models.small.denoiser import SmallDenoiser, load
from harmony.models.small.network import SmallNetwork

__all__ = ["SmallConfig", "SmallDenoiser", "SmallNetwork", "load"]
