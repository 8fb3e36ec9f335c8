"""Triangles in an order that reuses vertices soon, for the GPU's vertex cache and for codecs."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int
from numpy import ndarray

CACHE = 16
"""Vertices that are taken to be at hand."""


def cache_order(faces: Int[ndarray, "F 3"], vertices: int) -> Int[ndarray, "F"]:
    """A permutation of the triangles: fans around vertices that are still in the cache.

    Sander, Nehab and Barczak 2007, "Fast triangle reordering for vertex locality and reduced
    overdraw", algorithm 1.
    """
    corners = faces.reshape(-1)
    order = np.argsort(corners, kind="stable")
    around = (order // 3).tolist()
    begin = np.concatenate([[0], np.cumsum(np.bincount(corners, minlength=vertices))]).tolist()
    live = np.bincount(corners, minlength=vertices).tolist()
    stamp = [0] * vertices
    triangles, emitted = faces.tolist(), [False] * len(faces)
    out: list[int] = []
    dead_ends: list[int] = []
    time, cursor, fan = CACHE + 1, 0, 0
    while fan >= 0:
        near: list[int] = []
        for triangle in around[begin[fan] : begin[fan + 1]]:
            if emitted[triangle]:
                continue
            emitted[triangle] = True
            out.append(triangle)
            for vertex in triangles[triangle]:
                near.append(vertex)
                live[vertex] -= 1
                if time - stamp[vertex] > CACHE:
                    stamp[vertex] = time
                    time += 1
        dead_ends += near
        fan, best = -1, -1
        for vertex in near:
            if live[vertex] > 0:
                age = time - stamp[vertex]
                priority = age if age + 2 * live[vertex] <= CACHE else 0
                if priority > best:
                    fan, best = vertex, priority
        while fan < 0 and dead_ends:
            vertex = dead_ends.pop()
            fan = vertex if live[vertex] > 0 else -1
        while fan < 0 and cursor < vertices:
            fan = cursor if live[cursor] > 0 else -1
            cursor += 1
    return np.array(out, np.int64)


def first_use(faces: Int[ndarray, "F 3"]) -> tuple[Int[ndarray, "V"], Int[ndarray, "F 3"]]:
    """The used vertices in the order in which triangles meet them, and the triangles in those."""
    used, first, corner = np.unique(faces.reshape(-1), return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    row = np.empty(len(used), np.int64)
    row[order] = np.arange(len(used))
    return used[order], row[corner.reshape(-1)].reshape(-1, 3)
