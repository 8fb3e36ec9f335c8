"""Mip-mapped texture fetches from one flat buffer of uint8 texels; textures repeat, v points up.

A texture's levels are stored consecutively; level l has ``max(1, size >> l)`` rows and columns.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy import ndarray

from portraiture.ops.inner import inlined, kernel


def mip_levels(height: int, width: int) -> list[tuple[int, int]]:
    """Rows and columns of every level, down to 1 × 1."""
    levels = max(height, width).bit_length()
    return [(max(1, height >> k), max(1, width >> k)) for k in range(levels)]


def chain_length(height: int, width: int, channels: int) -> int:
    """Total size of all levels of a texture, bytes."""
    return sum(h * w for h, w in mip_levels(height, width)) * channels


def mip_chain(image: ndarray, *, cutoff: float | None = None) -> ndarray:
    """Build the mip chain of an (H, W, C) uint8 image as flat texels, by repeated box filtering.

    cutoff: alpha-test threshold in [0, 1] of an RGBA image. If given, alpha of every level is
    scaled so that the same fraction passes the test as in the full image (thin hair does not vanish
    with distance), and colours are averaged weighted by opacity.
    """
    image = np.ascontiguousarray(image)
    height, width, channels = image.shape
    levels = mip_levels(height, width)
    flat = np.empty(chain_length(height, width, channels), np.uint8)
    flat[: image.size] = image.ravel()
    read, write = 0, image.size
    for (h, w), (h2, w2) in itertools.pairwise(levels):
        _halve(flat, read, write, h, w, h2, w2, channels, cutoff is not None)
        read, write = write, write + h2 * w2 * channels
    if cutoff is not None:
        _keep_coverage(flat, levels, cutoff)
    return flat


def _keep_coverage(flat: ndarray, levels: list[tuple[int, int]], cutoff: float) -> None:
    threshold = max(1, round(cutoff * 255.0))
    offset = 0
    target = None
    for h, w in levels:
        alpha = flat[offset : offset + 4 * h * w].reshape(-1, 4)[:, 3]
        if target is None:
            target = np.mean(alpha >= threshold)
        elif h * w >= 16 and 0.0 < target < 1.0:
            limit = max(float(np.quantile(alpha, 1.0 - target)), 1.0)
            alpha[:] = np.minimum(255.0, alpha * (threshold / limit) + 0.5).astype(np.uint8)
        offset += 4 * h * w


@kernel
def _halve(flat, read, write, h, w, h2, w2, channels, by_alpha):
    """Average 2 × 2 texels of the level at `read` into the level at `write`."""
    for y in range(h2):
        y0, y1 = min(2 * y, h - 1), min(2 * y + 1, h - 1)
        for x in range(w2):
            x0, x1 = min(2 * x, w - 1), min(2 * x + 1, w - 1)
            a, b = read + (y0 * w + x0) * channels, read + (y0 * w + x1) * channels
            c, d = read + (y1 * w + x0) * channels, read + (y1 * w + x1) * channels
            out = write + (y * w2 + x) * channels
            if by_alpha:
                wa, wb = int(flat[a + 3]) + 1, int(flat[b + 3]) + 1
                wc, wd = int(flat[c + 3]) + 1, int(flat[d + 3]) + 1
                total = wa + wb + wc + wd
                for k in range(3):
                    s = wa * flat[a + k] + wb * flat[b + k] + wc * flat[c + k] + wd * flat[d + k]
                    flat[out + k] = (s + total // 2) // total
                flat[out + 3] = (total - 2) // 4
            else:
                for k in range(channels):
                    s = int(flat[a + k]) + int(flat[b + k]) + int(flat[c + k]) + int(flat[d + k])
                    flat[out + k] = (s + 2) // 4


@inlined
def level_of(offset, height, width, channels, level):
    """Offset, rows and columns of a mip level of the texture that starts at `offset`."""
    k = 0
    while k < level and (height > 1 or width > 1):
        offset += height * width * channels
        height, width = max(1, height >> 1), max(1, width >> 1)
        k += 1
    return offset, height, width


@inlined
def footprint(height, width, u, v):
    """The four texels around (u, v) and the weights of the right and lower ones."""
    x = (u - np.floor(u)) * width - 0.5
    y = (1.0 - (v - np.floor(v))) * height - 0.5
    x0, y0 = int(np.floor(x)), int(np.floor(y))
    fx, fy = x - x0, y - y0
    x1, y1 = x0 + 1, y0 + 1
    if x0 < 0:
        x0 += width
    if x1 >= width:
        x1 -= width
    if y0 < 0:
        y0 += height
    if y1 >= height:
        y1 -= height
    return x0, x1, y0, y1, fx, fy


@inlined
def sample_channel(texels, offset, height, width, channels, channel, u, v):
    """One channel of one level at (u, v), bilinear, in [0, 255]."""
    x0, x1, y0, y1, fx, fy = footprint(height, width, u, v)
    a = float(texels[offset + (y0 * width + x0) * channels + channel])
    b = float(texels[offset + (y0 * width + x1) * channels + channel])
    c = float(texels[offset + (y1 * width + x0) * channels + channel])
    d = float(texels[offset + (y1 * width + x1) * channels + channel])
    top = a + fx * (b - a)
    bottom = c + fx * (d - c)
    return top + fy * (bottom - top)


@inlined
def sample_rgb(texels, offset, height, width, channels, table, u, v):
    """Three channels of one level at (u, v), bilinear; texels are mapped through `table` (256,)
    first."""
    x0, x1, y0, y1, fx, fy = footprint(height, width, u, v)
    a = offset + (y0 * width + x0) * channels
    b = offset + (y0 * width + x1) * channels
    c = offset + (y1 * width + x0) * channels
    d = offset + (y1 * width + x1) * channels
    wa, wb = (1.0 - fx) * (1.0 - fy), fx * (1.0 - fy)
    wc, wd = (1.0 - fx) * fy, fx * fy
    r = wa * table[texels[a]] + wb * table[texels[b]]
    g = wa * table[texels[a + 1]] + wb * table[texels[b + 1]]
    s = wa * table[texels[a + 2]] + wb * table[texels[b + 2]]
    r += wc * table[texels[c]] + wd * table[texels[d]]
    g += wc * table[texels[c + 1]] + wd * table[texels[d + 1]]
    s += wc * table[texels[c + 2]] + wd * table[texels[d + 2]]
    return r, g, s


@inlined
def sample_mip(texels, texture, channels, table, lod, u, v):
    """Trilinear RGB sample. texture: (offset, height, width). lod: >= 0, blends two levels."""
    lod = max(lod, 0.0)
    level = int(lod)
    blend = lod - level
    offset, height, width = level_of(texture[0], texture[1], texture[2], channels, level)
    r, g, b = sample_rgb(texels, offset, height, width, channels, table, u, v)
    if blend > 0.02 and (height > 1 or width > 1):
        offset, height, width = level_of(offset, height, width, channels, 1)
        r2, g2, b2 = sample_rgb(texels, offset, height, width, channels, table, u, v)
        r, g, b = r + blend * (r2 - r), g + blend * (g2 - g), b + blend * (b2 - b)
    return r, g, b


def level_table(textures, part, lod):
    """(F, 3) offset, rows and columns of the RGBA level nearest to each triangle's lod.

    textures: (P, slots, 3) full-size textures, base colour first. part: (F,) part whose texture the
    triangle uses. lod: (F,).
    """
    out = np.empty((len(part), 3), np.int64)
    _level_table(textures, part, lod, out)
    return out


@kernel
def _level_table(textures, part, lod, out):
    for f in range(part.shape[0]):
        t = textures[part[f], 0]
        out[f, 0], out[f, 1], out[f, 2] = level_of(t[0], t[1], t[2], 4, int(lod[f] + 0.5))
