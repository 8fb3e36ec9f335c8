"""Images of the engine through EG3D's cameras."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from portraiture.camera import EG3D_ANCHOR, EG3D_RADIUS, eg3d_orbit, project
from portraiture.engine.build import build_bust
from portraiture.people.latent import person_from_latent, sample_latents
from portraiture.people.views import HeadFrame, View, head_frame, over, render_view
from portraiture.photo.align import align, mean_face
from portraiture.triplane.sampling import make_rays
from portraiture.types import Bust

SIZE = 256
YAW = 0.35


@lru_cache(maxsize=1)
def _seen() -> tuple[Bust, HeadFrame, View]:
    person = person_from_latent(sample_latents(1, 1)[0])
    bust = build_bust(person.parameters, texture_size=256)
    frame = head_frame(bust.landmarks)
    return bust, frame, render_view(bust, frame, eg3d_orbit(YAW, 0.1), size=SIZE, supersample=1)


def test_the_frame_undoes_a_similarity_of_the_mean_face() -> None:
    angle, scale, shift = 0.3, 1.2, np.array([0.1, 0.9, -0.2])
    c, s = np.cos(angle), np.sin(angle)
    turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    points, _ = mean_face()
    frame = head_frame(scale * points @ turn.T + shift)
    assert np.allclose(frame.rotation, turn, atol=1e-6)
    assert np.allclose(frame.centre, shift, atol=1e-6)
    assert np.allclose(frame.to_world(frame.to_eg3d(points)), points)
    assert np.allclose(frame.to_eg3d(shift[None]), EG3D_ANCHOR)


def test_cameras_stand_where_eg3ds_do() -> None:
    for yaw, pitch in ((0.0, 0.0), (0.7, 0.2), (-1.0, -0.3)):
        camera = eg3d_orbit(yaw, pitch)
        assert abs(np.linalg.norm(camera.T_world_cam[:3, 3]) - EG3D_RADIUS) < 1e-9
        centre = project(EG3D_ANCHOR[None], camera, (SIZE, SIZE))[0]
        assert np.allclose(centre[:2], SIZE / 2)


def test_landmarks_agree_in_both_worlds() -> None:
    bust, frame, view = _seen()
    seen = project(frame.to_eg3d(bust.landmarks), eg3d_orbit(YAW, 0.1), (SIZE, SIZE))
    assert np.abs(seen[:, :2] - view.landmarks).max() < 0.05


def test_depth_along_the_rays_leads_to_the_surface() -> None:
    bust, frame, view = _seen()
    origins, directions = make_rays(torch.from_numpy(view.camera)[None].float(), SIZE)
    depth = torch.from_numpy(view.depth).flatten()
    points = (origins[0] + depth[:, None] * directions[0]).numpy().reshape(SIZE, SIZE, 3)
    landmarks = frame.to_eg3d(bust.landmarks)
    for index in (4, 9, 50, 280, 152):  # nose tip, glabella, cheeks, chin
        x, y = view.landmarks[index].astype(int)
        assert np.linalg.norm(points[y, x] - landmarks[index]) < 0.02


def test_align_finds_the_same_crop() -> None:
    """Our own images are already in the crop that photographs are brought to."""
    _, _, view = _seen()
    photo = align(over(view.rgba, 1.0))
    scale = photo.crop_from_image[0, 0] * SIZE / photo.crop.shape[0]
    assert abs(scale - 1.0) < 0.06
    position = photo.camera.T_world_cam[:3, 3]
    assert abs(np.arctan2(position[0], position[2]) - YAW) < 0.12
