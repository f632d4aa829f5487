"""From the sixteen views of one sample to a coloured, closed mesh."""

from harmony.reconstruction.pipeline import QUALITIES, reconstruct
from harmony.reconstruction.records import Progress, Reconstruction, ReconstructionReport

__all__ = ["QUALITIES", "Progress", "Reconstruction", "ReconstructionReport", "reconstruct"]
