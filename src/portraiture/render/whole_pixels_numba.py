"""Which pixels of a supersampled image are shaded once, and which sample by sample."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import ndarray

from portraiture.ops.inner import inner, kernel

STEP_M = 0.004
"""Difference in depth between the samples of a pixel from which it shows more than one surface."""


class Places(NamedTuple):
    """Places to shade. triangle: (N,) int32. bary: (N, 3) float32. pixel: (N, 2) row and column."""

    triangle: ndarray
    bary: ndarray
    pixel: ndarray


def split_pixels(triangle, bary, depth, part, whole, factor):
    """`Places` of whole pixels, in pixels, and of all other samples, in samples.

    A pixel is whole if all its factor × factor samples show one part for which `whole` (P,) is not
    0, without a step in depth. It is shaded at the mean of the samples that show the triangle of
    its first one, which lies in that triangle. triangle, depth: (H, W). part: (F,) of triangles.
    """
    counts = np.zeros(2, np.int64)
    once, each = _places(0), _places(0)
    for write in (False, True):
        _split(triangle, bary, depth, part, whole, factor, write, once, each, counts)
        if not write:
            once, each = map(_places, counts)
    return once, each


def _places(count):
    return Places(
        np.empty(count, np.int32),
        np.zeros((count, 3), np.float32),
        np.empty((count, 2), np.int64),
    )


@kernel
def _split(triangle, bary, depth, part, whole, factor, write, once, each, counts):
    """Count the whole pixels and the other samples, or write them."""
    rows, columns = triangle.shape[0] // factor, triangle.shape[1] // factor
    pixels, samples = 0, 0
    for row in range(rows):
        for column in range(columns):
            top, left = row * factor, column * factor
            if _is_whole(triangle, depth, part, whole, top, left, factor):
                if write:
                    once.triangle[pixels] = triangle[top, left]
                    once.pixel[pixels, 0], once.pixel[pixels, 1] = row, column
                    _mean_of_first(triangle, bary, top, left, factor, once.bary[pixels])
                pixels += 1
                continue
            for y in range(top, top + factor):
                for x in range(left, left + factor):
                    if triangle[y, x] < 0:
                        continue
                    if write:
                        each.triangle[samples] = triangle[y, x]
                        each.pixel[samples, 0], each.pixel[samples, 1] = y, x
                        for k in range(3):
                            each.bary[samples, k] = bary[y, x, k]
                    samples += 1
    counts[0], counts[1] = pixels, samples


@inner
def _is_whole(triangle, depth, part, whole, top, left, factor):
    first = triangle[top, left]
    if first < 0 or whole[part[first]] == 0:
        return False
    near, far = depth[top, left], depth[top, left]
    for y in range(top, top + factor):
        for x in range(left, left + factor):
            f = triangle[y, x]
            if f < 0 or part[f] != part[first]:
                return False
            near, far = min(near, depth[y, x]), max(far, depth[y, x])
    return far - near < STEP_M


@inner
def _mean_of_first(triangle, bary, top, left, factor, out):
    count = 0
    for y in range(top, top + factor):
        for x in range(left, left + factor):
            if triangle[y, x] == triangle[top, left]:
                count += 1
                for k in range(3):
                    out[k] += bary[y, x, k]
    for k in range(3):
        out[k] /= count
