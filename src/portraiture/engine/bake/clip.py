"""Cut a triangle mesh exactly along the zero set of a scalar field."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray


@dataclass
class Cut:
    """New points on edges: point k lies at ``first[k] + t[k] * (second[k] - first[k])``."""

    first: list[int] = field(default_factory=list)
    second: list[int] = field(default_factory=list)
    t: list[float] = field(default_factory=list)
    _known: dict[tuple[int, int], int] = field(default_factory=dict)

    def point(self, a: int, b: int, t: float, offset: int) -> int:
        """Index (starting at `offset`) of the point at fraction `t` of the edge from `a` to `b`."""
        key = (a, b) if a < b else (b, a)
        if key not in self._known:
            self._known[key] = offset + len(self.t)
            self.first.append(key[0])
            self.second.append(key[1])
            self.t.append(t if a < b else 1.0 - t)
        return self._known[key]

    def extend(self, values: Float[ndarray, "V ..."], axis: int = 0) -> Float[ndarray, "W ..."]:
        """`values` with those of the new points appended along `axis`, interpolated linearly."""
        if not self.t:
            return values
        a, b = np.take(values, self.first, axis), np.take(values, self.second, axis)
        shape = [1] * values.ndim
        shape[axis] = -1
        t = np.array(self.t).reshape(shape)
        return np.concatenate([values, (a + t * (b - a)).astype(values.dtype)], axis)


def clip_triangles(
    faces: Int[ndarray, "F 3"],
    faces_uv: Int[ndarray, "F 3"],
    inside: Float[ndarray, "V"],
    uv_count: int,
) -> tuple[Int[ndarray, "G 3"], Int[ndarray, "G 3"], Cut, Cut]:
    """Keep the region ``inside > 0``; triangles that cross the zero set are cut along it.

    faces, faces_uv: corner indices of positions and of texture coordinates. inside: the field at
    every position. Returns both new corner indices, and the new points of positions and of UV.
    """
    positive = inside[faces] > 0
    whole = positive.all(1)
    positions, uvs = Cut(), Cut()
    out, out_uv = [faces[whole]], [faces_uv[whole]]
    for face, face_uv, keep in zip(
        faces[~whole & positive.any(1)],
        faces_uv[~whole & positive.any(1)],
        positive[~whole & positive.any(1)],
        strict=True,
    ):
        corners: list[tuple[int, int]] = []
        for k in range(3):
            a, b = int(face[k]), int(face[(k + 1) % 3])
            ua, ub = int(face_uv[k]), int(face_uv[(k + 1) % 3])
            if keep[k]:
                corners.append((a, ua))
            if keep[k] != keep[(k + 1) % 3]:
                t = float(inside[a] / (inside[a] - inside[b]))
                point = positions.point(a, b, t, len(inside))
                corners.append((point, uvs.point(ua, ub, t, uv_count)))
        fan = [(0, k, k + 1) for k in range(1, len(corners) - 1)]
        out.append(np.array([[corners[i][0] for i in tri] for tri in fan]))
        out_uv.append(np.array([[corners[i][1] for i in tri] for tri in fan]))
    return np.concatenate(out), np.concatenate(out_uv), positions, uvs
