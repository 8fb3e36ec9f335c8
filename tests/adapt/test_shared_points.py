"""The average face of a style is found with its cameras.

Properties: a face with other proportions, seen from many sides, is told from a nodding one; a
similarity between faces is undone exactly.
"""

from __future__ import annotations

from math import radians

import numpy as np
import torch

from portraiture.adapt.cameras import align_angles, orbit_cameras, project_points
from portraiture.adapt.keypoints import keypoint_weights
from portraiture.adapt.shared_points import align_with_shape, turned_to
from portraiture.camera import EG3D_ANCHOR, EG3D_UNIT_M
from portraiture.photo.align import mean_face

PIVOT, RADIUS = EG3D_ANCHOR.tolist(), 2.54


def test_other_proportions_are_no_pitch() -> None:
    """The lower face of the style stands back and is short, which looks like a nod."""
    weights = keypoint_weights()
    face = torch.from_numpy(mean_face()[0] / EG3D_UNIT_M + EG3D_ANCHOR)
    style = face.clone()
    low = face[:, 1] < float(face[:, 1].median())
    depth = (float(face[:, 1].median()) - face[low, 1])[:, None]
    style[low] = style[low] + depth * torch.tensor([0.0, 0.25, -0.35])
    style = turned_to(style, face, weights.double())
    rng = np.random.default_rng(0)
    angles = torch.from_numpy(rng.normal(0.0, [radians(20.0), radians(8.0)], (40, 2)))
    cameras = orbit_cameras(angles, torch.tensor(PIVOT, dtype=torch.float64), RADIUS)
    seen = project_points(style.expand(40, -1, -1), cameras)
    seen = seen + torch.from_numpy(rng.normal(0.0, 0.001, seen.shape))
    plain = align_angles(face.expand(40, -1, -1), seen, weights, pivot=PIVOT, radius=RADIUS)
    found, shape = align_with_shape(face, seen, weights, pivot=PIVOT, radius=RADIUS)
    wrong = float((plain - angles)[:, 1].mean())
    assert abs(float((found - angles)[:, 1].mean())) < 0.35 * abs(wrong)
    used = weights > 0
    before = (face - style)[used].norm(dim=1).mean()
    assert float((shape.double() - style)[used].norm(dim=1).mean()) < 0.5 * float(before)


def test_a_similarity_is_undone() -> None:
    rng = np.random.default_rng(0)
    face = torch.from_numpy(rng.normal(size=(20, 3)))
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turn *= np.sign(np.linalg.det(turn))
    moved = 1.7 * face @ torch.from_numpy(turn).T + torch.tensor([0.3, -0.1, 0.2])
    weights = torch.rand(20, dtype=torch.float64)
    assert torch.allclose(turned_to(moved, face, weights), face, atol=1e-10)
