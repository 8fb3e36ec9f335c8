"""Rasterise the skin in UV space: triangle and barycentric coordinates of each texel.

Row 0 of every texture is its top (v = 1). Dimension letters: S texels per side, P skin vertices
(split at UV seams), F triangles, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Float32, Int32, UInt8
from numpy import ndarray
from scipy.ndimage import distance_transform_edt

from portraiture.engine.head import HeadModel
from portraiture.ops.inner import kernel
from portraiture.ops.parallel import in_threads


@dataclass(frozen=True)
class TexelMap:
    """face: (S, S) triangle at each texel's centre, -1 outside. barycentric: (S, S, 3), sum 1."""

    face: Int32[ndarray, "s s"]
    barycentric: Float32[ndarray, "s s 3"]

    @property
    def inside(self) -> Bool[ndarray, "s s"]:
        """Whether each texel lies on the skin."""
        return self.face >= 0


@lru_cache(maxsize=6)
def texel_map(model: HeadModel, size: int) -> TexelMap:
    """Rasterise the skin's triangles in engine UV. The arrays are shared: do not modify them."""
    uv = model.arrays["skin_uv"].astype(np.float64)
    corners = np.stack([uv[:, 0] * size, (1.0 - uv[:, 1]) * size], axis=1)
    face = np.full((size, size), -1, np.int32)
    barycentric = np.zeros((size, size, 3), np.float32)
    _fill_triangles(corners, model.arrays["skin_faces"], face, barycentric)
    return TexelMap(face, barycentric)


@lru_cache(maxsize=6)
def _nearest_inside(model: HeadModel, size: int) -> Int32[ndarray, "s s"]:
    return nearest_texel(texel_map(model, size).inside)


def nearest_texel(inside: Bool[ndarray, "h w"]) -> Int32[ndarray, "h w"]:
    """Flat index, for every texel, of the nearest inside texel. Raises ValueError if there are
    none."""
    if not inside.any():
        raise ValueError("no texel is inside")
    _, (rows, columns) = distance_transform_edt(~inside, return_indices=True)  # pyright: ignore
    return (rows * inside.shape[1] + columns).astype(np.int32)


def dilate(image: ndarray, inside: Bool[ndarray, "h w"]) -> ndarray:
    """Copy an (H, W) or (H, W, C) image, filling outside texels from the nearest inside texel."""
    flat = image.reshape(inside.size, -1)
    return flat[nearest_texel(inside).ravel()].reshape(image.shape)


def fill_gutter(image: ndarray, model: HeadModel) -> ndarray:
    """`dilate` with the model's texel map; the nearest-texel indices are cached by size."""
    size = image.shape[0]
    flat = image.reshape(size * size, -1)
    return flat[_nearest_inside(model, size).ravel()].reshape(image.shape)


def interpolate(
    values: Float[ndarray, "P C"], model: HeadModel, size: int
) -> Float32[ndarray, "s s C"]:
    """Interpolate values of skin vertices at every texel, zero outside."""
    texels = texel_map(model, size)
    out = np.zeros((size, size, values.shape[1]), np.float32)
    in_threads(
        _interpolate,
        size,
        np.ascontiguousarray(values, np.float32),
        model.arrays["skin_faces"],
        texels.face,
        texels.barycentric,
        out,
    )
    return out


def resample_makehuman(
    image: UInt8[ndarray, "h w C"], model: HeadModel, size: int
) -> UInt8[ndarray, "s s C"]:
    """Resample a texture from MakeHuman's UV (row 0 at v = 1) to engine UV, bilinearly, with filled
    gutters."""
    uv = interpolate(model.arrays["skin_uv_makehuman"], model, size)
    height, width = image.shape[:2]
    x, y = uv[..., 0] * width - 0.5, (1.0 - uv[..., 1]) * height - 0.5
    sampled = sample_bilinear(np.ascontiguousarray(image, np.float32), x, y)
    return fill_gutter((sampled + 0.5).astype(np.uint8), model)


def sample_bilinear(
    image: Float32[ndarray, "h w C"], x: Float[ndarray, "*n"], y: Float[ndarray, "*n"]
) -> Float32[ndarray, "*n C"]:
    """Sample `image` bilinearly at pixel coordinates, (0, 0) being the first pixel's centre,
    clamped at the border."""
    out = np.empty((x.size, image.shape[2]), np.float32)
    in_threads(
        _bilinear,
        x.size,
        np.ascontiguousarray(image, np.float32),
        np.ascontiguousarray(x, np.float32).ravel(),
        np.ascontiguousarray(y, np.float32).ravel(),
        out,
    )
    return out.reshape(*x.shape, image.shape[2])


@kernel
def _fill_triangles(corners, faces, face, barycentric):
    """Fill texels whose centre lies in a triangle; on shared edges the later triangle wins."""
    size = face.shape[0]
    for f in range(faces.shape[0]):
        ax, ay = corners[faces[f, 0]]
        bx, by = corners[faces[f, 1]]
        cx, cy = corners[faces[f, 2]]
        det = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if det == 0.0:
            continue
        x0, x1 = max(int(min(ax, bx, cx) - 0.5), 0), min(int(max(ax, bx, cx) + 1.5), size)
        y0, y1 = max(int(min(ay, by, cy) - 0.5), 0), min(int(max(ay, by, cy) + 1.5), size)
        for row in range(y0, y1):
            for column in range(x0, x1):
                px, py = column + 0.5 - ax, row + 0.5 - ay
                u = (px * (cy - ay) - py * (cx - ax)) / det
                v = (py * (bx - ax) - px * (by - ay)) / det
                if u >= -1e-9 and v >= -1e-9 and u + v <= 1.0 + 1e-9:
                    face[row, column] = f
                    barycentric[row, column, 0] = 1.0 - u - v
                    barycentric[row, column, 1] = u
                    barycentric[row, column, 2] = v


@kernel
def _interpolate(values, faces, face, barycentric, out, first, end):
    channels = values.shape[1]
    for row in range(first, end):
        for column in range(face.shape[1]):
            f = face[row, column]
            if f < 0:
                continue
            for k in range(3):
                weight = barycentric[row, column, k]
                vertex = faces[f, k]
                for c in range(channels):
                    out[row, column, c] += weight * values[vertex, c]


@kernel
def _bilinear(image, x, y, out, first, end):
    height, width, channels = image.shape
    for i in range(first, end):
        px, py = min(max(x[i], 0.0), width - 1.0), min(max(y[i], 0.0), height - 1.0)
        x0, y0 = int(px), int(py)
        x1, y1 = min(x0 + 1, width - 1), min(y0 + 1, height - 1)
        fx, fy = px - x0, py - y0
        for c in range(channels):
            top = image[y0, x0, c] * (1 - fx) + image[y0, x1, c] * fx
            bottom = image[y1, x0, c] * (1 - fx) + image[y1, x1, c] * fx
            out[i, c] = top * (1 - fy) + bottom * fy
