"""Smoothing of values and normals over a mesh."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray
from scipy.sparse import coo_matrix, csr_matrix, diags

from portraiture.ops.vectors import unit


def smoothed(
    values: Float[ndarray, "V C"], faces: Int[ndarray, "F 3"], rounds: int
) -> Float[ndarray, "V C"]:
    """Every value replaced `rounds` times by the mean of itself and the mean of its neighbours'."""
    average = _averaging(len(values), faces)
    for _ in range(rounds):
        values = average @ values
    return values


def smoothed_normals(
    vertices: Float[ndarray, "V 3"],
    normals: Float32[ndarray, "V 3"],
    faces: Int[ndarray, "F 3"],
    rounds: int,
) -> Float32[ndarray, "V 3"]:
    """Unit normals, smoothed across seams: vertices at one place count as one."""
    if rounds == 0:
        return normals
    _, first, weld = np.unique(vertices, axis=0, return_index=True, return_inverse=True)
    weld = weld.reshape(-1)
    out = smoothed(normals[first].astype(np.float64), weld[faces], rounds)
    return unit(out)[weld].astype(np.float32)


def _averaging(count: int, faces: ndarray) -> csr_matrix:
    """(V, V) matrix: half the value, half the mean of the neighbours."""
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    row, column = np.concatenate([ends, ends[:, ::-1]]).T
    linked = coo_matrix((np.ones(len(row)), (row, column)), shape=(count, count)).tocsr()
    linked.data[:] = 1.0
    number = np.maximum(np.asarray(linked.sum(1)).ravel(), 1.0)
    return csr_matrix(0.5 * diags(np.ones(count)) + 0.5 * diags(1.0 / number) @ linked)
