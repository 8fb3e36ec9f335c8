"""Fewer triangles by half-edge collapses: vertices vanish, none moves, so UVs, normals, skin
weights and morph targets carry over exactly.

part ─welded at UV seams, in several poses─▶ quadrics ─passes of independent collapses─▶ part

The cost of a collapse a → b is the mean squared distance of b from the planes that met at a
(Garland and Heckbert 1997, "Surface simplification using quadric error metrics", section 5),
summed over the neutral face and expressions, so that lids and lips keep what they need to close;
and the square of the change of normal.
Borders collapse along borders and seams along seams, with both of their sides.
Letters: W welded vertices, P poses, F triangles, E half-edges, C candidates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.sparse import csr_array

from portraiture.ops.vectors import unit
from portraiture.types import Morph, Part

BORDER_WEIGHT, SEAM_WEIGHT = 20.0, 1.0
"""Of the planes that stand on open borders and UV seams, relative to those of triangles."""

NORMAL_M = 1e-3
"""The distance that is as bad as a difference of unit normals of length 1."""

LIDS = 12.0
"""What lids and lashes are worth in addition to their quadrics."""

FRONT_TEETH = 30.0
"""How much more a front tooth's shape matters than that of the last molar."""

LEAST_COSINE = 0.2
"""A triangle that turns further in one collapse is a fold."""

PASS_SHARE = 0.4
"""Collapses of the cheapest share of vertices are considered in one pass, the others later."""

TRIES = 3
"""Collapses of one vertex that are tried in a pass, cheapest first."""

_BLINK = {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}
_POSES: tuple[Mapping[str, float], ...] = (
    {"jawOpen": 1.0},
    {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0},
    _BLINK,
    {"mouthPucker": 1.0},
    {"browInnerUp": 1.0, "browOuterUpLeft": 1.0, "browOuterUpRight": 1.0},
)


@dataclass
class _Mesh:
    """A mesh that is being simplified.

    faces: (F, 3) vertices split at seams. origin: (F,) rows of the original triangles. weld: (V,)
    welded vertex of each vertex. points: (P, W, 3). normals: (W, 3). quadrics: (W, P, 10); mass:
    (W,) their areas. importance: (W,) factor of the cost.
    """

    faces: Int[ndarray, "F 3"]
    origin: Int[ndarray, "F"]
    weld: Int[ndarray, "V"]
    points: Float[ndarray, "P W 3"]
    normals: Float[ndarray, "W 3"]
    quadrics: Float[ndarray, "W P 10"]
    mass: Float[ndarray, "W"]
    importance: Float[ndarray, "W"]


@dataclass
class _Collapses:
    """Candidates a → b. wedges: (C, 2, 2) split vertices of a and those of b that they become, on
    one side of the edge and the other; both sides are equal on borders and away from seams.
    sides: (C,) triangles at the edge."""

    start: Int[ndarray, "C"]
    end: Int[ndarray, "C"]
    wedges: Int[ndarray, "C 2 2"]
    sides: Int[ndarray, "C"]
    cost: Float[ndarray, "C"]

    def take(self, rows: ndarray) -> _Collapses:
        """The candidates of `rows`, in that order."""
        return _Collapses(
            self.start[rows], self.end[rows], self.wedges[rows], self.sides[rows], self.cost[rows]
        )


def simplified(part: Part, triangles: int) -> Part:
    """`part` with about `triangles` triangles, or more where nothing more can be collapsed without
    a fold; unused vertices stay in its arrays. The same part gives the same triangles."""
    mesh = _mesh_of(part)
    while len(mesh.faces) > triangles:
        before = len(mesh.faces)
        collapses = _choose(mesh, (before - triangles + 1) // 2)
        _apply(mesh, collapses)
        if len(mesh.faces) == before:
            break
    return replace(part, faces=mesh.faces.astype(np.int32), segment=part.segment[mesh.origin])


def _mesh_of(part: Part) -> _Mesh:
    poses = [part.vertices.astype(np.float64)]
    for weights in _POSES:
        if any(name in part.morphs for name in weights):
            poses.append(_displaced(part.vertices, part.morphs, weights))
    split = np.stack(poses)
    _, first, weld = np.unique(
        split.transpose(1, 0, 2).reshape(len(part.vertices), -1).astype(np.float32),
        axis=0, return_index=True, return_inverse=True,
    )  # fmt: skip
    weld = weld.reshape(-1)
    proper = _proper(weld[part.faces])
    faces, origin = part.faces[proper].astype(np.int64), np.flatnonzero(proper)
    points = split[:, first] - split[0].mean(0)
    quadrics, mass = _quadrics(points, weld[faces], faces)
    importance = np.zeros(len(first))
    np.maximum.at(importance, weld, _importance(part))
    normals = unit(part.normals[first].astype(np.float64))
    return _Mesh(faces, origin, weld, points, normals, quadrics, mass, importance)


def _displaced(
    vertices: ndarray, morphs: Mapping[str, Morph], weights: Mapping[str, float]
) -> ndarray:
    out = vertices.astype(np.float64)
    for name, weight in weights.items():
        if name in morphs:
            np.add.at(out, morphs[name].indices, weight * morphs[name].deltas)
    return out


def _importance(part: Part) -> Float[ndarray, "V"]:
    """More for vertices that many actions move, lids and lips, and for teeth that show."""
    if part.material.kind == "mouth":
        depth = part.vertices[:, 2].astype(np.float64)
        return 1.0 + FRONT_TEETH * ((depth - depth.min()) / max(np.ptp(depth), 1e-9)) ** 4
    moved = np.zeros(len(part.vertices))
    for morph in part.morphs.values():
        far = np.linalg.norm(morph.deltas, axis=1) > 5e-4
        moved[np.unique(morph.indices[far])] += 1.0
    blink = _displaced(part.vertices, part.morphs, _BLINK) - part.vertices
    lids = np.linalg.norm(blink, axis=1) > 1e-3
    return 1.0 + (moved / 8.0) ** 2 + LIDS * lids


def _proper(faces: Int[ndarray, "F 3"]) -> Bool[ndarray, "F"]:
    a, b, c = faces.T
    return (a != b) & (b != c) & (c != a)


def _quadrics(
    points: Float[ndarray, "P W 3"], faces: Int[ndarray, "F 3"], split: Int[ndarray, "F 3"]
) -> tuple[Float[ndarray, "W P 10"], Float[ndarray, "W"]]:
    """Planes of the triangles at each vertex by area, and upright ones at borders and seams."""
    count = points.shape[1]
    out = np.zeros((count, len(points), 10))
    mass = np.zeros(count)
    edges, _, sides, seam = _edges(faces, split)
    alone = np.where(sides == 1, BORDER_WEIGHT, np.where(seam, SEAM_WEIGHT, 0.0))
    owner = np.tile(np.arange(len(faces)), 3)
    for pose, at in enumerate(points):
        a, b, c = (at[faces[:, k]] for k in range(3))
        normal = np.cross(b - a, c - a)
        area = 0.5 * np.linalg.norm(normal, axis=1)
        plane = _plane(unit(normal, least=1e-20), a, area)
        for corner in range(3):
            np.add.at(out[:, pose], faces[:, corner], plane)
            if pose == 0:
                np.add.at(mass, faces[:, corner], area)
        rows = np.flatnonzero(alone)
        tail, head = at[edges[rows, 0]], at[edges[rows, 1]]
        upright = unit(np.cross(head - tail, normal[owner[rows]]), least=1e-20)
        weight = alone[rows] * ((head - tail) ** 2).sum(1)
        plane = _plane(upright, tail, weight)
        for end in range(2):
            np.add.at(out[:, pose], edges[rows, end], plane)
    return out, np.maximum(mass, 1e-14)


def _plane(normal: ndarray, point: ndarray, weight: ndarray) -> Float[ndarray, "n 10"]:
    """Weighted squared distance from planes: xx, yy, zz, xy, xz, yz, x, y, z, constant."""
    x, y, z = normal.T
    d = -(normal * point).sum(1)
    rows = [x * x, y * y, z * z, 2 * x * y, 2 * x * z, 2 * y * z, 2 * x * d, 2 * y * d, 2 * z * d]
    return np.stack([*rows, d * d], axis=1) * weight[:, None]


def _distances(quadrics: Float[ndarray, "C P 10"], points: Float[ndarray, "P C 3"]) -> ndarray:
    """(C,) values of the quadrics at the points, summed over poses."""
    x, y, z = points.transpose(2, 1, 0)
    one = np.ones_like(x)
    terms = np.stack([x * x, y * y, z * z, x * y, x * z, y * z, x, y, z, one], axis=2)
    return np.maximum((quadrics * terms).sum((1, 2)), 0.0)


def _edges(
    faces: Int[ndarray, "F 3"], split: Int[ndarray, "F 3"]
) -> tuple[Int[ndarray, "E 2"], Int[ndarray, "E 2 2"], Int[ndarray, "E"], Bool[ndarray, "E"]]:
    """All half-edges by corner, then by triangle: welded ends, split ends on this side and on the
    other (equal to this at borders), the triangles at the edge, and whether it is a seam."""
    ends = np.concatenate([faces[:, [k, (k + 1) % 3]] for k in range(3)])
    here = np.concatenate([split[:, [k, (k + 1) % 3]] for k in range(3)])
    span = int(faces.max(initial=0)) + 1
    key = ends.min(1) * span + ends.max(1)
    order = np.argsort(key, kind="stable")
    _, first, which, sides = np.unique(
        key[order], return_index=True, return_inverse=True, return_counts=True
    )
    edge = np.empty(len(key), np.int64)
    edge[order] = which.reshape(-1)
    place = np.empty(len(key), np.int64)
    place[order] = np.arange(len(key)) - first[which.reshape(-1)]
    partner = order[np.minimum(first[edge] + (1 - np.minimum(place, 1)), len(key) - 1)]
    twin = np.where(sides[edge] == 2, partner, np.arange(len(key)))
    turned = ends[twin, 0] != ends[:, 0]
    there = np.where(turned[:, None], here[twin, ::-1], here[twin])
    seam = (here != there).any(1)
    return ends, np.stack([here, there], axis=1), sides[edge], seam


def _candidates(mesh: _Mesh) -> _Collapses:
    """Every half-edge as a collapse of its tail and of its head, where seams and borders allow."""
    faces = mesh.weld[mesh.faces]
    ends, split, sides, seam = _edges(faces, mesh.faces)
    count = mesh.points.shape[1]
    border, locked = np.zeros(count, bool), np.zeros(count, bool)
    border[ends[sides == 1]] = True
    locked[ends[sides > 2]] = True
    used = np.unique(mesh.faces)
    wedges = np.bincount(mesh.weld[used], minlength=count)
    fans = np.bincount(faces.reshape(-1), minlength=count)
    both = np.concatenate([np.arange(len(ends))[sides == 1], np.arange(len(ends))[sides >= 2]])
    start = np.concatenate([ends[both, 0], ends[both, 1]])
    end = np.concatenate([ends[both, 1], ends[both, 0]])
    pair = np.concatenate([split[both], split[both][:, :, ::-1]])
    sides, seam = np.tile(sides[both], 2), np.tile(seam[both], 2)
    carried = np.where(pair[:, 0, 0] == pair[:, 1, 0], 1, 2)
    whole = carried == wedges[start]
    single = (carried == 2) | (pair[:, 0, 1] == pair[:, 1, 1])
    free = ~locked[start] & ~locked[end] & (~border[start] | (sides == 1)) & (fans[start] > 1)
    rows = np.flatnonzero(whole & single & free)
    start, end = start[rows], end[rows]
    cost = _distances(mesh.quadrics[start], mesh.points[:, end])
    turn = ((mesh.normals[start] - mesh.normals[end]) ** 2).sum(1)
    cost = mesh.importance[start] * (cost / mesh.mass[start] + NORMAL_M**2 * turn)
    return _Collapses(start, end, pair[rows], sides[rows], cost)


def _choose(mesh: _Mesh, most: int) -> _Collapses:
    """At most `most` cheap collapses whose neighbourhoods have no triangle in common."""
    every = _candidates(mesh)
    every = every.take(np.lexsort((every.end, every.cost, every.start)))
    faces = mesh.weld[mesh.faces]
    ends = np.concatenate([faces[:, [k, (k + 1) % 3]] for k in range(3)])
    ends = np.concatenate([ends, ends[:, ::-1]])
    count = mesh.points.shape[1]
    near = csr_array((np.ones(len(ends), np.int32), ends.T), shape=(count, count))
    near.sum_duplicates()
    near.data[:] = 1
    best = _first_valid(mesh, every, near)
    limit = np.quantile(best.cost, PASS_SHARE) if len(best.cost) else 0.0
    best = best.take(np.flatnonzero(best.cost <= limit))
    best = best.take(np.lexsort((best.start, best.cost)))
    return best.take(_independent(best, near)[:most])


def _first_valid(mesh: _Mesh, every: _Collapses, near: csr_array) -> _Collapses:
    """Per vertex the cheapest of its first `TRIES` candidates that folds and pinches nothing."""
    _, begin = np.unique(every.start, return_index=True)
    length = np.diff(np.append(begin, len(every.start)))
    found: list[ndarray] = []
    for attempt in range(TRIES):
        rows = begin[length > attempt] + attempt
        tried = every.take(rows)
        common = near[tried.start].multiply(near[tried.end]).sum(1)
        good = (np.asarray(common).reshape(-1) == tried.sides) & ~_folds(mesh, tried)
        found.append(rows[good])
        done = np.isin(every.start[begin], tried.start[good])
        begin, length = begin[~done], length[~done]
    return every.take(np.sort(np.concatenate(found)))


def _folds(mesh: _Mesh, tried: _Collapses) -> Bool[ndarray, "C"]:
    """Whether a triangle that stays would turn over in any pose; one candidate per vertex."""
    count = mesh.points.shape[1]
    target, row = np.full(count, -1), np.full(count, -1)
    target[tried.start], row[tried.start] = tried.end, np.arange(len(tried.start))
    faces = mesh.weld[mesh.faces]
    bad = np.zeros(len(tried.start), bool)
    for corner in range(3):
        goal = target[faces[:, corner]]
        stays = np.flatnonzero((goal >= 0) & (faces != goal[:, None]).all(1))
        old, new = faces[stays], faces[stays].copy()
        new[:, corner] = goal[stays]
        turned = np.zeros(len(stays), bool)
        for at in mesh.points:
            before, after = _normals(at, old), _normals(at, new)
            lengths = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
            turned |= (before * after).sum(1) < LEAST_COSINE * lengths
            turned |= (lengths <= 0.0) & (np.linalg.norm(before, axis=1) > 0.0)
        bad[row[old[turned, corner]]] = True
    return bad


def _normals(at: ndarray, faces: ndarray) -> ndarray:
    a, b, c = (at[faces[:, k]] for k in range(3))
    return np.cross(b - a, c - a)


def _independent(best: _Collapses, near: csr_array) -> Int[ndarray, "_"]:
    """Rows, cheapest first, such that no vertex vanishes beside another or is a target twice."""
    taken = np.zeros(len(near.indptr) - 1, bool)
    chosen: list[int] = []
    pointer, column = near.indptr, near.indices
    for row, (start, end) in enumerate(zip(best.start.tolist(), best.end.tolist(), strict=True)):
        if taken[start] or taken[end]:
            continue
        chosen.append(row)
        taken[column[pointer[start] : pointer[start + 1]]] = True
        taken[start] = True
    return np.array(chosen, np.int64)


def _apply(mesh: _Mesh, collapses: _Collapses) -> None:
    step = np.arange(len(mesh.weld))
    for side in range(2):
        step[collapses.wedges[:, side, 0]] = collapses.wedges[:, side, 1]
    faces = step[mesh.faces]
    np.add.at(mesh.quadrics, collapses.end, mesh.quadrics[collapses.start])
    np.add.at(mesh.mass, collapses.end, mesh.mass[collapses.start])
    kept = _proper(mesh.weld[faces])
    mesh.faces, mesh.origin = faces[kept], mesh.origin[kept]
