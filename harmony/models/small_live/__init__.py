"""The small model distilled: it takes the dials as inputs and paints in four passes, or two."""

from harmony.models.small_live.denoiser import LiveDenoiser, load
from harmony.models.small_live.network import LiveNetwork

__all__ = ["LiveDenoiser", "LiveNetwork", "load"]
