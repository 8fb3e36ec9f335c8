from __future__ import annotations

import numpy as np
import pytest
from jaxtyping import Float32
from numpy import ndarray
from synthetic_bust import synthetic_bust

from portraiture.export.video import over, studio_wall, turntable
from portraiture.types import Bust, Camera


class Recorder:
    """A render function that paints the camera's yaw and remembers it."""

    def __init__(self):
        self.yaws: list[float] = []

    def __call__(self, bust: Bust, camera: Camera) -> Float32[ndarray, "4 6 4"]:
        forward = camera.T_world_cam[:3, 2]
        yaw = float(np.arctan2(-forward[0], -forward[2]))
        self.yaws.append(yaw)
        rgba = np.full((4, 6, 4), 0.5 + yaw / 4, np.float32)
        rgba[..., 3] = 1.0
        return rgba


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("frames", [4, 6, 16, 30])
def test_the_swing_is_a_sine_and_renders_each_yaw_once(frames: int, threads: int):
    record = Recorder()
    images = list(turntable(synthetic_bust(), record, frames=frames, sweep=0.8, threads=threads))
    expected = 0.8 * np.sin(2 * np.pi * np.arange(frames) / frames)
    values = [image[0, 0, 0] / 255 for image in images]
    np.testing.assert_allclose(values, 0.5 + expected / 4, atol=0.003)
    assert len(record.yaws) == len(np.unique(np.round(expected, 9)))
    assert all(image.dtype == np.uint8 for image in images)


def test_odd_or_few_frames_are_refused():
    for frames in (2, 7):
        with pytest.raises(ValueError, match="even"):
            next(turntable(synthetic_bust(), Recorder(), frames=frames))


def test_over_blends_straight_alpha_in_linear_light():
    """sRGB by IEC 61966-2-1: three quarters of the wall's light are left."""
    left = 0.75 * ((200 / 255 + 0.055) / 1.055) ** 2.4
    red, other = (255 * (1.055 * x ** (1 / 2.4) - 0.055) for x in (left + 0.25, left))
    rgba = np.array([[[1.0, 0.0, 0.0, 0.25]]], np.float32)
    got = over(rgba, np.full((1, 1, 3), 200, np.uint8))
    np.testing.assert_allclose(got, [[[red, other, other]]], atol=0.51)


def test_wall_darkens_downwards():
    wall = studio_wall(16, 4)
    assert (np.diff(wall.astype(int), axis=0) <= 0).all()
    assert wall[0, 0, 0] > wall[-1, 0, 0]
