"""Shadow maps from a light, and ambient occlusion per vertex.

A height map is an orthographic projection along one direction; a texel holds the maximum height
(metres towards the light) of all surfaces in it. A point is in shadow where the map is higher.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from portraiture.ops.inner import inlined, inner, kernel
from portraiture.ops.parallel import in_threads
from portraiture.recent import Recent
from portraiture.render.harmonics import even_directions, sh_basis
from portraiture.render.texture_numba import chain_length, level_of, sample_channel

TRANSFER_DIRECTIONS = 40
TRANSFER_SIZE = 224
TRANSFER_SUMS = 8
"""Number of subsets of the directions that are summed in parallel."""
KEY_SIZE = 768
BIAS_M = 0.0025


class Caster(NamedTuple):
    """Triangles that cast shadows. F triangles, V vertices.

    faces: (F, 3). cutoff: (F,) of the alpha test, negative for none. texture: (F, 3) base-colour
    textures at full size, in `texels`. uv: (V, 2).
    """

    faces: ndarray
    cutoff: ndarray
    texture: ndarray
    uv: ndarray
    texels: ndarray


class HeightMap(NamedTuple):
    """heights: (S, S) float32 metres, -inf where empty. axes: (3, 3), rows are the world directions
    right, up and towards the light. corner: (2,) right and up coordinate of texel (0, 0)'s lower
    corner. scale: texels per metre."""

    heights: ndarray
    axes: ndarray
    corner: ndarray
    scale: float


def light_axes(direction: ndarray) -> ndarray:
    """Unit axes as rows: right, up and towards the light."""
    z = np.asarray(direction, np.float64)
    z = z / np.linalg.norm(z)
    side = np.array([0.0, 1.0, 0.0]) if abs(z[1]) < 0.9 else np.array([1.0, 0.0, 0.0])
    x = np.cross(side, z)
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


def key_shadow(vertices: ndarray, caster: Caster, direction: ndarray) -> HeightMap:
    """Render the height map of the key light, fitted to the vertices."""
    axes = light_axes(direction)
    local = vertices @ axes.T
    low, high = local[:, :2].min(0), local[:, :2].max(0)
    scale = (KEY_SIZE - 4) / max(float((high - low).max()), 1e-6)
    corner = low - 2.0 / scale
    heights = np.empty((KEY_SIZE, KEY_SIZE), np.float32)
    in_threads(_draw_heights, KEY_SIZE, local, caster, corner, scale, heights, each=1)
    return HeightMap(heights, axes, corner, scale)


@kernel
def _draw_heights(local, caster, corner, scale, heights, first_row, end_row):
    """Write rows first_row to end_row - 1 of `heights`: all casters' triangles rasterised.

    local: (V, 3) vertices along the map's axes. In each triangle the barycentrics v and w and the
    height are linear in the column.
    """
    size = heights.shape[0]
    end_row = min(end_row, size)
    for row in range(first_row, end_row):
        for column in range(size):
            heights[row, column] = -np.inf
    for f in range(caster.faces.shape[0]):
        a, b, c = caster.faces[f, 0], caster.faces[f, 1], caster.faces[f, 2]
        ax, ay = (local[a, 0] - corner[0]) * scale, (local[a, 1] - corner[1]) * scale
        bx, by = (local[b, 0] - corner[0]) * scale, (local[b, 1] - corner[1]) * scale
        cx, cy = (local[c, 0] - corner[0]) * scale, (local[c, 1] - corner[1]) * scale
        y0 = max(first_row, int(np.floor(min(ay, by, cy) + 0.5)))
        y1 = min(end_row - 1, int(np.floor(max(ay, by, cy) - 0.5)))
        det = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if y1 < y0 or det == 0.0:
            continue
        x0 = max(0, int(np.floor(min(ax, bx, cx) + 0.5)))
        x1 = min(size - 1, int(np.floor(max(ax, bx, cx) - 0.5)))
        step_v, step_w = (cy - ay) / det, -(by - ay) / det
        za, zb, zc = local[a, 2], local[b, 2], local[c, 2]
        for row in range(y0, y1 + 1):
            y = row + 0.5 - ay
            v0 = (-y * (cx - ax)) / det - ax * step_v
            w0 = ((bx - ax) * y) / det - ax * step_w
            first, last = _span(v0, step_v, x0, x1)
            first, last = _span(w0, step_w, first, last)
            first, last = _span(1.0 - v0 - w0, -step_v - step_w, first, last)
            for column in range(first, last + 1):
                x = column + 0.5
                v, w = v0 + step_v * x, w0 + step_w * x
                height = za + v * (zb - za) + w * (zc - za)
                if height > heights[row, column] and _solid(caster, f, scale, v, w):
                    heights[row, column] = height


@inlined
def _span(start, step, first, last):
    """The columns from first to last with start + step * (column + 0.5) >= 0."""
    if step > 0.0:
        low = min(max(-start / step - 0.5, -1.0), 1e6)
        return max(first, int(np.ceil(low))), last
    if step < 0.0:
        high = min(max(-start / step - 0.5, -1.0), 1e6)
        return first, min(last, int(np.floor(high)))
    return (first, last) if start >= 0.0 else (0, -1)


@inner
def _solid(caster, f, scale, v, w):
    """Whether the point with barycentrics (1 - v - w, v, w) passes the alpha test."""
    if caster.cutoff[f] < 0.0:
        return True
    a, b, c = caster.faces[f, 0], caster.faces[f, 1], caster.faces[f, 2]
    s = (1.0 - v - w) * caster.uv[a, 0] + v * caster.uv[b, 0] + w * caster.uv[c, 0]
    t = (1.0 - v - w) * caster.uv[a, 1] + v * caster.uv[b, 1] + w * caster.uv[c, 1]
    texture = caster.texture
    level = 1 if scale > 1000.0 else 2
    offset, height, width = level_of(texture[f, 0], texture[f, 1], texture[f, 2], 4, level)
    alpha = sample_channel(caster.texels, offset, height, width, 4, 3, s, t)
    return alpha >= caster.cutoff[f] * 255.0


def vogel_disk(count: int) -> ndarray:
    """(N, 2) evenly spaced points on the unit disk, ordered by radius."""
    i = np.arange(count)
    r, turn = np.sqrt((i + 0.5) / count), i * np.pi * (3.0 - 5.0**0.5)
    return np.stack([r * np.cos(turn), r * np.sin(turn)], axis=1)


@inlined
def _height_at(shadow, x, y):
    column, row = int(x), int(y)
    if x < 0.0 or y < 0.0 or column >= shadow.heights.shape[1] or row >= shadow.heights.shape[0]:
        return -np.inf
    return shadow.heights[row, column]


@inlined
def visibility(shadow, x, y, z, spread, taps, cosine, sine):
    """Visible fraction of a disk-shaped light at a point, and the mean distance of the blockers.

    x, y, z: the point along the map's axes, metres. spread: tangent of the light's angular radius.
    taps: (N, 2) points in the unit disk, rotated by the angle of (cosine, sine). The penumbra
    widens with the blockers' distance (Fernando 2005, "Percentage-closer soft shadows").
    """
    x, y = (x - shadow.corner[0]) * shadow.scale, (y - shadow.corner[1]) * shadow.scale
    reach = max(spread * 0.06 * shadow.scale, 1.5)
    blockers, distance = 0.0, 0.0
    for k in range(0, taps.shape[0], 2):
        u, v = cosine * taps[k, 0] - sine * taps[k, 1], sine * taps[k, 0] + cosine * taps[k, 1]
        above = _height_at(shadow, x + reach * u, y + reach * v) - z
        if above > 0.001:
            blockers += 1.0
            distance += above
    if blockers == 0.0:
        return 1.0, 0.0
    distance /= blockers
    radius = min(max(distance * spread * shadow.scale, 1.2), reach)
    light = 0.0
    for k in range(taps.shape[0]):
        u, v = cosine * taps[k, 0] - sine * taps[k, 1], sine * taps[k, 0] + cosine * taps[k, 1]
        if _height_at(shadow, x + radius * u, y + radius * v) - z <= 0.001:
            light += 1.0
    return light / taps.shape[0], distance


@inlined
def depth_above(shadow, x, y, z, taps, cosine, sine):
    """Mean distance (metres) that light travels below the outermost surface around a point, for
    extinction in hair."""
    x, y = (x - shadow.corner[0]) * shadow.scale, (y - shadow.corner[1]) * shadow.scale
    reach = 0.0025 * shadow.scale
    total = 0.0
    for k in range(0, taps.shape[0], 2):
        u, v = cosine * taps[k, 0] - sine * taps[k, 1], sine * taps[k, 0] + cosine * taps[k, 1]
        above = _height_at(shadow, x + reach * u, y + reach * v) - z
        total += min(max(above - 0.001, 0.0), 0.08)
    return 2.0 * total / taps.shape[0]


def transfer(
    vertices: ndarray,
    normals: ndarray,
    extinction: ndarray,
    uv: ndarray,
    faces: ndarray,
    cutoff: ndarray,
    blend: ndarray,
    texture: ndarray,
    texels: ndarray,
) -> ndarray:
    """Compute SH transfer vectors (2, V, 9), float32: shadowed and unshadowed.

    Their product with the light's nine coefficients is the ambient radiance of a white Lambertian
    vertex: the integral of visibility, cosine over pi and radiance (Sloan, Kautz and Snyder 2002,
    section 4), with one height map for each of `TRANSFER_DIRECTIONS` directions.

    extinction: (V,) 1/m; where positive, occluders attenuate light by exp(-extinction * metres)
    instead of blocking it. blend: (F,) triangles with 1 cast no shadow.
    """
    keep = blend == 0
    caster = Caster(faces[keep], cutoff[keep], texture[keep], uv, texels)

    def make() -> ndarray:
        directions = even_directions(TRANSFER_DIRECTIONS)
        axes = np.stack([light_axes(d) for d in directions])
        basis = sh_basis(directions) * (4.0 / len(directions))
        radius = np.linalg.norm(np.ptp(vertices, axis=0)) / 2.0
        centre = (vertices.max(0) + vertices.min(0)) / 2.0
        scale = TRANSFER_SIZE / max(2.0 * radius, 1e-6)
        partial = np.zeros((TRANSFER_SUMS, 2, len(vertices), 9), np.float32)
        corner = np.full(2, -0.5 * TRANSFER_SIZE / scale)
        in_threads(
            _transfer, TRANSFER_SUMS, vertices - centre, normals, extinction, caster, axes, basis,
            corner, scale, partial,
        )  # fmt: skip
        out = partial[0]
        for share in partial[1:]:
            out += share
        return out

    return _recent.get(_content(vertices, normals, extinction, caster), make)


_recent: Recent[bytes, ndarray] = Recent(8)


def _content(vertices: ndarray, normals: ndarray, extinction: ndarray, caster: Caster) -> bytes:
    """Digest of everything that `_transfer` reads; only textures of alpha-tested triangles."""
    tested = np.flatnonzero(caster.cutoff >= 0.0)
    offsets, first, which = np.unique(
        caster.texture[tested, 0], return_index=True, return_inverse=True
    )
    arrays = [vertices, normals, extinction, caster.faces, caster.cutoff, which]
    if len(tested):
        arrays.append(caster.uv)
    sizes = caster.texture[tested[first], 1:]
    for offset, (rows, columns) in zip(offsets.tolist(), sizes.tolist(), strict=True):
        arrays += [caster.texels[offset : offset + chain_length(rows, columns, 4)]]
    arrays.append(sizes)
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()


@kernel
def _transfer(
    vertices, normals, extinction, caster, axes, basis, corner, scale, partial, first, end
):
    """vertices: centred at the origin. basis: (N, 9) SH basis at the N directions times 4/N.
    partial: (`TRANSFER_SUMS`, 2, V, 9) zeros, to the sums `first` to `end` - 1 of which the
    directions are added. Their order does not depend on the number of threads."""
    for share in range(first, end):
        _transfer_share(
            vertices, normals, extinction, caster, axes, basis, corner, scale, partial, share
        )


@inner
def _transfer_share(
    vertices, normals, extinction, caster, axes, basis, corner, scale, partial, share
):
    """The directions of one sum."""
    heights = np.empty((TRANSFER_SIZE, TRANSFER_SIZE), np.float32)
    local = np.empty(vertices.shape)
    for d in range(share, axes.shape[0], partial.shape[0]):
        for i in range(vertices.shape[0]):
            for c in range(3):
                local[i, c] = (
                    vertices[i, 0] * axes[d, c, 0]
                    + vertices[i, 1] * axes[d, c, 1]
                    + vertices[i, 2] * axes[d, c, 2]
                )
        _draw_heights(local, caster, corner, scale, heights, np.int64(0), heights.shape[0])
        _gather(
            vertices, normals, extinction, local, heights, corner, scale, axes[d], basis[d],
            partial[share],
        )  # fmt: skip


@inner
def _gather(vertices, normals, extinction, local, heights, corner, scale, axes, lobe, out):
    """Accumulate one direction's light at every vertex that faces it."""
    for i in range(vertices.shape[0]):
        n = normals[i]
        cosine = n[0] * axes[2, 0] + n[1] * axes[2, 1] + n[2] * axes[2, 2]
        if cosine <= 0.0:
            continue
        x, y = local[i, 0], local[i, 1]
        if extinction[i] == 0.0:
            x += BIAS_M * (n[0] * axes[0, 0] + n[1] * axes[0, 1] + n[2] * axes[0, 2])
            y += BIAS_M * (n[0] * axes[1, 0] + n[1] * axes[1, 1] + n[2] * axes[1, 2])
        x, y = (x - corner[0]) * scale - 0.5, (y - corner[1]) * scale - 0.5
        column, row = int(np.floor(x)), int(np.floor(y))
        light = 0.0
        for k in range(4):
            c, r = column + (k & 1), row + (k >> 1)
            weight = (x - column if k & 1 else column + 1.0 - x) * (
                y - row if k >> 1 else row + 1.0 - y
            )
            above = -1.0
            if 0 <= c < heights.shape[1] and 0 <= r < heights.shape[0]:
                above = heights[r, c] - local[i, 2] - BIAS_M * (1.0 + cosine)
            if above <= 0.0:
                light += weight
            elif extinction[i] > 0.0:
                light += weight * np.exp(-extinction[i] * above)
        for k in range(9):
            value = np.float32(cosine * lobe[k])
            out[0, i, k] += np.float32(light) * value
            out[1, i, k] += value


def reached(transfers: ndarray, ambient: ndarray) -> ndarray:
    """(V, 3) fraction of the unshadowed ambient light that reaches each vertex, in [0, 1]."""
    shadowed, free = transfers @ np.asarray(ambient, np.float32)
    return np.clip(shadowed / np.maximum(free, 1e-3), 0.0, 1.0)
