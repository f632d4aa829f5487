"""What the dials say: validated before any work starts, and free of heavy imports."""

from __future__ import annotations

from dataclasses import dataclass

from harmony.ui import texts

SAMPLERS = ("ddim", "dpm++", "unipc")
RULES = ("decomposed", "decomposed-official", "cfg", "none")
CPU_QUALITIES = ("draft", "standard")
QUALITIES = (*CPU_QUALITIES, "fine")
"""Of a mesh; "fine" is for engines with a CUDA device."""
MESH_FORMATS = ("glb", "obj", "ply", "stl")
MAX_INSTANCES = 8
MAX_STEPS = 1000
MAX_SEED = 2**31 - 1
"""The page's own bound: larger whole numbers lose digits on their way through a browser."""
MAX_S1 = 4.0
MAX_S2 = 3.0
MAX_SCALE = 20.0
MAX_NAME = 80


def whole_number(name: str, value: object, low: int, high: int) -> int:
    """Return `value` as an int.

    Raises:
        ValueError: It is not a whole number from `low` to `high`.
    """
    wrong = ValueError(texts.NOT_WHOLE.format(name=name, low=low, high=high))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong
    if not low <= value <= high or value != int(value):
        raise wrong
    return int(value)


def number(name: str, value: object, low: float, high: float) -> float:
    """Return `value` as a float.

    Raises:
        ValueError: It is not a number from `low` to `high`.
    """
    wrong = ValueError(texts.NOT_NUMBER.format(name=name, low=low, high=high))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong
    # Neither NaN nor an infinity lies between, nor an integer too large for a float.
    if not low <= value <= high:
        raise wrong
    return float(value)


def choice(name: str, value: object, choices: tuple[str, ...]) -> str:
    """Return `value`.

    Raises:
        ValueError: It is none of `choices`.
    """
    if value not in choices:
        raise ValueError(
            texts.NOT_OFFERED.format(name=name, value=value, choices=", ".join(choices))
        )
    return str(value)


@dataclass(frozen=True)
class Framing:
    """How the picture becomes the reference.

    Attributes:
        cutout: Cut-out model's name.
        foreground: Share of the frame that the object's longer side takes, 0.1 to 1.
        elevation_deg: Elevation of the camera that took the picture, -90 to 90.
    """

    cutout: str
    foreground: float
    elevation_deg: float

    def __post_init__(self) -> None:
        number(texts.FOREGROUND, self.foreground, 0.1, 1.0)
        number(texts.ELEVATION, self.elevation_deg, -90.0, 90.0)


@dataclass(frozen=True)
class Settings:
    """Everything that a run needs beside the picture.

    Attributes:
        framing: How the picture becomes the reference.
        rule: Guidance rule, one of `RULES`.
        s1: Scale of Eq. 7, 0 to 20.
        s2: Scale of Eq. 7, 0 to 20.
        cfg_scale: Scale of Eq. 3, 0 to 20.
        sampler: One of `SAMPLERS`.
        num_steps: 1 to 1000.
        eta: DDIM's eta, 0 to 1.
        instances: Number of samples, 1 to 8.
        first_seed: Seed of the first sample; the others follow.
        object_name: What the CD score reads.
    """

    framing: Framing
    rule: str
    s1: float
    s2: float
    cfg_scale: float
    sampler: str
    num_steps: int
    eta: float
    instances: int
    first_seed: int
    object_name: str

    def __post_init__(self) -> None:
        choice(texts.RULE, self.rule, RULES)
        choice(texts.SAMPLER, self.sampler, SAMPLERS)
        number("s1", self.s1, 0.0, MAX_SCALE)
        number("s2", self.s2, 0.0, MAX_SCALE)
        number("s", self.cfg_scale, 0.0, MAX_SCALE)
        whole_number(texts.NUM_STEPS, self.num_steps, 1, MAX_STEPS)
        number(texts.ETA, self.eta, 0.0, 1.0)
        whole_number(texts.INSTANCES, self.instances, 1, MAX_INSTANCES)
        whole_number(texts.FIRST_SEED, self.first_seed, 0, MAX_SEED)
        if not isinstance(self.object_name, str):
            raise ValueError(texts.NO_NAME)

    @property
    def seeds(self) -> tuple[int, ...]:
        """One seed for each sample."""
        return tuple(range(int(self.first_seed), int(self.first_seed) + int(self.instances)))
