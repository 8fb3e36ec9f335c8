"""Cameras against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from portraiture.camera import from_eg3d, look_at, orbit, pinhole, project, to_eg3d, world_to_camera
from portraiture.types import Camera


def test_orbit_sees_its_target_in_the_middle() -> None:
    target = np.array([0.1, 0.9, 0.05])
    for yaw, pitch in [(0.0, 0.0), (0.7, -0.2), (-1.4, 0.5)]:
        camera = orbit(yaw, pitch, target=target, distance=1.3, focal=2.0)
        x, y, z = project(target[None], camera, (100, 300))[0]
        assert np.allclose([x, y, z], [150.0, 50.0, 1.3])


def test_front_camera_shows_the_left_side_on_the_right_and_up_on_top() -> None:
    camera = orbit(0.0, 0.0, target=np.zeros(3), distance=2.0, focal=1.5)
    points = np.array([[0.1, 0.0, 0.0], [0.0, 0.1, 0.0], [0.0, 0.0, 0.5]])
    pixels = project(points, camera, (200, 200))
    assert np.allclose(pixels[0], [100 + 200 * 1.5 * 0.1 / 2.0, 100, 2.0])
    assert np.allclose(pixels[1], [100, 100 - 200 * 1.5 * 0.1 / 2.0, 2.0])
    assert np.isclose(pixels[2, 2], 1.5)


def test_look_at_is_a_rotation_and_roll_turns_the_image() -> None:
    T = look_at(np.array([0.3, 1.0, 2.0]), np.array([0.0, 0.9, 0.0]), roll=0.4)
    R = T[:3, :3]
    assert np.allclose(R.T @ R, np.eye(3)) and np.isclose(np.linalg.det(R), 1.0)
    camera = Camera(look_at(np.array([0, 0, 1.0]), np.zeros(3), roll=np.pi / 2), pinhole(1.0))
    x, y, _ = project(np.array([[0.0, 0.1, 0.0]]), camera, (100, 100))[0]
    assert np.allclose([x, y], [40.0, 50.0])


def test_looking_straight_down_is_defined() -> None:
    T = look_at(np.array([0.0, 3.0, 0.0]), np.zeros(3))
    assert np.allclose(T[:3, 2], [0, -1, 0]) and np.isfinite(T).all()


def test_world_to_camera_inverts() -> None:
    camera = orbit(0.5, 0.3, target=np.array([0, 1.0, 0]), distance=0.9, focal=3.0)
    assert np.allclose(world_to_camera(camera) @ camera.T_world_cam, np.eye(4))


def test_eg3d_vector_round_trip() -> None:
    camera = orbit(0.2, -0.1, target=np.zeros(3), distance=2.7, focal=4.2647)
    vector = to_eg3d(camera)
    assert vector.shape == (25,) and np.isclose(vector[16], 4.2647)
    back = from_eg3d(vector)
    assert np.array_equal(back.T_world_cam, camera.T_world_cam)
    with pytest.raises(ValueError, match="25"):
        from_eg3d(vector[:24])
