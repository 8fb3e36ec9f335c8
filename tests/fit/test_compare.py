"""The camera of a photo's crop shows points where the crop has the photo's pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from portraiture.camera import project
from portraiture.fit.compare import camera_of_crop
from portraiture.photo.landmarks import similarity
from portraiture.types import Camera, Photo


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
