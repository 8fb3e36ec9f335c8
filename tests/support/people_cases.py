"""A person that is a ball: everything about it is known in closed form."""

from __future__ import annotations

import numpy as np

from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.people.latent import sample_latents
from portraiture.people.people_file import PersonViews

RADIUS = 0.22


def sphere_person(*, seed: int, size: int = 32) -> PersonViews:
    """A ball around the origin whose colour is its normal, seen from the front and the side."""
    cameras = [eg3d_orbit(0.0, 0.0), eg3d_orbit(0.6, 0.1)]
    rgb, depth = [], []
    for camera in cameras:
        T, K = camera.T_world_cam, camera.intrinsics
        i = (np.arange(size) + 0.5) / size
        y, x = np.meshgrid((i - K[1, 2]) / K[1, 1], (i - K[0, 2]) / K[0, 0], indexing="ij")
        local = np.stack([x, y, np.ones_like(x)], -1)
        d = local / np.linalg.norm(local, axis=-1, keepdims=True) @ T[:3, :3].T
        o = T[:3, 3]
        b = d @ o
        inside = b**2 - (o @ o - RADIUS**2)
        t = np.where(inside > 0, -b - np.sqrt(np.maximum(inside, 0.0)), 0.0)
        normal = (o + t[..., None] * d) / RADIUS
        color = np.where((t > 0)[..., None], 0.5 + 0.4 * normal, 1.0)
        rgb.append((color * 255).astype(np.uint8))
        depth.append(t.astype(np.float32))
    covered = np.stack(depth) > 0
    return PersonViews(
        z=sample_latents(1, seed)[0],
        rgb=np.stack(rgb),
        alpha=(covered * 255).astype(np.uint8),
        depth=np.stack(depth),
        segmentation=covered.astype(np.uint8),
        cameras=np.stack([to_eg3d(c) for c in cameras]).astype(np.float32),
        landmarks=np.zeros((2, 478, 2), np.float32),
        points=np.zeros((478, 3), np.float32),
        unit_m=0.36,
    )
