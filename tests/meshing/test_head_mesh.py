"""What of the box the cameras see."""

from __future__ import annotations

import numpy as np

from portraiture.camera import EG3D_ANCHOR, EG3D_FOCAL, EG3D_RADIUS
from portraiture.meshing.head_mesh import seen_space

SIDE = 0.9


def test_one_frontal_view_sees_its_pyramid() -> None:
    """The camera looks along -z through the anchor, which lies in the image's centre."""
    seen = seen_space([(0.0, 0.0)], side=SIDE, resolution=31)
    steps = np.linspace(-SIDE / 2, SIDE / 2, 31)
    x, y, z = np.meshgrid(steps, steps, steps, indexing="ij")
    half = (EG3D_RADIUS - z) / EG3D_FOCAL / 2
    inside = (np.abs(x) < half) & (np.abs(y - EG3D_ANCHOR[1]) < half)
    clear = np.minimum(abs(np.abs(x) - half), abs(np.abs(y - EG3D_ANCHOR[1]) - half)) > 1e-3
    assert clear.mean() > 0.9
    assert (seen == inside)[clear].all()


def test_more_views_see_more() -> None:
    front = seen_space([(0.0, 0.0)], side=SIDE, resolution=16)
    both = seen_space([(0.0, 0.0), (1.0, 0.0)], side=SIDE, resolution=16)
    assert (front <= both).all()
    assert both.sum() > front.sum()
    assert not both.all()
