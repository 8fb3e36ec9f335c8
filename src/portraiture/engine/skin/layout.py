"""Spatial layout of skin pigments: anatomical regions and a learned map."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from numpy import ndarray
from PIL import Image
from scipy.ndimage import gaussian_filter, maximum_filter

from portraiture.engine.head import HeadModel
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape, shape_head
from portraiture.engine.skin.detail import fixed_grain, texel_sizes
from portraiture.engine.skin.texels import fill_gutter, interpolate, sample_bilinear, texel_map
from portraiture.ops.inner import kernel
from portraiture.types import Segment

EYE_X_MM = 31.3
"""The canonical eye centres are at (±31.3, 0, 0)."""

BLUR = 37.0 / 1024.0
"""Standard deviation of the blur that separates low from mid frequencies, sides of the texture."""

LAYOUT_SIZE = 256
LAYOUT_RANGE = np.array([0.30, 0.40, 0.60])
"""Range of the stored offsets of melanin, haemoglobin (units of `tone_table`) and log shade."""


@lru_cache(maxsize=3)
def learned_layout(size: int) -> Float32[ndarray, "3 s s 3"]:
    """Offsets of melanin, haemoglobin and log shade: light-skinned men, women, and dark skin.

    From ``assets/skin_layout.png`` (means over CC0 photographic skins, see NOTICE).
    """
    with files("portraiture.assets").joinpath("skin_layout.png").open("rb") as file:
        coded = np.asarray(Image.open(file).convert("RGB"), np.float32)
    decoded = ((coded - 128.0) / 127.0 * LAYOUT_RANGE).astype(np.float32)
    at = (np.arange(size, dtype=np.float32) + 0.5) * (LAYOUT_SIZE / size) - 0.5
    x, y = np.meshgrid(at, at)
    groups = np.split(decoded, 3, axis=1)
    return np.stack([sample_bilinear(np.ascontiguousarray(group), x, y) for group in groups])


@lru_cache(maxsize=3)
def wide_layout(size: int) -> Float32[ndarray, "3 s s 3"]:
    """Low frequencies of `learned_layout`, for where `skin.appearance` has the others."""
    layout = learned_layout(size)
    sigma = BLUR * size
    return np.stack([blurred(group, sigma) for group in layout])


@dataclass(frozen=True)
class Anatomy:
    """Static maps of the skin at one size. The arrays are shared: do not modify them.

    position: (S, S, 3) canonical mm (see `skin.detail`), gutters filled. masks: (S, S, K), 255
    at full strength, in the order of `MASKS`. wide: low frequencies of those in `WIDE`. texel_mm:
    (S, S, 2) size of a texel along u and v. grain: (S, S, 10), see `skin.detail.fixed_grain`. near:
    (S, S), the skin and its gutters.
    """

    position: Float32[ndarray, "s s 3"]
    masks: UInt8[ndarray, "s s K"]
    wide: UInt8[ndarray, "s s W"]
    texel_mm: Float32[ndarray, "s s 2"]
    grain: Float32[ndarray, "s s 10"]
    near: Bool[ndarray, "s s"]


GUTTER = 12
"""Width of the painted margin around the islands, texels; beyond it the base tone is used."""

LIP_SOFTNESS = 0.0042
"""Blur of the lips' polygonal outline, as a fraction of the texture's side."""

MASKS = (
    "lips",
    "wet",
    "mouth",
    "lid_rim",
    "socket",
    "ear",
    "cheek",
    "nose",
    "under_eye",
    "eyelid",
    "beard",
    "shine",
    "pores",
    "cavity",
    "freckles",
    "caruncle",
    "lash_line",
)

WIDE = ("lips", "under_eye", "eyelid")


@lru_cache(maxsize=3)
def anatomy(model: HeadModel, size: int) -> Anatomy:
    """Compute all static maps, cached; about a second at 1024²."""
    shape = shape_head(AvatarParameters(), model)
    eyes = 0.5 * (shape.group("helper-l-eye").mean(0) + shape.group("helper-r-eye").mean(0))
    canonical = ((shape.skin - eyes) * 1e3).astype(np.float32)
    values = np.concatenate([canonical, _vertex_masks(shape, canonical)], axis=1)
    filled = fill_gutter(interpolate(values, model, size), model)
    position = np.ascontiguousarray(filled[..., :3])
    masks = np.ascontiguousarray(filled[..., 3:])
    soft = gaussian_filter(masks[..., 0], LIP_SOFTNESS * size)
    masks[..., 0] = _smoothstep(0.26, 0.66, soft) * (1.0 - masks[..., MASKS.index("mouth")])
    wide = blurred(masks[..., [MASKS.index(name) for name in WIDE]], BLUR * size)
    return Anatomy(
        position=position,
        masks=_quantised(masks),
        wide=_quantised(wide),
        texel_mm=texel_sizes(position),
        grain=fixed_grain(position, np.ascontiguousarray(masks[..., MASKS.index("pores")])),
        near=maximum_filter(texel_map(model, size).inside, size=2 * GUTTER + 1),
    )


def blurred(image: Float32[ndarray, "s s C"], sigma: float) -> Float32[ndarray, "s s C"]:
    """Gaussian blur of `sigma` texels, computed at a quarter of the size where that divides."""
    size = image.shape[0]
    block = 4 if size % 4 == 0 else 1
    small = image.reshape(size // block, block, size // block, block, -1).mean((1, 3))
    smooth = gaussian_filter(small, (sigma / block, sigma / block, 0), truncate=3.0)
    at = (np.arange(size, dtype=np.float32) + 0.5) / block - 0.5
    x, y = np.meshgrid(at, at)
    return sample_bilinear(np.ascontiguousarray(smooth, np.float32), x, y)


def _quantised(masks: Float32[ndarray, "s s K"]) -> UInt8[ndarray, "s s K"]:
    return (np.clip(masks, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def _smoothstep(low: float, high: float, value: ndarray) -> ndarray:
    """0 at `low`, 1 at `high`; `low` may exceed `high`."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _vertex_masks(shape: HeadShape, canonical: ndarray) -> ndarray:
    """(P, K) in the order of `MASKS`. Blobs are Gaussians: centre and standard deviation in mm."""
    x, y, z = np.abs(canonical[:, 0]), canonical[:, 1], canonical[:, 2]
    inside = _label_share(shape, Segment.MOUTH, split=True)
    sockets = _label_share(shape, Segment.LEFT_EYE, split=True) + _label_share(
        shape, Segment.RIGHT_EYE, split=True
    )
    front = _smoothstep(-45.0, -10.0, z) * (inside < 0.5) * (sockets < 0.5)

    def blob(cx: float, cy: float, sx: float, sy: float) -> ndarray:
        return front * np.exp(-(((x - cx) / sx) ** 2) - ((y - cy) / sy) ** 2)

    upper, lower = (_label_share(shape, s) for s in (Segment.UPPER_LIP, Segment.LOWER_LIP))
    mouth = _label_share(shape, Segment.MOUTH)
    socket = _label_share(shape, Segment.LEFT_EYE) + _label_share(shape, Segment.RIGHT_EYE)
    ear = _label_share(shape, Segment.LEFT_EAR) + _label_share(shape, Segment.RIGHT_EAR)
    lips = np.clip(upper + lower + mouth * (inside < 0.5), 0.0, 1.0) * (inside < 0.5)
    under_eye = blob(28.0, -13.0, 13.0, 5.5) + 0.7 * blob(17.0, -8.0, 5.0, 7.0)
    eyelid = blob(31.0, 7.0, 15.0, 4.5) + 0.4 * blob(18.0, 3.0, 5.0, 8.0)
    cheek = blob(39.0, -36.0, 17.0, 15.0)
    nose = blob(0.0, -38.0, 15.0, 11.0) + 0.5 * blob(0.0, -20.0, 9.0, 16.0)
    beard = _beard_zone(x, y, z) * (1.0 - lips) * (1.0 - ear)
    shine = 0.28 * blob(0.0, 38.0, 34.0, 20.0) + blob(0.0, -28.0, 9.0, 24.0)
    shine = shine + 0.5 * blob(0.0, -100.0, 12.0, 9.0)
    shine = shine + 0.6 * blob(40.0, -20.0, 15.0, 9.0)  # cheekbones
    pores = np.clip(
        0.35 * front + 0.9 * blob(0.0, -36.0, 16.0, 14.0) + 0.55 * blob(30.0, -32.0, 20.0, 16.0)
        + 0.35 * blob(0.0, 42.0, 40.0, 22.0) + 0.35 * blob(0.0, -100.0, 16.0, 12.0),
        0.12, 1.0,
    )  # fmt: skip
    pores = pores * (1.0 - lips) * (1.0 - 0.8 * np.clip(under_eye + eyelid, 0, 1)) * (1 - socket)
    freckles = np.clip(blob(24.0, -26.0, 30.0, 18.0) + 0.35 * front, 0.0, 1.0)
    from_eye = np.sqrt((x - EYE_X_MM) ** 2 + y**2 + z**2)
    near_eye = from_eye < 24.0
    rim = near_eye * _smoothstep(18.0, 17.1, from_eye) * _smoothstep(46.0, 41.0, x)
    inner = np.exp(-(((x - 19.0) / 2.4) ** 2) - ((y + 2.2) / 2.2) ** 2)
    caruncle = inner * near_eye * _smoothstep(20.5, 18.5, from_eye)
    lash_line = near_eye * _smoothstep(19.6, 18.9, from_eye) * _smoothstep(17.0, 17.6, from_eye)
    lash_line = lash_line * _smoothstep(-1.5, 1.0, y) * _smoothstep(19.0, 24.0, x)
    stack = [
        lips, mouth * (1 - inside) * lips, inside, rim, sockets, ear, cheek,
        nose, under_eye, eyelid, beard, shine, pores, _cavities(shape), freckles, caruncle,
        lash_line,
    ]  # fmt: skip
    return np.clip(np.stack(stack, axis=1), 0.0, 1.0).astype(np.float32)


def _beard_zone(x: ndarray, y: ndarray, z: ndarray) -> ndarray:
    """Mask of the beard area: upper lip, chin, jaw, sideburns and the upper throat."""
    jaw_top = np.interp(x, [0, 14, 22, 34, 48, 60, 75], [-46, -47, -58, -60, -44, -22, -8])
    below = _smoothstep(-3.0, 12.0, jaw_top - y)
    above = _smoothstep(-150.0, -132.0, y)
    front = _smoothstep(-82.0, -70.0, z)
    return below * above * front


def _label_share(shape: HeadShape, label: Segment, *, split: bool = False) -> ndarray:
    """Fraction of each vertex's triangles with a label; across UV seams unless `split`."""
    faces = shape.faces
    rows = np.arange(len(shape.skin)) if split else shape.model.arrays["skin_vertex"]
    has = np.repeat(shape.model.arrays["skin_segment"] == label, 3).astype(np.float64)
    corner = rows[faces].ravel()
    count = np.bincount(corner, minlength=rows.max() + 1)
    share = np.bincount(corner, has, minlength=rows.max() + 1) / np.maximum(count, 1)
    return share[rows]


def _cavities(shape: HeadShape) -> ndarray:
    """Ambient occlusion of each vertex in excess of that of open skin."""
    directions = _hemisphere_free_directions(64)
    points = shape.skin + shape.normals * 5e-4
    hidden = np.zeros(len(points))
    total = np.zeros(len(points))
    for direction in directions:
        facing = np.clip(shape.normals @ direction, 0.0, None)
        hidden += facing * _occluded(points, shape.skin, shape.faces, direction)
        total += facing
    return _smoothstep(0.45, 0.95, hidden / np.maximum(total, 1e-9))


def _hemisphere_free_directions(count: int) -> ndarray:
    """Evenly spaced directions on the sphere (Fibonacci lattice)."""
    k = np.arange(count) + 0.5
    height = 1.0 - 2.0 * k / count
    angle = np.pi * (1.0 + 5.0**0.5) * k
    radius = np.sqrt(1.0 - height**2)
    return np.stack([radius * np.cos(angle), height, radius * np.sin(angle)], axis=1)


def _occluded(points: ndarray, skin: ndarray, faces: ndarray, direction: ndarray) -> ndarray:
    """Whether the skin occludes each point along `direction`, by a depth map."""
    side = np.cross(direction, [0.0, 1.0, 0.1])
    side /= np.linalg.norm(side)
    basis = np.stack([side, np.cross(direction, side), direction], axis=1)
    seen, asked = skin @ basis, points @ basis
    low, pixels = seen[:, :2].min(0), 320
    scale = (pixels - 1) / np.ptp(seen[:, :2], axis=0).max()
    nearest = np.full((pixels, pixels), -np.inf)
    _draw_depth((seen[:, :2] - low) * scale, seen[:, 2], faces, nearest)
    at = np.clip(((asked[:, :2] - low) * scale).astype(int), 0, pixels - 1)
    return nearest[at[:, 1], at[:, 0]] > asked[:, 2] + 1.5e-3


@kernel
def _draw_depth(xy, depth, faces, out):
    """Raise `out` to the maximum depth at each pixel's centre."""
    pixels = out.shape[0]
    for f in range(faces.shape[0]):
        i, j, k = faces[f]
        ax, ay, bx, by, cx, cy = xy[i, 0], xy[i, 1], xy[j, 0], xy[j, 1], xy[k, 0], xy[k, 1]
        det = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if det == 0.0:
            continue
        for row in range(max(int(min(ay, by, cy)), 0), min(int(max(ay, by, cy)) + 2, pixels)):
            first, last = int(min(ax, bx, cx)), int(max(ax, bx, cx)) + 2
            for column in range(max(first, 0), min(last, pixels)):
                px, py = column + 0.5 - ax, row + 0.5 - ay
                u = (px * (cy - ay) - py * (cx - ax)) / det
                v = (py * (bx - ax) - px * (by - ay)) / det
                if u >= 0.0 and v >= 0.0 and u + v <= 1.0:
                    d = depth[i] + u * (depth[j] - depth[i]) + v * (depth[k] - depth[i])
                    out[row, column] = max(out[row, column], d)
