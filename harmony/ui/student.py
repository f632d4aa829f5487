"""The live student: a distilled model that answers a moving dial with one sample.

Where it works in other processes, see `harmony.ui.pooled_engine`.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PIL import Image

from harmony.background import CutoutModels
from harmony.images import read_image
from harmony.ui.faults import guarded
from harmony.ui.interrupting import NoLongerWantedError, interruptible, slow_network
from harmony.ui.lazy import Lazy
from harmony.ui.live import LiveAnswer, LiveMemory, LivePainted, LivePicture, LiveRequest
from harmony.ui.settings import Settings
from harmony.ui.strips import make_strip

if TYPE_CHECKING:
    from torch import Tensor

    from harmony.models.base import MultiviewDenoiser
    from harmony.recipe import Recipe

KEEP_NOISE = 4
"""Seeds whose first noise is kept, for all visitors: it depends on nothing of theirs."""


class Student:
    """The student of one process.

    Attributes:
        model: Loads at the first answer.
    """

    scorer = None

    def __init__(self, load_model: Callable[[], Any], cutouts: CutoutModels) -> None:
        """Remember how to load it.

        Args:
            load_model: Returns a `DistilledDenoiser`.
            cutouts: Those of the page, so that none is loaded twice.
        """
        self.model: Lazy[Any] = Lazy(load_model)
        self._cutouts = cutouts
        self._noise: OrderedDict[int, Tensor] = OrderedDict()

    @property
    def kept_seeds(self) -> tuple[int, ...]:
        """Seeds whose first noise is kept."""
        return tuple(self._noise)

    @guarded
    def answer(
        self,
        request: LiveRequest,
        memory: LiveMemory,
        wanted: Callable[[], bool] = lambda: True,
    ) -> Iterator[LiveAnswer | None]:
        """Paint one position of the dials.

        Args:
            request: The position; scales beyond the student's reach are painted at its end.
            memory: Of the visit; what it lacks is added.
            wanted: Whether it is; where it is not, the work ends inside its step. On a GPU,
                whose steps are short, nobody is asked: close the iterator between two steps.

        Returns:
            An iterator that yields None after each step, and the answer at its end unless that
            is no longer wanted; closing it stops the work.

        Raises:
            ValueError: The picture or a setting will not do; the sentence says why.
        """
        started = time.monotonic()
        picture = self._picture(request, memory)
        reached, limits = within_reach(request.settings)
        try:
            with interruptible(slow_network(self.model.get()), wanted):
                for painted in self.paint(picture, replace(request, settings=reached)):
                    seconds = time.monotonic() - started
                    yield painted and LiveAnswer(
                        painted.strip, painted.recipe, reached, limits, seconds
                    )
        except NoLongerWantedError:
            return

    def _picture(self, request: LiveRequest, memory: LiveMemory) -> LivePicture:
        framing, state = request.settings.framing, request.picture.stat()
        key = (request.picture, state.st_mtime_ns, state.st_size, framing)
        known = memory.pictures.get(key)
        return memory.remember(key, known or self.encoded(self._prepared(request)))

    def _prepared(self, request: LiveRequest) -> LivePicture:
        from harmony.painting.record import read_painted_from
        from harmony.pipeline import prepare

        loaded, framing = read_image(request.picture), request.settings.framing
        prepared = prepare(
            loaded.image,
            cutout=framing.cutout,
            foreground=framing.foreground,
            elevation_deg=framing.elevation_deg,
            image_size=self.model.get().image_size,
            cutout_models=self._cutouts,
        )
        painted_from = read_painted_from(request.picture.read_bytes())
        return LivePicture(loaded.sha256, prepared.cutout_used, painted_from, prepared.reference)

    def encoded(self, picture: LivePicture) -> LivePicture:
        """Return the picture with what its runs begin from."""
        from harmony.pipeline import encode

        return replace(picture, start=encode(self.model.get(), picture.reference))

    def paint(self, picture: LivePicture, request: LiveRequest) -> Iterator[LivePainted | None]:
        """Paint within the student's reach: None after each step, then the views."""
        from harmony.pipeline import SampleEvent, generate, to_uint8
        from harmony.recipe import recipe_to_json

        model, seed = self.model.get(), int(request.settings.first_seed)
        recipe = live_recipe(model, picture, request)
        assert picture.start is not None  # `encoded` has been there
        start = replace(picture.start, noise=self._noise_of(model, seed))
        # The views become bytes where they are, so that a GPU hands over 3 MB and not 17.
        for event in generate(model, start, recipe, preview_every=0, views_device=model.device):
            if isinstance(event, SampleEvent):
                views = to_uint8(event.sample.views.pixels)[0]
                strip = make_strip([Image.fromarray(view) for view in views])
                yield LivePainted(strip, recipe_to_json(recipe))
            else:
                yield None

    def _noise_of(self, model: MultiviewDenoiser, seed: int) -> dict[int, Tensor]:
        from harmony.pipeline import first_noise

        if seed not in self._noise:
            self._noise[seed] = first_noise(model, seed)
            while len(self._noise) > KEEP_NOISE:
                self._noise.popitem(last=False)
        return {seed: self._noise[seed]}


def while_wanted(
    student: Student, live: LiveMemory, wanted: LiveRequest
) -> Iterator[LiveAnswer | None]:
    """Paint the position that a visit waits for, for as long as it does.

    Returns:
        What `Student.answer` does; the answer is remembered as the newest of the visit.
    """
    live.painting = wanted
    try:
        for event in student.answer(wanted, live, lambda: live.still_wants(wanted)):
            if not live.still_wants(wanted):
                return
            if event is not None:
                live.answered = wanted, event
            yield event
    finally:
        live.leave(wanted)


def live_recipe(model: MultiviewDenoiser, picture: LivePicture, request: LiveRequest) -> Recipe:
    """Return the recipe of an answer.

    Raises:
        ValueError: A setting is out of its range.
    """
    from harmony.recipe import make_recipe
    from harmony.records import Guidance, SamplerSettings

    settings = request.settings
    return make_recipe(
        model,
        image_sha256=picture.image_sha256,
        cutout=picture.cutout_used,
        foreground=settings.framing.foreground,
        elevation_deg=settings.framing.elevation_deg,
        seeds=(int(settings.first_seed),),
        guidance=Guidance(settings.rule, settings.s1, settings.s2, settings.cfg_scale),
        sampler=SamplerSettings("ddim", request.num_steps, 0.0),
        object_name=settings.object_name,
        painted_from=picture.painted_from,
    )


def within_reach(settings: Settings) -> tuple[Settings, tuple[tuple[str, float], ...]]:
    """Return the settings with scales no larger than the student has learned, and those cut."""
    from harmony.models.small_live.dials import SCALES

    cut = [
        (attribute, name, largest)
        for attribute, name, largest in SCALES[settings.rule]
        if getattr(settings, attribute) > largest
    ]
    values: dict[str, Any] = {attribute: largest for attribute, _, largest in cut}
    return replace(settings, **values), tuple((name, largest) for _, name, largest in cut)
