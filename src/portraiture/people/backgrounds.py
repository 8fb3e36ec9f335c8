"""Procedural backgrounds for portraits: walls, rooms, bokeh, noise.

All functions return (n, n, 3) float32 in [0, 1], sRGB. Backgrounds only need to be varied and free
of faces, so that networks do not learn that portraits have a white background.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32
from numpy import ndarray
from scipy.ndimage import gaussian_filter, zoom

Image = Float32[ndarray, "n n 3"]


def sample_background(rng: np.random.Generator, size: int) -> Image:
    """Sample a background of `size` pixels from the kinds below, sometimes with defocus blur and
    noise."""
    kinds: tuple[tuple[float, Callable[[np.random.Generator, int], Image]], ...] = (
        (0.26, gradient), (0.2, bokeh), (0.18, room), (0.18, clouds), (0.1, tiles), (0.08, plain),
    )  # fmt: skip
    shares = np.array([share for share, _ in kinds])
    image = kinds[int(rng.choice(len(kinds), p=shares / shares.sum()))][1](rng, size)
    if rng.random() < 0.5:
        image = gaussian_filter(image, (*[rng.uniform(0.0, 0.03) * size] * 2, 0.0))
    if rng.random() < 0.4:
        image = image + rng.normal(0.0, rng.uniform(0.005, 0.04), image.shape)
    return np.clip(image, 0.0, 1.0).astype(np.float32)


def plain(rng: np.random.Generator, size: int) -> Image:
    """One uniform colour: white, black, grey or random."""
    if rng.random() < 0.5:
        return np.broadcast_to(_colour(rng), (size, size, 3)).astype(np.float32)
    level = rng.choice([1.0, 0.0, rng.uniform(0.1, 0.95)])
    return np.full((size, size, 3), level, np.float32)


def gradient(rng: np.random.Generator, size: int) -> Image:
    """A wall or backdrop: a gradient of one hue with a soft spotlight."""
    x, y = _grid(size)
    angle = rng.uniform(0.0, 2.0 * np.pi)
    along = _smooth(0.5 + 0.6 * (np.cos(angle) * x + np.sin(angle) * y))
    first = _colour(rng)
    second = np.clip(first * rng.uniform(0.35, 1.3) + rng.normal(0.0, 0.08, 3), 0.0, 1.0)
    centre, width = rng.uniform(-1.0, 1.0, 2), rng.uniform(0.4, 1.4)
    spot = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / width**2)
    image = first + (second - first) * along[..., None]
    return (image + rng.uniform(-0.2, 0.3) * spot[..., None]).astype(np.float32)


def bokeh(rng: np.random.Generator, size: int) -> Image:
    """Bokeh: discs of various sizes over a gradient."""
    image = gradient(rng, size)
    x, y = _grid(size)
    for _ in range(int(rng.integers(6, 40))):
        centre, radius = rng.uniform(-1.1, 1.1, 2), rng.uniform(0.04, 0.5)
        apart = np.hypot(x - centre[0], y - centre[1])
        cover = np.clip((radius - apart) / rng.uniform(0.02, 0.2), 0.0, 1.0)
        cover = cover[..., None] * rng.uniform(0.2, 0.9)
        image = image + cover * (_colour(rng) - image)
    return image


def room(rng: np.random.Generator, size: int) -> Image:
    """Vertical and horizontal stripes and boxes, like doors, shelves, windows and frames."""
    image = gradient(rng, size)
    x, y = _grid(size)
    for _ in range(int(rng.integers(3, 16))):
        tilt = rng.normal(0.0, 0.03)
        u, v = x + tilt * y, y - tilt * x
        middle, half = rng.uniform(-1.1, 1.1, 2), rng.uniform(0.02, 0.6, 2)
        if rng.random() < 0.4:
            half[int(rng.integers(2))] = 3.0
        inside = np.minimum(half[0] - abs(u - middle[0]), half[1] - abs(v - middle[1]))
        cover = np.clip(inside / 0.02, 0.0, 1.0)[..., None] * rng.uniform(0.4, 1.0)
        image = image + cover * (_colour(rng) - image)
    return image


def clouds(rng: np.random.Generator, size: int) -> Image:
    """Multi-scale noise, like leaves, plaster, cloth or sky."""
    image = np.broadcast_to(_colour(rng), (size, size, 3)).astype(np.float64)
    rough = rng.uniform(0.35, 0.8)
    for octave in range(1, 6):
        cells = 2**octave
        values = rng.normal(0.0, 1.0, (cells + 1, cells + 1, 1)) * _colour(rng)
        values = values + 0.3 * rng.normal(0.0, 1.0, (cells + 1, cells + 1, 3))
        image = image + 0.3 * rough**octave * _stretched(values, size)
    return image.astype(np.float32)


def tiles(rng: np.random.Generator, size: int) -> Image:
    """A grid of two-coloured boxes, like books, bricks or a façade."""
    x, y = _grid(size)
    columns, rows = rng.uniform(2.0, 14.0, 2)
    shift = rng.uniform(0.0, 0.5)
    j = np.floor((y + 1.0) * 0.5 * rows)
    i = np.floor((x + 1.0) * 0.5 * columns + shift * j)
    key = (i * 127.1 + j * 311.7 + rng.uniform(0.0, 1000.0)) % 97.0 / 97.0
    seam = ((x + 1.0) * 0.5 * columns + shift * j) % 1.0 < rng.uniform(0.02, 0.15)
    first, second = _colour(rng), _colour(rng)
    image = first + (second - first) * key[..., None]
    return np.where(seam[..., None], 0.6 * first, image).astype(np.float32)


def _grid(size: int) -> tuple[ndarray, ndarray]:
    """x to the right and y down, in [-1, 1]."""
    i = (np.arange(size) + 0.5) / size * 2.0 - 1.0
    x, y = np.meshgrid(i, i)
    return x, y


def _colour(rng: np.random.Generator) -> ndarray:
    """Sample a colour, mostly of low saturation."""
    level, spread = rng.uniform(0.05, 0.98), rng.choice([0.02, 0.08, 0.22], p=[0.4, 0.4, 0.2])
    tint = rng.normal(0.0, spread, 3)
    return np.clip(level + tint - tint.mean(), 0.0, 1.0)


def _smooth(t: ndarray) -> ndarray:
    t = np.clip(t, 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _stretched(values: ndarray, size: int) -> ndarray:
    """Upsample a coarse grid to `size` pixels, linearly."""
    factors = (size / values.shape[0], size / values.shape[1], 1.0)
    return np.asarray(zoom(values, factors, order=1))
