"""The loaded parts of a batch, and one item's way through them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import torch

from harmony.background import CutoutModels
from harmony.batch.items import Item
from harmony.batch.output import PICTURE, add_files, publish, staging
from harmony.batch.progress import ProgressBar
from harmony.batch.settings import Settings, choose_guidance, choose_sampler
from harmony.export import run_files, seed_folder
from harmony.images import LoadedImage, read_image
from harmony.models.base import MultiviewDenoiser
from harmony.painting.painter import Painter
from harmony.painting.prompts import object_name
from harmony.painting.record import painted_png, read_painted_from
from harmony.pipeline import Sample, SampleEvent, Scorer, generate, prepare, used_cutout
from harmony.recipe import make_recipe
from harmony.records import PaintedFrom, Recipe
from harmony.scoring_report import SUGGESTED, measure_run, name_object


class NamedScorer(Scorer, Protocol):
    """A scorer that says which encoder measures, so that its old scores can be told from others."""

    @property
    def encoder_name(self) -> str:
        """The encoder, as every `CDScore` names it."""
        ...


ModelLoader = Callable[[str, torch.device], MultiviewDenoiser]
ScorerLoader = Callable[[str, torch.device], NamedScorer]


@dataclass(frozen=True)
class Finished:
    """Views that are on disk.

    Attributes:
        recipe: What they were made with.
        scores: CD score D / S_var by seed; None where it is undefined or was not measured.
    """

    recipe: Recipe
    scores: Mapping[int, float | None]


@dataclass(frozen=True)
class Source:
    """An item's picture as a file.

    Attributes:
        data: The file's bytes.
        loaded: The same, read.
        painted_from: What it was painted from, if it was.
        name: What the object is called, as typed or from the prompt; None leaves it to the scorer.
    """

    data: bytes
    loaded: LoadedImage
    painted_from: PaintedFrom | None
    name: str | None


class Workshop:
    """Model, scorer, painter and cut-out networks; each loads at its first use."""

    def __init__(
        self,
        settings: Settings,
        device: torch.device,
        *,
        load: ModelLoader,
        load_scorer: ScorerLoader,
        bar: ProgressBar,
    ) -> None:
        """Remember how to load the parts.

        Args:
            settings: Wishes for every item.
            device: Of this process.
            load: Loads a model by its name.
            load_scorer: Loads a scorer by its name.
            bar: Where progress and sentences go.
        """
        self.settings, self.device, self.bar = settings, device, bar
        self._load, self._load_scorer = load, load_scorer
        self.painter = Painter(
            settings.text_model,
            device=device.type,
            num_steps=settings.text_steps,
            guidance_scale=settings.text_guidance,
        )
        self.titles = False
        self._cutouts = CutoutModels(on_message=bar.say)
        self._told = ""

    @cached_property
    def model(self) -> MultiviewDenoiser:
        """The denoiser."""
        return self._load(self.settings.model, self.device)

    @cached_property
    def scorer(self) -> NamedScorer | None:
        """What scores, or None where nothing is scored."""
        encoder = self.settings.encoder
        return None if encoder == "none" else self._load_scorer(encoder, self.device)

    def read(self, item: Item) -> Source:
        """Read the item's picture, painting it first where it is a prompt.

        Raises:
            ValueError: It cannot be read or painted; the sentence says why.
        """
        if item.picture is not None:
            loaded = read_image(item.picture)
            return self.source(item.picture.read_bytes(), loaded)
        assert item.prompt is not None  # an item is one of the two
        painting = self.painter.paint(
            item.prompt, self.settings.text_seed, on_progress=self._tell_painting
        )
        data = painted_png(painting.image, painting.painted_from)
        return self.source(data, read_image(data))

    def source(self, data: bytes, loaded: LoadedImage) -> Source:
        """Return a picture file with what it says of itself."""
        painted = read_painted_from(data)
        said = None if painted is None else object_name(painted.prompt)
        return Source(data, loaded, painted, self.settings.object_name or said)

    def _tell_painting(self, text: str, fraction: float | None) -> None:
        if text.startswith("Downloading") and text != self._told:
            self._told = text
            self.bar.say(f"{text}.")
        share = "" if fraction is None else f" ({fraction:.0%})"
        self.bar.stage(f"{text}{share}")

    def recipe(self, source: Source, name: str) -> Recipe:
        """Return the recipe that the settings make of a picture of an object of this name."""
        settings, model = self.settings, self.model
        return make_recipe(
            model,
            image_sha256=source.loaded.sha256,
            cutout=used_cutout(source.loaded.image, settings.cutout),
            foreground=settings.foreground,
            elevation_deg=settings.elevation_deg,
            seeds=settings.seeds,
            guidance=choose_guidance(settings, model.defaults),
            sampler=choose_sampler(settings, model.defaults),
            object_name=name,
            painted_from=source.painted_from,
        )

    def make_views(self, item: Item, folder: Path) -> Finished:
        """Make the item's views and put them into its folder, whole or not at all.

        Raises:
            ValueError: It cannot be done; the sentence says why.
        """
        with staging(folder) as temporary:
            source = self.read(item)
            settings = self.settings
            prepared = prepare(
                source.loaded.image,
                cutout=settings.cutout,
                foreground=settings.foreground,
                elevation_deg=settings.elevation_deg,
                image_size=self.model.image_size,
                cutout_models=self._cutouts,
            )
            title = f"{item.name}: " if self.titles else ""
            for sentence in dict.fromkeys((*source.loaded.notes, *prepared.warnings)):
                self.bar.say(title + sentence)
            named = name_object(source.name, self.scorer, prepared.reference)
            if named.source == SUGGESTED:
                self.bar.say(f"{title}Scored as {named.name!r}, a guess ({named.probability:.0%}).")
            recipe = self.recipe(source, named.name)
            samples: list[Sample] = []
            run = generate(
                self.model, prepared.reference, recipe, scorer=self.scorer, preview_every=0
            )
            with closing(run):
                for event in run:
                    if isinstance(event, SampleEvent):
                        samples.append(event.sample)
                    else:
                        self.bar.step(f"{item.name}, " if self.titles else "", event)
            painted = [(PICTURE, source.data)] if item.prompt is not None else []
            views = [sample.views for sample in samples]
            measures = measure_run(views, prepared.reference, self.scorer)
            publish([*painted, *run_files(samples, recipe, measures)], temporary, folder)
        ratios = {s.seed: None if s.score is None else s.score.ratio for s in samples}
        return Finished(recipe, ratios)

    def make_mesh(self, folder: Path, seed: int) -> Path:
        """Make the mesh of one seed from the files of its views, and put it beside them.

        Raises:
            ValueError: It cannot be done; the sentence says why.
        """
        from harmony.reconstruction import reconstruct
        from harmony.reconstruction.files import write_mesh
        from harmony.view_files import read_views

        target = self.mesh_file(folder, seed)
        views = read_views(target.parent)
        assert self.settings.quality is not None  # somebody wished for a mesh
        result = reconstruct(
            views,
            quality=self.settings.quality,
            device=self.device,
            on_progress=lambda at: self.bar.stage(f"mesh of seed {seed}: {at.stage}"),
        )
        with staging(folder) as temporary:
            write_mesh(result.mesh, temporary / target.name, photographs=result.photographs)
            # The named file last: where it is, everything beside it is there too.
            beside = sorted(temporary.iterdir(), key=lambda file: file.name == target.name)
            add_files(beside, target.parent)
        return target

    def mesh_file(self, folder: Path, seed: int) -> Path:
        """Return where the mesh of one seed goes."""
        settings = self.settings
        return folder / seed_folder(seed) / f"mesh-{settings.quality}.{settings.mesh_format}"
