"""Fine detail of the skin: noise, pores, freckles, moles, wrinkles, and normals from relief.

Everything is painted in canonical coordinates: millimetres on the average head, the origin midway
between the eyes, x to the person's left, y up, z forward. Features therefore follow the anatomy and
have no seams. `portraiture.engine.skin.paint` calls the numba functions here per texel.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray

from portraiture.ops.inner import inlined, inner, inner_of, kernel
from portraiture.ops.parallel import in_threads

WRINKLES: tuple[tuple[float, float, tuple[tuple[float, float], ...]], ...] = (
    (0.30, 1.6, ((0, 33), (14, 34), (28, 35), (38, 33))),
    (0.36, 1.8, ((0, 41), (12, 42), (26, 43), (41, 40))),
    (0.34, 1.8, ((0, 50), (15, 51), (30, 51), (44, 47))),
    (0.24, 1.6, ((3, 59), (16, 60), (32, 59), (42, 55))),
    (0.36, 1.3, ((5, 9), (5.5, 16), (5, 24), (6, 31))),
    (0.28, 1.2, ((50, 2), (55, 6), (60, 11), (66, 13))),
    (0.34, 1.2, ((51, -1), (57, 1), (63, 3), (69, 4))),
    (0.30, 1.2, ((50, -4), (56, -6), (62, -8), (66, -8))),
    (0.24, 1.1, ((47, -8), (53, -12), (58, -17), (60, -20))),
    (0.32, 1.4, ((17, -7), (22, -12), (30, -15), (39, -13), (46, -8))),
    (0.28, 1.6, ((17, -11), (22, -17), (30, -21), (38, -21), (46, -17))),
    (0.50, 2.6, ((19.5, -34), (22.5, -42), (26, -52), (30, -62), (33, -72), (34, -80))),
    (0.42, 1.9, ((28, -77), (30, -84), (30.5, -92), (29, -99))),
    (0.26, 2.0, ((0, -93), (7, -93), (14, -91))),
    (0.12, 0.8, ((3, -50), (3.5, -55), (4, -61))),
    (0.12, 0.8, ((8, -50), (9, -56), (10, -62))),
    (0.12, 0.8, ((14, -52), (15.5, -58), (17, -65))),
    (0.12, 0.8, ((5, -86), (5.5, -91))),
    (0.12, 0.8, ((12, -84), (13.5, -89))),
    (0.26, 1.8, ((30, -40), (38, -48), (45, -60), (48, -70))),
    (0.14, 1.0, ((2, 4), (6, 3.5), (10, 1))),
    (0.14, 1.0, ((2, 8), (6, 7.5), (9, 6))),
    (0.30, 2.2, ((0, -136), (16, -135), (32, -130), (46, -120))),
    (0.26, 2.2, ((0, -157), (18, -156), (36, -150), (50, -140))),
)
"""Creases of face and neck, on both sides: depth and half width, then points (|x|, y), in mm."""


@inlined
def hash_unit(i: int, j: int, k: int, seed: int) -> float:
    """Hash a lattice point to a pseudo-random number in [0, 1)."""
    h = (i * 374761393 + j * 668265263 + k * 2147483647 + seed * 1274126177) & 0xFFFFFFFF
    h = ((h ^ (h >> 13)) * 1103515245 + 12345) & 0xFFFFFFFF
    h = ((h ^ (h >> 16)) * 2246822519) & 0xFFFFFFFF
    return ((h ^ (h >> 15)) & 0xFFFFFF) / 16777216.0


@inner_of("f8(f8, f8, f8, i8)")
def noise(x: float, y: float, z: float, seed: int) -> float:
    """Smooth value noise in about [-1, 1] with features one unit wide (quintic interpolation)."""
    i, j, k = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
    u, v, w = x - i, y - j, z - k
    u = u * u * u * (u * (u * 6 - 15) + 10)
    v = v * v * v * (v * (v * 6 - 15) + 10)
    w = w * w * w * (w * (w * 6 - 15) + 10)
    total = 0.0
    for corner in range(8):
        a, b, c = corner & 1, (corner >> 1) & 1, corner >> 2
        weight = (u if a else 1 - u) * (v if b else 1 - v) * (w if c else 1 - w)
        total += weight * hash_unit(i + a, j + b, k + c, seed)
    return 2.6 * (total - 0.5)


@inner_of("f8(f8, f8, f8, i8, i8)")
def fractal(x: float, y: float, z: float, octaves: int, seed: int) -> float:
    """Octaves of `noise`, each half as wide and half as strong."""
    total, strength = 0.0, 1.0
    for octave in range(octaves):
        total += strength * noise(x, y, z, seed + octave)
        x, y, z, strength = 2.03 * x + 7.1, 2.03 * y + 3.7, 2.03 * z + 5.3, 0.5 * strength
    return total


@inner_of("f8(f8, f8, f8, f8, f8, f8, i8)")
def cell_spots(
    x: float, y: float, z: float, share: float, low: float, high: float, seed: int
) -> float:
    """Maximum of soft round spots at jittered lattice points, in [0, 1].

    share: probability that a lattice cell (one unit) holds a spot. low, high: radii in units.
    """
    i, j, k = int(np.floor(x)), int(np.floor(y)), int(np.floor(z))
    best = 0.0
    for a in range(-1, 2):
        for b in range(-1, 2):
            for c in range(-1, 2):
                ci, cj, ck = i + a, j + b, k + c
                if hash_unit(ci, cj, ck, seed) >= share:
                    continue
                px = ci + hash_unit(ci, cj, ck, seed + 1) - x
                py = cj + hash_unit(ci, cj, ck, seed + 2) - y
                pz = ck + hash_unit(ci, cj, ck, seed + 3) - z
                pick = hash_unit(ci, cj, ck, seed + 4)
                radius = low + (high - low) * pick * pick
                fall = (px * px + py * py + pz * pz) / (radius * radius)
                if fall < 6.0:
                    best = max(best, np.exp(-fall * fall) * (0.45 + 0.55 * pick))
    return best


PORE, WRINKLE, CRINKLE, LIP_CREASE, FINE, PATCH, MOTTLE, MOTTLE_TOO, GRAIN, GRAIN_TOO = range(10)
"""Channels of `fixed_grain`."""


def fixed_grain(
    position: Float32[ndarray, "s s 3"], pores: Float32[ndarray, "s s"]
) -> Float32[ndarray, "s s 10"]:
    """Fine structure shared by all faces; channels as named above.

    pores: strength, in [0, 1]. PORE is about [-1, 0.5] times that; WRINKLE and CRINKLE are relief
    in mm at full strength, LIP_CREASE is about [-1, 0.4]; the rest is noise of unit amplitude.
    """
    out = np.zeros((*position.shape[:2], 10), np.float32)
    in_threads(_fixed_grain, len(out), position, pores, _crease_segments(), out)
    return out


@kernel
def _fixed_grain(position, pores, segments, out, first, end):
    for row in range(first, end):
        for column in range(position.shape[1]):
            x, y, z = position[row, column]
            value = out[row, column]
            if pores[row, column] > 0.01:
                value[PORE] = pores[row, column] * _pore(x, y, z)
            if z > (-30.0 if y > -104.0 else -100.0) and -170.0 < y < 70.0 and abs(x) < 74.0:
                value[WRINKLE] = _wrinkle(x, y, z, segments)
                value[LIP_CREASE] = _lip_crease(x, y, z)
            if z > -60.0:
                value[CRINKLE] = _crinkle(x, y, z)
            value[FINE] = fractal(0.7 * x, 0.7 * y, 0.7 * z, 3, 61)
            value[PATCH] = noise(x / 6.0, y / 6.0, z / 6.0, 101)
            value[MOTTLE] = fractal(x / 3.1, y / 3.1, z / 3.1, 2, 72)
            value[MOTTLE_TOO] = fractal(x / 3.1, y / 3.1, z / 3.1, 2, 76)
            value[GRAIN] = noise(x / 0.8, y / 0.8, z / 0.8, 73)
            value[GRAIN_TOO] = noise(x / 0.8, y / 0.8, z / 0.8, 77)


@inner
def _pore(x, y, z):
    """Pores and the fine network of lines between them."""
    warp = 0.35 * noise(0.5 * x, 0.5 * y, 0.5 * z, 5)
    pores = cell_spots(x / 1.15 + warp, y / 1.15, z / 1.15 - warp, 0.75, 0.22, 0.42, 11)
    net = abs(noise(1.1 * x, 0.9 * y, 1.1 * z, 21)) + 0.6 * abs(
        noise(2.3 * x, 1.9 * y, 2.3 * z, 22)
    )
    return 0.28 * (net - 0.5) - pores


@inner
def _crinkle(x, y, z):
    """Fine lines of ageing skin: horizontal on the forehead and around the eyes, crossed
    elsewhere."""
    bend = 0.6 * noise(x / 5.0, y / 5.0, z / 5.0, 51)
    forehead = min(max((y - 22.0) / 14.0, 0.0), 1.0)
    lines = 0.0
    if forehead > 0.0:
        level = abs(noise(0.10 * x, 0.55 * y + bend, 0.10 * z, 52))
        lines += forehead * 0.10 * min(level * 3.0, 1.0)
    if forehead < 1.0:
        cross = abs(noise(0.42 * x + 0.42 * y + bend, 0.16 * (x - y), 0.3 * z, 53))
        other = abs(noise(0.16 * (x + y), 0.42 * (x - y) + bend, 0.3 * z, 54))
        lines += (1.0 - forehead) * 0.055 * (min(cross * 2.6, 1.0) + min(other * 2.6, 1.0))
    from_eye = ((abs(x) - 32.0) / 17.0) ** 2 + ((y + 6.0) / 13.0) ** 2
    if from_eye < 4.0:
        fine = abs(noise(0.35 * x, 1.25 * y + bend, 0.35 * z, 55))
        lines += np.exp(-from_eye) * 0.10 * min(fine * 2.6, 1.0)
    return lines


@inner
def _lip_crease(x, y, z):
    """Fine vertical furrows of the lips."""
    bend = x + 0.05 * (y + 73.0) * np.sign(x)
    a = noise(bend * 0.95, y * 0.10, z * 0.06, 111)
    b = noise(bend * 2.1, y * 0.16, z * 0.10, 112)
    return 0.4 - (1.0 - min(abs(a) * 2.2, 1.0)) * 0.9 - (1.0 - min(abs(b) * 2.2, 1.0)) * 0.4


def _crease_segments() -> Float[ndarray, "N 8"]:
    """`WRINKLES` as line segments: ends, depth, width, and position along the crease at either end.

    A crease that starts at the midline of the face continues across it, so its position starts
    half-way.
    """
    segments = []
    for depth, width, points in WRINKLES:
        knots = np.asarray(points, np.float64)
        length = np.linalg.norm(np.diff(knots, axis=0), axis=1)
        along = np.concatenate([[0.0], np.cumsum(length)]) / length.sum()
        if knots[0, 0] == 0.0:
            along = 0.5 + 0.5 * along
        for k in range(len(knots) - 1):
            segments.append([*knots[k], *knots[k + 1], depth, width, along[k], along[k + 1]])
    return np.array(segments)


@inner
def _wrinkle(x, y, z, segments):
    """Creases with randomly perturbed course and depth, in mm (negative inwards)."""
    wx = 1.3 * noise(x / 11.0, y / 11.0, z / 11.0, 31) + 0.5 * noise(x / 4, y / 4, z / 4, 33)
    wy = 1.3 * noise(x / 11.0, y / 11.0, z / 11.0, 32) + 0.5 * noise(x / 4, y / 4, z / 4, 34)
    uneven = 0.75 + 0.55 * noise(x / 7.0, y / 7.0, z / 7.0, 35)
    return uneven * _crease_depth(abs(x + wx * 0.7), y + wy, segments)


@inner
def _crease_depth(x: float, y: float, segments: ndarray) -> float:
    """Relief at one point; each crease contributes once, through its nearest segment."""
    deepest, total, last_depth = 0.0, 0.0, -1.0
    for s in range(segments.shape[0]):
        ax, ay, bx, by, depth, width, t0, t1 = segments[s]
        dx, dy = bx - ax, by - ay
        t = ((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)
        t = min(max(t, 0.0), 1.0)
        px, py = x - ax - t * dx, y - ay - t * dy
        d = np.sqrt(px * px + py * py) / width
        if d > 6.0:
            value = 0.0
        else:
            along = t0 + t * (t1 - t0)
            taper = np.sqrt(max(4.0 * along * (1.0 - along), 0.0))
            value = depth * taper * (0.45 * np.exp(-0.10 * d * d) - np.exp(-0.9 * d * d))
        if t0 == 0.0 or t0 == 0.5 or last_depth != depth:
            total += deepest
            deepest = 0.0
        last_depth = depth
        if abs(value) > abs(deepest):
            deepest = value
    return total + deepest


def relief_normals(
    height: Float32[ndarray, "s s"], texel_mm: Float32[ndarray, "s s 2"]
) -> UInt8[ndarray, "s s 3"]:
    """Tangent-space normal map (glTF: +y is up in the texture) of relief in mm.

    texel_mm: size of one texel along u and v in mm; slopes are clamped to 0.9.
    """
    size = height.shape[0]
    out = np.empty((size, size, 3), np.uint8)
    in_threads(_relief_normals, size, height, texel_mm, out)
    return out


@kernel
def _relief_normals(height, texel_mm, out, first, end):
    size = height.shape[0]
    for row in range(first, end):
        up, down = max(row - 1, 0), min(row + 1, size - 1)
        for column in range(size):
            left, right = max(column - 1, 0), min(column + 1, size - 1)
            dx = (height[row, right] - height[row, left]) / (2 * texel_mm[row, column, 0])
            dy = (height[up, column] - height[down, column]) / (2 * texel_mm[row, column, 1])
            dx, dy = min(max(dx, -0.9), 0.9), min(max(dy, -0.9), 0.9)
            length = np.sqrt(dx * dx + dy * dy + 1.0)
            out[row, column, 0] = np.uint8(127.5 - 127.5 * dx / length + 0.5)
            out[row, column, 1] = np.uint8(127.5 - 127.5 * dy / length + 0.5)
            out[row, column, 2] = np.uint8(127.5 + 127.5 / length)


def texel_sizes(position: Float[ndarray, "s s 3"]) -> Float32[ndarray, "s s 2"]:
    """Length in the units of `position` of one texel along u and v (at least 0.02)."""
    along_u = np.linalg.norm(np.gradient(position, axis=1), axis=2)
    along_v = np.linalg.norm(np.gradient(position, axis=0), axis=2)
    return np.clip(np.stack([along_u, along_v], axis=2), 0.02, 6.0).astype(np.float32)
