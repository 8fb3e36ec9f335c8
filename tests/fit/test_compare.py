"""The camera of a photo's crop shows points where the crop has the photo's pixels; corrections find
what the texture lacks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from portraiture.camera import project
from portraiture.engine.landmarks import landmark_positions
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import shape_head
from portraiture.engine.skin.paint import make_skin, paint_skin
from portraiture.fit.compare import camera_of_crop, correct
from portraiture.fit.light import decode, encode
from portraiture.fit.projection import SIZE, WINDOW, project_photo
from portraiture.photo.landmarks import similarity
from portraiture.render.framing import portrait_camera
from portraiture.render.light import studio_light
from portraiture.render.mesh import render_bust
from portraiture.types import Bust, Camera, Photo, as_uint8


def test_the_crop_camera_projects_as_the_crop_samples(photo: Photo) -> None:
    rng = np.random.default_rng(0)
    T = np.eye(4)
    T[:3, :3] = Rotation.from_euler("yxz", [0.3, 3.0, 0.1]).as_matrix()
    T[:3, 3] = 0.05, 1.6, 2.0
    camera = Camera(T, np.array([[2.0, 0.0, 0.45], [0.0, 2.0 * 512 / 384, 0.6], [0.0, 0.0, 1.0]]))
    to_crop = similarity(1.3, -0.2, np.array([200.0, 180.0]), np.full(2, 256.0))
    image = np.zeros((384, 512, 3), np.uint8)
    turned = replace(photo, image=image, crop_from_image=to_crop)
    points = np.array([0.0, 1.6, 0.0]) + 0.2 * rng.standard_normal((20, 3))
    pixels = np.column_stack([project(points, camera, (384, 512))[:, :2], np.ones(20)])
    size = photo.crop.shape[0]
    expected = (pixels @ to_crop.T)[:, :2]
    found = project(points, camera_of_crop(camera, turned), (size, size))[:, :2]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("log_change", [-0.8, 0.15])
def test_corrections_find_a_crease_that_the_texture_lacks(photo: Photo, log_change: float) -> None:
    """The photo is a render of skin with a spot 3 mm wide; the fit begins without it."""
    parameters, size = AvatarParameters(), 384
    shape = shape_head(parameters)
    painted = paint_skin(parameters, shape)
    middle = (WINDOW[0].start + 330, WINDOW[1].start + 230)
    row, column = np.mgrid[:SIZE, :SIZE]
    spot = np.exp(-((row - middle[0]) ** 2 + (column - middle[1]) ** 2) / (2 * 6.0**2))
    spotted = decode(painted.albedo) * np.exp(log_change * spot)[..., None]

    def bust(linear: np.ndarray) -> Bust:
        albedo = (encode(linear) * 255.0 + 0.5).astype(np.uint8)
        skin = make_skin(parameters, shape, replace(painted, albedo=albedo))
        points = landmark_positions(shape.vertices, shape.model)
        return Bust((skin,), shape.model.skeleton(shape.joints), {}, points)

    light, original = studio_light(), bust(spotted)
    camera = portrait_camera(original)
    frame = render_bust(original, camera, size=size, light=light)
    landmarks = frame.landmarks.astype(np.float64)
    seen = replace(photo, image=as_uint8(frame.rgba[..., :3]), landmarks=frame.landmarks)
    projection = project_photo(
        seen.image, landmarks, landmarks, shape.vertices, camera, shape.model
    )
    linear = decode(painted.albedo)
    for _ in range(2):
        light, left = correct(bust(linear), camera, light, projection, projection.weight, seen)
        linear = linear.copy()
        linear[WINDOW] *= np.exp(left)
    error = np.log(linear / spotted).mean(-1)[middle]
    assert projection.weight[330, 230] > 0.9
    assert abs(error) < 0.4 * abs(log_change)
