"""The ring of cameras: a closed formula, equal to the published values."""

import json
from pathlib import Path

import numpy as np
import pytest

from harmony.cameras import DISTANCE, look_at_origin, target_cameras


@pytest.mark.shared_data
def test_the_formula_equals_the_published_cameras(shared_dir: Path):
    published = json.loads((shared_dir / "parity" / "cameras-16.json").read_text())
    cameras = target_cameras(256)
    poses = np.array(published["poses_world_to_camera"])
    np.testing.assert_allclose(cameras.poses, poses, atol=1e-6)
    np.testing.assert_allclose(cameras.intrinsics, np.array(published["K"]), atol=1e-6)
    azimuths = np.degrees(np.array(published["azimuths_rad"])) % 360
    np.testing.assert_allclose(cameras.azimuths_deg, azimuths, atol=1e-4)


def test_cameras_look_at_the_origin_from_their_distance():
    for pose in target_cameras().poses:
        rotation, translation = pose[:, :3], pose[:, 3]
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(rotation) == pytest.approx(1.0)
        np.testing.assert_allclose(translation, [0, 0, DISTANCE], atol=1e-12)


def test_azimuth_runs_counter_clockwise_and_elevation_upwards():
    def centre(azimuth_deg: float, elevation_deg: float) -> np.ndarray:
        pose = look_at_origin(azimuth_deg, elevation_deg)
        return -pose[:, :3].T @ pose[:, 3]

    np.testing.assert_allclose(centre(0, 0), [DISTANCE, 0, 0], atol=1e-12)
    np.testing.assert_allclose(centre(90, 0), [0, DISTANCE, 0], atol=1e-12)
    assert centre(0, 30)[2] == pytest.approx(DISTANCE / 2)


def test_intrinsics_scale_with_the_picture():
    np.testing.assert_allclose(
        target_cameras(128).intrinsics[:2] * 2, target_cameras(256).intrinsics[:2]
    )
