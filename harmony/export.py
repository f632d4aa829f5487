"""Files of a finished run: pictures, strips, cameras, one zip. Same samples, same bytes."""

from __future__ import annotations

import csv
import io
import json
import math
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float
from PIL import Image

from harmony.cameras import Cameras, target_cameras
from harmony.pipeline import Sample, to_uint8
from harmony.recipe import recipe_png_info, recipe_to_json
from harmony.records import CDScore, Recipe, Views
from harmony.scoring_report import RunMeasures, run_json, sample_json
from harmony.video import turntable_mp4
from harmony.whole_file import whole_file

GIF_FRAME_MS = 120
PNG_LEVEL = 4  # faster than PNG's usual 6, for files that are hardly larger
Encoding = tuple[str, Callable[[], bytes]]
"""A file's name, and what makes its content."""
ZIP_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can hold: equal runs give equal archives."""


def view_images(views: Views) -> list[list[Image.Image]]:
    """Return RGB pictures on white, one list of N for each sample."""
    return [[Image.fromarray(view) for view in sample] for sample in to_uint8(views.pixels)]


def mask_images(views: Views) -> list[list[Image.Image]]:
    """Return greyscale masks, one list of N for each sample."""
    masks = to_uint8(views.alpha.expand_as(views.pixels))[..., 0]
    return [[Image.fromarray(mask) for mask in sample] for sample in masks]


def cutout_images(views: Views) -> list[list[Image.Image]]:
    """Return RGBA pictures without the white, one list of N for each sample.

    Colour is straight: (pixels - (1 - alpha)) / alpha, and white where alpha is 0; on white they
    are the views again, up to the rounding to bytes. Only the bytes of views and masks count, so
    that views which were read from files give the same.
    """
    pixels = to_uint8(views.pixels).astype(np.float32) / 255
    alpha = to_uint8(views.alpha.expand_as(views.pixels))[..., :1].astype(np.float32) / 255
    colour = np.where(alpha > 0, (pixels - 1 + alpha) / alpha.clip(1 / 255), 1.0).clip(0, 1)
    rgba = np.concatenate([colour, alpha], axis=-1)
    return [
        [Image.fromarray(view) for view in sample]
        for sample in np.rint(rgba * 255).astype(np.uint8)
    ]


def strip(images: Sequence[Image.Image]) -> Image.Image:
    """Return equal-sized pictures side by side.

    Raises:
        ValueError: There is none, or the sizes differ.
    """
    if not images or len({image.size for image in images}) != 1:
        raise ValueError("A strip needs one or more pictures of the same size.")
    width, height = images[0].size
    result = Image.new(images[0].mode, (width * len(images), height))
    for index, image in enumerate(images):
        result.paste(image, (index * width, 0))
    return result


def png_bytes(image: Image.Image, recipe: Recipe | None = None) -> bytes:
    """Return the picture as a PNG file, with the recipe in its metadata where given."""
    buffer = io.BytesIO()
    info = None if recipe is None else recipe_png_info(recipe)
    image.save(buffer, "PNG", pnginfo=info, compress_level=PNG_LEVEL)
    return buffer.getvalue()


def turntable_gif(images: Sequence[Image.Image], *, frame_ms: int = GIF_FRAME_MS) -> bytes:
    """Return an endless turntable as a GIF file, each frame with its own palette."""
    frames = [image.convert("P", palette=Image.Palette.ADAPTIVE) for image in images]
    buffer = io.BytesIO()
    frames[0].save(
        buffer, "GIF", save_all=True, append_images=frames[1:], duration=frame_ms, loop=0
    )
    return buffer.getvalue()


def _json(values: object) -> str:
    return json.dumps(values, indent=2, allow_nan=False) + "\n"


def cameras_json(cameras: Cameras) -> str:
    """Return the cameras as JSON, in this project's conventions, which it names."""
    return _json(
        {
            "conventions": "world z up, right-handed; cameras OpenCV (x right, y down, z forward); "
            "poses are world to camera [R | t]; pixel (i, j) covers [i, i+1) x [j, j+1)",
            "image_size": cameras.image_size,
            "intrinsics": cameras.intrinsics.tolist(),
            "azimuths_deg": cameras.azimuths_deg.tolist(),
            "elevations_deg": cameras.elevations_deg.tolist(),
            "poses": cameras.poses.tolist(),
        }
    )


def camera_to_world_opengl(pose: Float[np.ndarray, "3 4"]) -> Float[np.ndarray, "4 4"]:
    """Turn a world-to-camera OpenCV pose into NeRF's camera-to-world OpenGL matrix."""
    rotation, translation = pose[:, :3].T, pose[:, 3]
    matrix = np.eye(4)
    # OpenGL cameras look along -z with y up: the second and third axis change sign.
    matrix[:3, :3] = rotation * np.array([1.0, -1.0, -1.0])
    matrix[:3, 3] = -rotation @ translation
    return matrix


def nerf_transforms_json(cameras: Cameras) -> str:
    """Return `transforms.json` as NeRF programs read it, for the RGBA `view-00.png` and on."""
    size, focal = cameras.image_size, float(cameras.intrinsics[0, 0])
    frames = [
        {
            "file_path": f"view-{index:02d}.png",
            "transform_matrix": camera_to_world_opengl(pose).tolist(),
        }
        for index, pose in enumerate(cameras.poses)
    ]
    pinhole = {
        "camera_model": "OPENCV",
        "camera_angle_x": 2 * math.atan(size / (2 * focal)),
        **{"fl_x": focal, "fl_y": float(cameras.intrinsics[1, 1])},
        **{"cx": float(cameras.intrinsics[0, 2]), "cy": float(cameras.intrinsics[1, 2])},
        **{"w": size, "h": size},
    }
    return _json({**pinhole, "frames": frames})


def scores_json(
    samples: Sequence[Sample], object_name: str, measures: RunMeasures | None = None
) -> str:
    """Return every sample's CD score (null where none was measured) and who measured it.

    Args:
        samples: The finished samples.
        object_name: That the scores are for.
        measures: Of the same samples, beside the CD score.
    """
    encoders = sorted({sample.score.encoder for sample in samples if sample.score is not None})
    scores = [{"seed": s.seed, "cd_score": _score(s.score)} for s in samples]
    content = {
        "object_name": object_name,
        "encoder": encoders[0] if len(encoders) == 1 else (encoders or None),
        "scores": scores,
    }
    if measures is not None:
        for score, of_sample in zip(scores, measures.samples, strict=True):
            score |= sample_json(of_sample)
        content |= run_json(measures)
    return _json(content)


SAMPLE_COLUMNS = ("seed", "object_name", "encoder", "scaling", "cd", "d", "s_var")
VIEW_COLUMNS = ("view", "azimuth_deg", "elevation_deg", "distance", "text_similarity")


def scores_csv(samples: Sequence[Sample], object_name: str, cameras: Cameras) -> str:
    """Return a table with one row for each view of each scored sample.

    The figures of the sample (`SAMPLE_COLUMNS`) repeat on its rows; `distance` and
    `text_similarity` are the view's own terms of D and S_var. What is not finite stays empty.
    """
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    table.writerow((*SAMPLE_COLUMNS, *VIEW_COLUMNS))
    for sample in samples:
        if sample.score is None:
            continue
        score = sample.score
        figures = map(_finite, (score.ratio, score.diversity, score.semantic_variance))
        own = [sample.seed, object_name, score.encoder, score.scaling, *figures]
        unknown = (None,) * len(cameras.poses)
        terms = zip(
            cameras.azimuths_deg.tolist(),
            cameras.elevations_deg.tolist(),
            map(_finite, score.view_distances or unknown),
            map(_finite, score.text_similarities or unknown),
            strict=True,
        )
        table.writerows([*own, view, *row] for view, row in enumerate(terms))
    return buffer.getvalue()


def _score(score: CDScore | None) -> dict[str, object] | None:
    if score is None:
        return None
    return {name: _finite(value) for name, value in asdict(score).items()}


def _finite(value: object) -> object:
    """Return the value with null in place of numbers that JSON does not have."""
    if isinstance(value, tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def seed_folder(seed: int) -> str:
    """Return the folder name of one sample."""
    return f"seed-{seed:04d}"


def sample_files(sample: Sample, recipe: Recipe) -> Iterator[tuple[str, bytes]]:
    """Yield (name, content) of one sample's folder: RGB views on white, masks beside them, strip.

    A view carries the recipe of its own seed, so that it is the same alone and among others.
    """
    own = replace(recipe, seeds=(sample.seed,))
    views = view_images(sample.views)[0]
    strip_job: Encoding = ("strip.png", partial(png_bytes, strip(views), own))
    yield from _encoded([*_view_jobs(sample, own), strip_job])


def view_files(sample: Sample, recipe: Recipe) -> Iterator[tuple[str, bytes]]:
    """Yield the views and masks of `sample_files`, without the strip."""
    yield from _encoded(_view_jobs(sample, replace(recipe, seeds=(sample.seed,))))


def _view_jobs(sample: Sample, own: Recipe) -> list[Encoding]:
    views, masks = view_images(sample.views)[0], mask_images(sample.views)[0]
    jobs: list[Encoding] = []
    for index, (view, mask) in enumerate(zip(views, masks, strict=True)):
        jobs.append((f"view-{index:02d}.png", partial(png_bytes, view, own)))
        jobs.append((f"view-{index:02d}.alpha.png", partial(png_bytes, mask)))
    return jobs


def _encoded(jobs: Sequence[Encoding]) -> Iterator[tuple[str, bytes]]:
    """Yield (name, content) in order; encoders work outside of Python's lock, so side by side."""
    with ThreadPoolExecutor() as pool:
        contents = pool.map(lambda job: job[1](), jobs)
        yield from zip((name for name, _ in jobs), contents, strict=True)


def run_files(
    samples: Sequence[Sample], recipe: Recipe, measures: RunMeasures | None = None
) -> Iterator[tuple[str, bytes]]:
    """Yield (relative path, content) of a run's folder; see `sample_files`."""
    for sample in samples:
        for name, content in sample_files(sample, recipe):
            yield f"{seed_folder(sample.seed)}/{name}", content
    yield from _records(samples, recipe, measures)


def _records(
    samples: Sequence[Sample], recipe: Recipe, measures: RunMeasures | None = None
) -> Iterator[tuple[str, bytes]]:
    yield "recipe.json", recipe_to_json(recipe).encode()
    yield "scores.json", scores_json(samples, recipe.object_name, measures).encode()
    yield "cameras.json", cameras_json(_cameras(samples)).encode()


def _cameras(samples: Sequence[Sample]) -> Cameras:
    return target_cameras(samples[0].views.pixels.shape[-1])


def zip_files(samples: Sequence[Sample], recipe: Recipe) -> Iterator[tuple[str, bytes]]:
    """Yield (relative path, content) of the zip to take away: RGBA views, films, tables."""
    cameras = _cameras(samples)
    for sample in samples:
        folder, own = seed_folder(sample.seed), replace(recipe, seeds=(sample.seed,))
        views = view_images(sample.views)[0]
        # The films take longest, so they are begun first.
        jobs: list[Encoding] = [
            (f"{folder}/turntable.gif", partial(turntable_gif, views)),
            (f"{folder}/turntable.mp4", partial(turntable_mp4, views, frame_ms=GIF_FRAME_MS)),
            (f"{folder}/strip.png", partial(png_bytes, strip(views), own)),
        ]
        jobs += [
            (f"{folder}/view-{index:02d}.png", partial(png_bytes, view, own))
            for index, view in enumerate(cutout_images(sample.views)[0])
        ]
        yield from _encoded(jobs)
        yield f"{folder}/transforms.json", nerf_transforms_json(cameras).encode()
    yield from _records(samples, recipe)
    yield "scores.csv", scores_csv(samples, recipe.object_name, cameras).encode()


def write_zip(path: Path, samples: Sequence[Sample], recipe: Recipe) -> Path:
    """Write one zip of a run (`zip_files`).

    Returns:
        `path`, which holds either the whole archive or what it held before.

    Raises:
        ValueError: There is no sample, or the file cannot be written.
    """
    if not samples:
        raise ValueError("There is no finished sample to write.")
    try:
        with (
            whole_file(path) as unfinished,
            zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as archive,
        ):
            for name, content in zip_files(samples, recipe):
                archive.writestr(zipfile.ZipInfo(name, ZIP_TIME), content)
    except OSError as error:
        raise ValueError(f"The zip {path} cannot be written: {error.strerror}.") from error
    return path
