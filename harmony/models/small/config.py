"""The size of the small network, stored beside its weights as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from harmony.cameras import VIEW_COUNT


@dataclass(frozen=True)
class SmallConfig:
    """Architecture of `harmony.models.small.network.SmallNetwork`.

    Pictures enter as (4, image_size, image_size): RGB on white and the foreground mask. They
    are folded by 8 before the first layer, and every view becomes (image_size / 32)^2 tokens.
    """

    image_size: int = 256
    view_count: int = VIEW_COUNT
    width: int = 384  # of the transformer
    depth: int = 12  # blocks, alternating "inside a view" and "across views"
    heads: int = 6
    reference_depth: int = 4  # transformer blocks of the reference's encoder
    stem: tuple[int, int, int] = (64, 128, 192)  # channels at 1/4, 1/8 and 1/16 of the side

    def __post_init__(self) -> None:
        """Refuse sizes that cannot be folded."""
        if self.image_size % 32:
            raise ValueError(f"image_size is {self.image_size}; it must be a multiple of 32.")
        if self.width % self.heads or any(channels % 8 for channels in self.stem):
            raise ValueError("width must divide by heads, and stem channels by 8.")

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {**asdict(self), "stem": list(self.stem)}

    @staticmethod
    def from_json(values: dict[str, Any]) -> SmallConfig:
        """Rebuild the configuration.

        Raises:
            ValueError: A field is missing or unknown.
        """
        known = {field.name for field in fields(SmallConfig)}
        if set(values) != known:
            raise ValueError(f"The model's configuration must hold exactly {sorted(known)}.")
        return SmallConfig(**{**values, "stem": tuple(values["stem"])})
