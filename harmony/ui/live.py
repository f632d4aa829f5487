"""What is asked of the live student, what it answers, and what a visit remembers in between."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harmony.ui import texts
from harmony.ui.settings import Settings
from harmony.ui.texts import live as live_texts

if TYPE_CHECKING:
    from PIL import Image

    from harmony.models.base import MultiviewDenoiser
    from harmony.pipeline import Start
    from harmony.records import PaintedFrom, ReferenceImage

RULES = ("decomposed", "cfg", "none")
"""Guidance rules that the student serves."""
STEP_COUNTS = (2, 4)
OFF = 0
"""In place of a number of steps: a moving dial is not answered."""
KEEP_PICTURES = 2


@dataclass(frozen=True)
class LiveOffer:
    """Whether a page has live dials.

    Attributes:
        load: Loads the student, or None where there is none.
        why_not: A sentence that says why not, or nothing.
    """

    load: Callable[[], MultiviewDenoiser] | None = None
    why_not: str = ""


NO_OFFER = LiveOffer()


@dataclass(frozen=True)
class LiveRequest:
    """One position of the dials, for one picture and one seed.

    Attributes:
        picture: The file as it was given; Gradio names it after its content.
        settings: What the dials say; one sample is painted, of their first seed.
        num_steps: One of `STEP_COUNTS`.
    """

    picture: Path
    settings: Settings
    num_steps: int

    def __post_init__(self) -> None:
        if self.num_steps not in STEP_COUNTS:
            counts = ", ".join(map(str, STEP_COUNTS))
            raise ValueError(
                texts.NOT_OFFERED.format(
                    name=live_texts.STEPS, value=self.num_steps, choices=counts
                )
            )
        if self.settings.rule not in RULES:
            raise ValueError(live_texts.NOT_SERVED)


@dataclass(frozen=True)
class LivePicture:
    """A picture made ready for the student.

    Attributes:
        image_sha256: Of the file.
        cutout_used: For the recipe.
        painted_from: For the recipe.
        reference: Framed.
        start: What its runs begin from, or None where another process encodes it.
    """

    image_sha256: str
    cutout_used: str
    painted_from: PaintedFrom | None
    reference: ReferenceImage
    start: Start | None = None


@dataclass(frozen=True)
class LivePainted:
    """Sixteen views as the student painted them.

    Attributes:
        strip: All in one row.
        recipe: Everything that determines them, as JSON.
    """

    strip: Image.Image
    recipe: str


@dataclass(frozen=True)
class LiveAnswer:
    """What a position of the dials gets.

    Attributes:
        strip: All views in one row.
        recipe: Everything that determines them, as JSON.
        settings: As painted.
        limits: Scales that were asked for beyond the student's reach: name, largest value.
        seconds: From the start of the work to the strip.
    """

    strip: Image.Image
    recipe: str
    settings: Settings
    limits: tuple[tuple[str, float], ...]
    seconds: float


@dataclass(frozen=True)
class LiveBase:
    """What the page said last beside the dials that move.

    Attributes:
        picture: The file as it was given.
        settings: What the controls say.
        num_steps: One of `STEP_COUNTS`, or `OFF`.
    """

    picture: Path
    settings: Settings
    num_steps: int

    def at(self, dials: Mapping[str, float]) -> LiveRequest:
        """Return a position of the moving dials.

        Args:
            dials: "s1", "s2", "cfg_scale"; what is missing stands as the page said last.

        Raises:
            ValueError: It cannot be answered.
        """
        values: dict[str, Any] = {**dials}
        return LiveRequest(self.picture, replace(self.settings, **values), self.num_steps)


@dataclass
class LiveMemory:
    """What a visit remembers between two movements of a dial; it goes with the visit.

    Attributes:
        wanted: The newest position that waits for its answer; work for any other is stale.
        painting: The position that is being painted.
        shown: The position whose answer is on show.
        refine: The position that the full model shall paint once the student has.
        asked: How often the full model was asked to follow.
        followed: The position that it was asked to follow last.
        pictures: The last `KEEP_PICTURES`, ready for the student.
        base: What the page said last beside the moving dials; None while there is no picture.
        answered: The newest answer and its position.
        moved_at: When the short way was asked last, on the browser's clock.
    """

    wanted: LiveRequest | None = None
    painting: LiveRequest | None = None
    shown: LiveRequest | None = None
    refine: LiveRequest | None = None
    asked: int = 0
    followed: LiveRequest | None = None
    pictures: OrderedDict[Any, LivePicture] = field(default_factory=OrderedDict)
    base: LiveBase | None = None
    answered: tuple[LiveRequest, LiveAnswer] | None = None
    moved_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def want(self, request: LiveRequest) -> bool:
        """Wait for a position in the place of any other; return whether it is being painted."""
        with self._lock:
            self.wanted = request
            if self.refine != request:
                self.refine = None
            return self.painting == request

    def still_wants(self, request: LiveRequest) -> bool:
        """Return whether to go on painting a position; once it is not, it is painted no more."""
        with self._lock:
            if self.wanted == request and self.painting == request:
                return True
            self._leave(request)
            return False

    def leave(self, request: LiveRequest) -> None:
        """Note that a position is painted no more."""
        with self._lock:
            self._leave(request)

    def _leave(self, request: LiveRequest) -> None:
        if self.painting == request:
            self.painting = None

    def answer_to(self, request: LiveRequest) -> LiveAnswer | None:
        """Return the newest answer if it is that of a position."""
        answered = self.answered
        return answered[1] if answered is not None and answered[0] == request else None

    def show(self, answered: LiveRequest) -> None:
        """Note that the answer to a position is on show."""
        self.wanted, self.shown = None, answered

    def settle(self) -> None:
        """Take back what waits or is on show: something else has come in its place."""
        self.wanted = self.shown = self.refine = None

    def remember(self, key: Any, picture: LivePicture) -> LivePicture:
        """Keep a picture; the longest unused beyond `KEEP_PICTURES` goes."""
        with self._lock:
            self.pictures[key] = picture
            self.pictures.move_to_end(key)
            while len(self.pictures) > KEEP_PICTURES:
                self.pictures.popitem(last=False)
        return picture

    def take_refine(self, answered: LiveRequest) -> int | None:
        """Return a new count of `asked` if the full model shall follow now, and only once."""
        with self._lock:
            if self.refine != answered:
                return None
            self.refine, self.followed = None, answered
            self.asked += 1
            return self.asked
