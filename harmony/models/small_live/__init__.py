"""The small model distilled: it takes the dials as inputs and paints in four passes, or two."""

from harmony.models.small_live.denoiser import LiveDenoiser, load
from harmony.models.small_live.dials import MAX_CFG_SCALE, MAX_S1, MAX_S2
from harmony.models.small_live.network import LiveNetwork

__all__ = ["MAX_CFG_SCALE", "MAX_S1", "MAX_S2", "LiveDenoiser", "LiveNetwork", "load"]
