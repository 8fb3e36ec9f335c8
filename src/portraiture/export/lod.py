"""Levels of detail: a budget of triangles shared by a bust's parts, fewer but wider hair cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from portraiture.export.options import Lod
from portraiture.export.simplify import simplified
from portraiture.types import Bust, Part

TRIANGLES: dict[Lod, int] = {1: 15_000, 2: 5_000}
"""Of the whole bust, outlines included."""

CARD_SHARE = 0.22
"""Share of a hair card's triangles that it keeps, and at least two, where cards are thinned."""

COVER_M = 0.05
"""How far from the skin clothes hide it."""

ASIDE_M = 0.004
"""Half the distance of points of cloth, which are spread so much over its triangles."""

MARGIN_M = 0.018
"""How far skin goes on under the edge of clothes."""

MAX_WIDENING = 2.2
"""How much wider the hair cards that stay may become to cover what those that go did."""

_SHARES = {
    "skin": 42.0,
    "teeth": 11.0,
    "tongue": 1.2,
    "hair": 25.0,
    "beard": 12.0,
    "clothes": 16.0,
    "glasses_frame": 9.0,
    "glasses_lenses": 4.0,
}
_OTHER_SHARES = {"eye": 3.0, "hair": 4.0, "cloth": 10.0, "glass": 2.0, "plain": 4.0, "mouth": 2.0}
"""By part name and, for the others, by kind of material."""


def with_lod(bust: Bust, lod: Lod) -> Bust:
    """The bust with the triangles of `lod`; 0 leaves it as it is."""
    if lod == 0:
        return bust
    parts = without_covered(bust.parts)
    budgets = _budgets(parts, TRIANGLES[lod])
    reduced = (_reduced(part, most) for part, most in zip(parts, budgets, strict=True))
    return replace(bust, parts=tuple(reduced))


def without_covered(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The parts without skin under clothes and without clothes under the outermost, which would
    come through them where both are coarse. The border of what shows stays."""
    out = []
    for part in parts:
        over = [other for other in parts if _layer(other) > _layer(part) >= 0 and len(other.faces)]
        out.append(_uncovered(part, over) if over else part)
    return tuple(out)


def _layer(part: Part) -> int:
    """0: skin, 1: clothes under others, 2: the outermost; -1: neither covers nor is covered."""
    if part.name == "skin":
        return 0
    if part.material.kind != "cloth":
        return -1
    return 2 if part.name == "clothes" else 1


def _uncovered(part: Part, over: Sequence[Part]) -> Part:
    """A vertex is covered where cloth lies along its normal, within `COVER_M`, and nothing within
    `MARGIN_M` is bare; a triangle is left out if all its vertices are."""
    cloth = np.concatenate([_points(other) for other in over])
    distance, near = KDTree(cloth).query(
        part.vertices, k=min(12, len(cloth)), distance_upper_bound=COVER_M
    )
    found = np.isfinite(distance)
    towards = cloth[np.where(found, near, 0)] - part.vertices[:, None]
    along = (towards * part.normals[:, None]).sum(2)
    aside = np.sqrt(np.maximum(np.where(found, distance, 0.0) ** 2 - along**2, 0.0))
    covered = (found & (aside < 0.5 * along + ASIDE_M) & (along > 1e-4)).any(1)
    bare = part.vertices[~covered]
    if len(bare):
        covered &= KDTree(bare).query(part.vertices)[0] > MARGIN_M
    stays = ~covered[part.faces].all(1)
    return replace(part, faces=part.faces[stays], segment=part.segment[stays])


def _points(part: Part) -> Float[ndarray, "N 3"]:
    """The vertices that triangles use, and the middles of those."""
    corners = part.vertices[part.faces]
    return np.concatenate([part.vertices[np.unique(part.faces)], corners.mean(1)])


def _budgets(parts: Sequence[Part], total: int) -> list[int]:
    """Triangles of each part by its share; what a small part leaves over goes to the others. Parts
    of finish "ink" count twice, since they get an outline."""
    has = np.array([len(part.faces) for part in parts], float)
    times = np.array([2.0 if part.material.finish == "ink" else 1.0 for part in parts])
    share = np.array([_SHARES.get(p.name, _OTHER_SHARES.get(p.material.kind, 4.0)) for p in parts])
    low, high = 0.0, float(total)
    for _ in range(60):
        level = 0.5 * (low + high)
        fits = (times * np.minimum(has, level * share)).sum() <= total
        low, high = (level, high) if fits else (low, level)
    return np.minimum(has, low * share).astype(int).tolist()


def _reduced(part: Part, triangles: int) -> Part:
    if triangles >= len(part.faces):
        return part
    if part.material.kind == "hair" and part.material.alpha_mode == "mask":
        part = thinned(part, triangles)
    return simplified(part, triangles)


def thinned(part: Part, triangles: int) -> Part:
    """`part` with only so many of its hair cards that `triangles` can show them, widened to cover
    the same: the largest of each group of neighbours.

    A card is a connected piece; its rows are the vertices of equal v. A part of few large pieces,
    such as lashes, stays as it is.
    """
    label = _pieces(part)
    count = int(label.max(initial=-1)) + 1
    cards = max(int(triangles / max(2.0, CARD_SHARE * len(part.faces) / max(count, 1))), 1)
    if cards >= count or len(part.faces) > 60 * count:
        return part
    corners = part.vertices[part.faces].astype(np.float64)
    area = np.linalg.norm(np.cross(*np.diff(corners, axis=1).transpose(1, 0, 2)), axis=1)
    size = np.bincount(label[part.faces[:, 0]], area, minlength=count)
    times = np.bincount(label)
    middle = np.stack([np.bincount(label, part.vertices[:, k]) for k in range(3)], 1)
    order = np.argsort(_morton(middle / times[:, None]), kind="stable")
    kept = np.zeros(count, bool)
    for group in np.array_split(order, cards):
        kept[group[np.argmax(size[group])]] = True
    stays = kept[label[part.faces[:, 0]]]
    widening = min(count / cards, MAX_WIDENING)
    return replace(
        _widened(part, label, widening), faces=part.faces[stays], segment=part.segment[stays]
    )


def _pieces(part: Part) -> Int[ndarray, "V"]:
    """The connected piece of each vertex."""
    edges = part.faces[:, [[0, 1], [1, 2]]].reshape(-1, 2)
    size = len(part.vertices)
    links = coo_array((np.ones(len(edges)), edges.T), shape=(size, size))
    return connected_components(links, directed=False)[1]


def _morton(points: Float[ndarray, "N 3"]) -> Int[ndarray, "N"]:
    """Order along a Z-shaped curve through space, ten bits an axis."""
    span = np.maximum(np.ptp(points, axis=0).max(), 1e-9)
    cell = ((points - points.min(0)) / span * 1023.0).astype(np.int64)
    code = np.zeros(len(points), np.int64)
    for bit in range(10):
        for axis in range(3):
            code |= ((cell[:, axis] >> bit) & 1) << (3 * bit + axis)
    return code


def _widened(part: Part, label: Int[ndarray, "V"], factor: float) -> Part:
    """Each row of each card `factor` times as wide about its middle."""
    level = np.round(part.uv[:, 1].astype(np.float64), 4)
    _, row = np.unique(np.stack([label, level]), axis=1, return_inverse=True)
    row = row.reshape(-1)
    count = np.bincount(row)
    middle = np.stack([np.bincount(row, part.vertices[:, k]) for k in range(3)], 1) / count[:, None]
    vertices = middle[row] + factor * (part.vertices - middle[row])
    return replace(part, vertices=vertices.astype(np.float32))
