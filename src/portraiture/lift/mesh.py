"""The surface of a lifted person as a mesh with the albedo for its texture."""

from __future__ import annotations

import numpy as np

from portraiture.lift.estimate import Lifted
from portraiture.lift.geometry import outward_normals, vertices_of
from portraiture.lift.grid_mesh import grid_triangles
from portraiture.meshing.bake_texture import TexturedMesh
from portraiture.types import as_uint8

METRES = 2.0
"""Of a unit of the lifted space, in which an image of 10° shows 0.175 units at the head: about the
0.35 m that portraits show."""
MOVING = 0.5
"""Transformation from which a vertex belongs to the head and not to what is behind it."""


def lifted_mesh(lifted: Lifted) -> TexturedMesh:
    """The part of the first person's surface that turns with the head; metres, y up, the face along
    +z."""
    size = lifted.depth.shape[-1]
    points = vertices_of(lifted.depth[:1]).cpu().numpy().reshape(-1, 3)
    normals = outward_normals(lifted.depth[:1]).cpu().numpy().reshape(-1, 3)
    head = lifted.transformation[0].cpu().numpy().ravel() >= MOVING
    faces = grid_triangles(size).numpy()
    faces = faces[head[faces].all(1)]
    used, faces = np.unique(faces, return_inverse=True)
    turned = np.array([1.0, -1.0, -1.0])
    rows, columns = used // size, used % size
    texture = (0.5 * lifted.albedo[0] + 0.5).clamp(0.0, 1.0).permute(1, 2, 0).cpu().numpy()
    return TexturedMesh(
        vertices=((points[used] - [0.0, 0.0, 1.0]) * turned * METRES).astype(np.float32),
        faces=faces.reshape(-1, 3).astype(np.int32),
        normals=normals[used].astype(np.float32),
        uv=np.stack([(columns + 0.5) / size, 1.0 - (rows + 0.5) / size], 1).astype(np.float32),
        texture=as_uint8(texture),
        seen=1.0,
    )
