"""Repair triangles to a closed manifold: every edge has two, with opposite directions.

Marching cubes leaves pinholes in ambiguous cells, and decimation folds thin parts into fins.
faces ─those at bad edges out─▶ largest part ─holes filled with fans─▶ closed
Letters: V vertices, F triangles, E directed edges.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def close_mesh(
    vertices: Float[ndarray, "V 3"], faces: Int[ndarray, "F 3"]
) -> tuple[Float[ndarray, "W 3"], Int[ndarray, "G 3"]]:
    """The largest closed, consistently oriented surface of the triangles, without unused vertices.

    Triangles at an edge that more than two share, or that two pass in the same direction, are
    taken out; a hole gets a new vertex in its middle and a fan around it.
    """
    faces = _without_bad_edges(np.asarray(faces, np.int64))
    faces = _largest_part(faces)
    loops = boundary_loops(faces)
    if loops:
        middles = np.stack([vertices[loop].mean(0) for loop in loops])
        fans = [
            np.stack([loop, np.roll(loop, -1), np.full(len(loop), len(vertices) + k)], axis=1)
            for k, loop in enumerate(loops)
        ]
        vertices = np.concatenate([vertices, middles])
        faces = np.concatenate([faces, *fans])
    used, packed = np.unique(faces, return_inverse=True)
    return vertices[used], packed.reshape(-1, 3)


def directed_edges(faces: Int[ndarray, "F 3"]) -> Int[ndarray, "E 2"]:
    """The three edges of each triangle in its direction, triangle by triangle."""
    return faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)


def _without_bad_edges(faces: Int[ndarray, "F 3"]) -> Int[ndarray, "G 3"]:
    """Remove triangles until no directed edge occurs twice."""
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (c != a)]
    edges = directed_edges(faces)
    low, high = edges.min(1), edges.max(1)
    count = int(faces.max(initial=0)) + 1
    _, which, times = np.unique(low * count + high, return_inverse=True, return_counts=True)
    _, there, passes = np.unique(
        edges[:, 0] * count + edges[:, 1], return_inverse=True, return_counts=True
    )
    bad = (times[which] > 2) | (passes[there] > 1)
    return faces[~bad.reshape(-1, 3).any(1)]


def _largest_part(faces: Int[ndarray, "F 3"]) -> Int[ndarray, "G 3"]:
    """The part with most triangles, connected through edges."""
    edges = np.sort(directed_edges(faces), axis=1)
    owner = np.repeat(np.arange(len(faces)), 3)
    order = np.lexsort(edges.T)
    edges, owner = edges[order], owner[order]
    same = (edges[1:] == edges[:-1]).all(1)
    links = coo_array(
        (np.ones(same.sum()), (owner[:-1][same], owner[1:][same])), shape=(len(faces),) * 2
    )
    _, part = connected_components(links, directed=False)
    return faces[part == np.bincount(part).argmax()]


def boundary_loops(faces: Int[ndarray, "F 3"]) -> list[Int[ndarray, "_"]]:
    """Rings of vertices around holes, in the direction that triangles filling them need; each
    passes a vertex once."""
    edges = directed_edges(faces)
    count = int(faces.max(initial=0)) + 1
    forward, backward = edges @ [count, 1], edges @ [1, count]
    following: dict[int, list[int]] = {}
    for a, b in edges[~np.isin(forward, backward)].tolist():
        following.setdefault(b, []).append(a)
    loops = []
    while following:
        path = [next(iter(following))]
        at = {path[0]: 0}
        while path:
            onward = following.get(path[-1])
            if not onward:
                break
            there = onward.pop()
            if not onward:
                del following[path[-1]]
            if there in at:
                ring, path = path[at[there] :], path[: at[there] + 1]
                loops.append(np.array(ring))
                for vertex in ring[1:]:
                    del at[vertex]
            else:
                at[there] = len(path)
                path.append(there)
    return loops
