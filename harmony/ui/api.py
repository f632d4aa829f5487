"""The page for programs: named endpoints with plain types, and no session needed.

Every call gets a folder of its own, whose name nobody can guess and which goes after an hour.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harmony.ui import texts
from harmony.ui.engine import Engine
from harmony.ui.errors import in_plain_words
from harmony.ui.events import MeshReady, RunReady, Step
from harmony.ui.settings import MESH_FORMATS, Framing, Settings
from harmony.ui.visits import Visits


class Api:
    """The endpoints' functions; their argument names are the clients' keywords."""

    def __init__(self, engine: Engine, visits: Visits) -> None:
        """Serve them from the page's own engine."""
        self.engine, self.visits = engine, visits

    @in_plain_words
    def cutout(
        self,
        picture: str | None,
        cutout: str,
        foreground: float,
        elevation_deg: float,
    ) -> tuple[Any, list[str]]:
        """Cut the object out of a picture and say what may go wrong with it.

        Args:
            picture: The picture of one object.
            cutout: Cut-out model, "u2netp" or "none"; a picture with its own mask keeps it.
            foreground: Share of the frame that the object's longer side takes, 0.1 to 1.
            elevation_deg: Elevation of the camera that took the picture, -90 to 90 degrees.

        Returns:
            The RGBA picture, and warnings in plain sentences.
        """
        if picture is None:
            raise ValueError(texts.NO_PICTURE)
        image, warnings = self.engine.cut_out(
            Path(picture), Framing(cutout, foreground, elevation_deg)
        )
        path = self.visits.lend() / "cutout.png"
        image.save(path)
        return path, list(warnings)

    @in_plain_words
    def generate(  # noqa: PLR0913, PLR0917, an endpoint's arguments are what a client may set
        self,
        picture: str | None,
        cutout: str,
        foreground: float,
        elevation_deg: float,
        rule: str,
        s1: float,
        s2: float,
        cfg_scale: float,
        sampler: str,
        num_steps: int,
        eta: float,
        instances: int,
        first_seed: int,
        object_name: str,
    ) -> Iterator[tuple[Any, ...]]:
        """Paint sixteen consistent views around the object, once for each seed.

        Args:
            picture: The picture of one object.
            cutout: Cut-out model, "u2netp" or "none"; a picture with its own mask keeps it.
            foreground: Share of the frame that the object's longer side takes, 0.1 to 1.
            elevation_deg: Elevation of the camera that took the picture, -90 to 90 degrees.
            rule: Guidance rule: "decomposed" (Eq. 7, s1 and s2), "cfg" (Eq. 3) or "none".
            s1: How closely the views follow the picture, 0 (off) to 4.
            s2: How much the views agree with each other, 0 (off) to 3.
            cfg_scale: Scale of the rule "cfg", 0 (off) to 4.
            sampler: "ddim", "dpm++" or "unipc".
            num_steps: Network steps, 1 to 1000; more take longer and look cleaner.
            eta: DDIM's eta, 0 to 1; other samplers ignore it.
            instances: Number of samples, 1 to 8.
            first_seed: Seed of the first sample; the others follow.
            object_name: What the picture shows, in a word or two; the CD score reads it.

        Streams {"step", "num_steps", "pass", "num_passes"} while it works; the last answer holds
        all pictures (sixteen for each seed, in the order of the seeds), the zip of each seed's
        views, the scores, and the recipe.
        """
        if picture is None:
            raise ValueError(texts.NO_PICTURE)
        wanted = Settings(
            framing=Framing(cutout, foreground, elevation_deg),
            rule=rule,
            s1=s1,
            s2=s2,
            cfg_scale=cfg_scale,
            sampler=sampler,
            num_steps=num_steps,
            eta=eta,
            instances=instances,
            first_seed=first_seed,
            object_name=object_name,
        )
        for event in self.engine.generate(Path(picture), wanted, self.visits.lend()):
            if isinstance(event, Step):
                progress = {
                    "step": event.step,
                    "num_steps": event.num_steps,
                    "pass": event.pass_index + 1,
                    "num_passes": event.num_passes,
                }
                yield progress, None, None, None, None
            elif isinstance(event, RunReady):
                run = event.run
                yield (
                    {"done": True, "seconds": run.seconds},
                    [picture for sample in run.samples for picture in sample.pictures],
                    [str(sample.views_zip) for sample in run.samples],
                    [{"seed": sample.seed, "score": sample.score} for sample in run.samples],
                    run.recipe,
                )

    @in_plain_words
    def score(self, views_zip: str | None, object_name: str) -> dict[str, Any]:
        """Measure the CD score (consistency and diversity) of sixteen views.

        Args:
            views_zip: A zip of views that `/generate` returned.
            object_name: What the views show, in a word or two.

        Returns:
            The score by field name: "ratio" is D / S_var, higher is better.
        """
        if views_zip is None:
            raise ValueError(texts.NO_SAMPLE)
        return self.engine.score(Path(views_zip), object_name)

    @in_plain_words
    def reconstruct(self, views_zip: str | None, quality: str) -> Iterator[tuple[Any, ...]]:
        """Build a coloured 3D mesh from sixteen views.

        Args:
            views_zip: A zip of views that `/generate` returned.
            quality: "draft", "standard" (takes longer, keeps finer shapes) or, where the page runs
                with --device cuda, "fine".

        Streams {"stage", "fraction"} while it works; the last answer holds the GLB, all files
        (GLB, OBJ in a zip with its picture, PLY, STL) and the report.
        """
        if views_zip is None:
            raise ValueError(texts.NO_SAMPLE)
        folder = self.visits.lend()
        for event in self.engine.reconstruct(Path(views_zip), quality, folder):
            if isinstance(event, MeshReady):
                files = [str(event.files.get(name)) for name in MESH_FORMATS]
                yield {"done": True}, files[0], files, event.report
            else:
                yield {"stage": event.text, "fraction": event.fraction}, None, None, None
