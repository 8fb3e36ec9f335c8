"""The photo as the skin's albedo.

photo ─▶ texels (visible, facing, unoccluded) ─▶ ÷ light ─▶ mirror ─▶ membrane ─▶ albedo
                                                              procedural skin ─┘

Dimension letters: S texels a side, P skin vertices; h, w: the window of the texture that holds the
face (`WINDOW`), in which all work is done.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray
from scipy.ndimage import (
    binary_dilation,
    binary_opening,
    distance_transform_edt,
    gaussian_filter,
    map_coordinates,
)
from skimage.draw import polygon2mask
from skimage.transform import resize

from portraiture.camera import project, world_to_camera
from portraiture.engine.head import HeadModel
from portraiture.engine.landmarks import CONTOUR, INNER_LIPS, LANDMARK_COUNT, LEFT_EYE, RIGHT_EYE
from portraiture.engine.shape import vertex_normals
from portraiture.engine.skin_layout import MASKS, anatomy
from portraiture.engine.texels import interpolate, sample_bilinear, texel_map
from portraiture.fit.light import decode, encode, radiance
from portraiture.fit.solve import interocular
from portraiture.ops.rasterize_numba import rasterize_numba
from portraiture.types import Camera

SIZE = 1024
IOD_TEXELS = 200.0
"""Inter-ocular distance in the engine's texture."""
WINDOW = (slice(96, 636), slice(192, 832))
"""Rows and columns of the texture that a photo of the face can reach; symmetric, for mirroring."""
BROW_TEXELS = 13
"""More than half a brow's height."""
SHARPEST_IOD_PX = 240.0
DEPTH_TOLERANCE_M = 0.004
GLOSS_KEPT = 0.22
"""Log brightness over the surroundings that skin keeps at most."""


@dataclass(frozen=True)
class Projection:
    """The photo on the skin.

    colour: (h, w, 3) linear radiance. weight: (h, w) trust in [0, 1]. normal: (h, w, 3) world,
    expressed. position: (h, w, 3) canonical millimetres (see `anatomy`). pixels: (h, w, 2) where
    the photo is sampled; model_pixels: where the model's own projection is. blur: texels that one photo pixel covers.
    """

    colour: Float32[ndarray, "h w 3"]
    weight: Float32[ndarray, "h w"]
    normal: Float32[ndarray, "h w 3"]
    position: Float32[ndarray, "h w 3"]
    pixels: Float32[ndarray, "h w 2"]
    model_pixels: Float32[ndarray, "h w 2"]
    blur: float


def smoothstep(low: float, high: float, value: ndarray) -> ndarray:
    """0 below `low`, 1 above `high` (swap them to fall)."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def project_photo(
    image: UInt8[ndarray, "h w 3"],
    landmarks: Float[ndarray, "478 2"],
    fitted: Float[ndarray, "478 2"],
    vertices: Float[ndarray, "V 3"],
    camera: Camera,
    model: HeadModel,
) -> Projection:
    """Sample the photo at every texel of the skin.

    landmarks: where the photo shows them; fitted: where the model's fall (pixels). What is left
    between the two is bridged by a smooth shift, so that lids and lips meet their texels.
    vertices: all baked vertices, expressed, world metres.
    """
    image, shrink = _shrink(image, landmarks)
    landmarks, fitted = landmarks * shrink, fitted * shrink
    size = image.shape[:2]
    rows = model.arrays["skin_vertex"]
    faces = model.arrays["skin_faces"]
    skin = vertices[rows]
    normals = vertex_normals(vertices, rows[faces])[rows]
    pixels = project(skin, camera, size)
    towards = camera.T_world_cam[:3, 3] - skin
    facing = (normals * towards).sum(1) / np.linalg.norm(towards, axis=1)
    shifted = pixels[:, :2] + residual_shift(pixels[:, :2], landmarks, fitted)
    values = np.column_stack([shifted, pixels, facing, normals]).astype(np.float32)
    at = interpolate(values, model, SIZE)[WINDOW]
    colour = sample_cubic(radiance(image), at[..., :2])
    visible = _visible(skin, faces, camera, size, at[..., 2:5])
    weight = smoothstep(0.3, 0.6, at[..., 5]) * _soft(
        visible & texel_map(model, SIZE).inside[WINDOW], 6
    )
    weight *= 1.0 - sample_cubic(_openings(size, landmarks)[..., None], at[..., :2])[..., 0]
    weight *= _region(model)
    inside = (at[..., 0] > 1) & (at[..., 0] < size[1] - 2)
    inside &= (at[..., 1] > 1) & (at[..., 1] < size[0] - 2)
    normal = at[..., 6:9]
    normal = normal / np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-6)
    return Projection(
        colour=colour,
        weight=(weight * inside).astype(np.float32),
        normal=normal,
        position=anatomy(model, SIZE).position[WINDOW],
        pixels=at[..., :2] / shrink,
        model_pixels=at[..., 2:4] / shrink,
        blur=IOD_TEXELS / interocular(landmarks),
    )


def _shrink(image: ndarray, landmarks: ndarray) -> tuple[ndarray, float]:
    """A photo much finer than the texture is reduced first, against aliasing."""
    factor = SHARPEST_IOD_PX / interocular(landmarks)
    if factor > 0.9:
        return image, 1.0
    height = max(round(image.shape[0] * factor), 2)
    width = max(round(image.shape[1] * factor), 2)
    small = resize(image, (height, width), anti_aliasing=True, preserve_range=True)
    return (small + 0.5).astype(np.uint8), factor


def residual_shift(
    at: Float[ndarray, "P 2"],
    landmarks: Float[ndarray, "478 2"],
    fitted: Float[ndarray, "478 2"],
) -> Float[ndarray, "P 2"]:
    """What moves fitted landmarks onto the photo's, smoothly everywhere: normalised Gaussian
    kernels, a wide pass and a fine one on what it leaves; fades out away from the face."""
    inner = np.setdiff1d(np.arange(LANDMARK_COUNT - 10), CONTOUR)
    sources, goal = fitted[inner], landmarks[inner] - fitted[inner]
    iod = interocular(landmarks)
    total = np.zeros_like(at)
    left = goal.copy()
    for width, floor in ((0.22, 0.3), (0.055, 0.35)):
        spread = 2.0 * (width * iod) ** 2

        def blend(points: ndarray, spread: float = spread, floor: float = floor) -> ndarray:
            gap = ((points[:, None] - sources[None]) ** 2).sum(-1)
            kernel = np.exp(-gap / spread)
            return kernel @ left / (kernel.sum(1, keepdims=True) + floor)

        total += blend(at)
        left = left - blend(sources)
    return total


def sample_cubic(
    image: Float[ndarray, "h w c"], at: Float[ndarray, "s s 2"]
) -> Float32[ndarray, "s s c"]:
    """Cubic samples at pixel coordinates (pixel centres at +0.5)."""
    places = np.stack([at[..., 1] - 0.5, at[..., 0] - 0.5])
    channels = [
        map_coordinates(image[..., c], places, np.float32, order=3, mode="nearest")
        for c in range(image.shape[2])
    ]
    return np.maximum(np.stack(channels, axis=-1), 0.0)


def _visible(
    skin: ndarray, faces: ndarray, camera: Camera, size: tuple[int, int], pixels: ndarray
) -> ndarray:
    """Texels in front of which no other skin lies."""
    T = world_to_camera(camera)
    K = camera.intrinsics * np.array([[size[1]], [size[0]], [1.0]])
    points = (skin.astype(np.float64) @ T[:3, :3].T + T[:3, 3]) @ K.T
    cull = np.zeros(len(faces), np.uint8)
    _, _, depth = rasterize_numba(points, faces, size, near=0.01, cull=cull)
    x = np.clip(pixels[..., 0].astype(int), 0, size[1] - 1)
    y = np.clip(pixels[..., 1].astype(int), 0, size[0] - 1)
    return pixels[..., 2] < depth[y, x] + DEPTH_TOLERANCE_M


def _soft(mask: ndarray, width: float) -> ndarray:
    """1 well inside `mask`, falling to 0 at its border over `width` texels."""
    return smoothstep(0.0, 1.0, np.minimum(distance_transform_edt(mask) / width, 1.0))


def _openings(size: tuple[int, int], landmarks: ndarray) -> ndarray:
    """Soft mask of eyes and the open mouth in the photo, one pixel generous."""
    mask = np.zeros(size, bool)
    for loop in (LEFT_EYE, RIGHT_EYE, INNER_LIPS):
        mask |= polygon2mask(size, landmarks[[*loop]][:, ::-1] - 0.5)
    reach = max(1, round(0.012 * interocular(landmarks)))
    return gaussian_filter(binary_dilation(mask, iterations=reach).astype(np.float32), 0.6)


def _region(model: HeadModel) -> ndarray:
    """Where a photo of the face may be used at all: the face in front of the ears, above the neck,
    below the crown; not the inside of mouth and eye sockets."""
    maps = anatomy(model, SIZE)
    x, y, z = np.moveaxis(maps.position[WINDOW], -1, 0)
    allowed = smoothstep(-68.0, -45.0, z) * smoothstep(92.0, 72.0, y)
    jaw = -118.0 + 0.012 * x * x
    allowed = allowed * smoothstep(jaw - 16.0, jaw, y)
    for name in ("mouth", "socket"):
        allowed = allowed * (
            1.0 - np.clip(3.0 * maps.masks[(*WINDOW, MASKS.index(name))], 0.0, 1.0)
        )
    return allowed


def loop_mask(
    projection: Projection,
    landmarks: Float[ndarray, "478 2"],
    loop: tuple[int, ...],
    *,
    grow: float = 0.0,
) -> Float32[ndarray, "h w"]:
    """Texels whose place in the photo lies in a loop of landmarks, soft in [0, 1]; `grow` widens
    the loop by that share of the inter-ocular distance."""
    outline = landmarks[[*loop]]
    low, high = (
        outline.min(0) - 0.2 * interocular(landmarks),
        outline.max(0) + 0.2 * interocular(landmarks),
    )
    fine = 256.0 / float((high - low).max())
    size = tuple(int(n) + 1 for n in ((high - low) * fine)[::-1])
    mask = polygon2mask(size, ((outline - low) * fine)[:, ::-1])
    reach = grow * interocular(landmarks) * fine
    if reach >= 1.0:
        mask = distance_transform_edt(~mask) < reach
    soft = gaussian_filter(mask.astype(np.float32), 2.0)
    at = (projection.pixels - low) * fine - 0.5
    inside = ((at >= 0) & (at < np.array(size[::-1]))).all(-1)
    sampled = sample_bilinear(soft[..., None], at[..., 0], at[..., 1])[..., 0]
    return np.where(inside, sampled, 0.0).astype(np.float32)


def core_mask(position: Float[ndarray, "h w 3"]) -> ndarray:
    """Texels that nearly always show bare skin: cheeks, nose, lower forehead."""
    x, y, z = np.abs(position[..., 0]), position[..., 1], position[..., 2]
    cheeks = (y < -14) & (y > -52) & (x < 52)
    forehead = (y > 24) & (y < 46) & (x < 34)
    bridge = (np.abs(y) < 16) & (x < 8)
    return (cheeks | forehead | bridge) & (z > -40)


def occluded(
    colour: Float[ndarray, "h w 3"],
    weight: Float[ndarray, "h w"],
    position: Float[ndarray, "h w 3"],
    hair: Float[ndarray, "h w"],
) -> Float32[ndarray, "h w"]:
    """Hair and other things over the skin, soft in [0, 1].

    Colours unlike the core's, on the forehead and at the sides; masses, not lines: what an opening
    wider than a brow removes is no hair. hair: where the photo's window shows hair, believed.
    """
    core = core_mask(position) & (weight > 0.7)
    if core.sum() < 500:
        return np.zeros_like(weight)
    smooth = gaussian_filter(np.log(np.clip(colour, 4e-3, 2.0)), (2.5, 2.5, 0))
    feature = np.stack(
        [smooth.mean(-1), smooth[..., 0] - smooth[..., 1], smooth[..., 1] - smooth[..., 2]], -1
    )
    middle = np.median(feature[core], axis=0)
    spread = 1.48 * np.median(np.abs(feature[core] - middle), axis=0)
    spread = np.maximum(spread, [0.16, 0.05, 0.06])
    gap = (feature - middle) / spread
    distance = np.sqrt((gap**2 * [1.0, 0.7, 0.7]).sum(-1))
    x, y = np.abs(position[..., 0]), position[..., 1]
    sides = smoothstep(46.0, 54.0, x) * smoothstep(-75.0, -60.0, y)
    zone = np.maximum(smoothstep(6.0, 10.0, y), sides)
    far = smoothstep(2.8, 4.2, distance) * zone
    solid = (far > 0.5) & (weight > 0.05)
    mass = binary_opening(solid, _round(BROW_TEXELS)) | ((hair > 0.5) & (zone > 0.3))
    high = smoothstep(26.0, 34.0, y) > 0.5
    mass |= binary_opening(solid & high, _round(2))
    grown = binary_dilation(mass, _round(9)) & (zone > 0.2)
    return gaussian_filter(grown.astype(np.float32), 4.0)


def _round(radius: int) -> ndarray:
    at = np.arange(-radius, radius + 1)
    return at[:, None] ** 2 + at[None] ** 2 <= radius * radius


def membrane(
    values: Float[ndarray, "s s c"], weight: Float[ndarray, "s s"]
) -> Float32[ndarray, "s s c"]:
    """Extend `values` smoothly to where `weight` is 0, by pull and push over a pyramid (Gortler et
    al. 1996, section 3.4; a cheap stand-in for Poisson blending's membrane, Perez et al. 2003)."""
    levels = [(values * weight[..., None], weight)]
    while levels[-1][1].shape[0] > 2:
        v, w = levels[-1]
        v4 = v[0::2, 0::2] + v[1::2, 0::2] + v[0::2, 1::2] + v[1::2, 1::2]
        w4 = w[0::2, 0::2] + w[1::2, 0::2] + w[0::2, 1::2] + w[1::2, 1::2]
        scale = np.where(w4 > 1.0, 1.0 / np.maximum(w4, 1e-9), 1.0)
        levels.append((v4 * scale[..., None], w4 * scale))
    v, w = levels[-1]
    filled = np.broadcast_to(v.sum((0, 1)) / max(float(w.sum()), 1e-6), v.shape)
    for v, w in reversed(levels):
        if filled.shape != v.shape:
            filled = enlarge(filled, v.shape[0])
        filled = v + (1.0 - np.minimum(w, 1.0))[..., None] * filled
    return filled.astype(np.float32)


def blend_albedo(
    photo: Float[ndarray, "h w 3"],
    weight: Float[ndarray, "h w"],
    procedural: UInt8[ndarray, "s s 3"],
    model: HeadModel,
    blur: float,
) -> UInt8[ndarray, "s s 3"]:
    """The photo's linear albedo where it is trusted, its mirror image where only the other half
    is, and elsewhere procedural skin whose low frequencies continue the photo's."""
    base = np.log(np.maximum(decode(procedural), 1e-3))
    seen = _without_highlights(np.log(np.clip(photo, 4e-3, 0.95)), base[WINDOW], weight)
    seen = seen + _fine_detail(base[WINDOW], blur)
    borrowed = (1.0 - weight) * weight[:, ::-1]
    trust = weight + borrowed
    mixed = weight[..., None] * seen + borrowed[..., None] * seen[:, ::-1]
    mixed /= np.maximum(trust, 1e-4)[..., None]
    result = base + _gain(mixed - base[WINDOW], trust, anatomy(model, SIZE).position)
    result[WINDOW] += trust[..., None] * np.where(
        trust[..., None] > 1e-3, mixed - result[WINDOW], 0.0
    )
    return (encode(np.exp(result)) * 255.0 + 0.5).astype(np.uint8)


def _without_highlights(seen: ndarray, base: ndarray, weight: ndarray) -> ndarray:
    """Skin brighter than its surroundings and than the procedural skin is gloss: held back, and
    its colour drawn to the skin's."""
    light = (seen - base).mean(-1)
    sigma = 24.0
    around = gaussian_filter(light * weight, sigma) / np.maximum(gaussian_filter(weight, sigma), 1e-3)
    extra = np.maximum(light - around, 0.0)
    return seen - (extra - GLOSS_KEPT * np.tanh(extra / GLOSS_KEPT))[..., None]


def _fine_detail(base: ndarray, blur: float) -> ndarray:
    """Pores and mottling finer than the photo's pixels, from the procedural skin."""
    sigma = 0.5 * blur
    if sigma < 0.6:
        return np.zeros_like(base)
    fine = base - gaussian_filter(base, (sigma, sigma, 0))
    return 0.8 * np.clip(fine, -0.25, 0.25)


def _gain(ratio: ndarray, trust: ndarray, position: ndarray) -> ndarray:
    """(S, S, 3) low-frequency log gain of the photo over the procedural skin, fading to its mean
    behind the ears and below the neck, before any seam of the texture."""
    core = trust * core_mask(position[WINDOW])
    mean = (ratio * core[..., None]).sum((0, 1)) / max(float(core.sum()), 1.0)
    small = SIZE // 4
    full = np.zeros((SIZE, SIZE, 4), np.float32)
    full[WINDOW] = np.concatenate([ratio * trust[..., None], trust[..., None]], axis=2)
    quarter = full.reshape(small, 4, small, 4, 4).mean((1, 3))
    smooth = gaussian_filter(quarter, (3.0, 3.0, 0))
    values = smooth[..., :3] / np.maximum(smooth[..., 3:], 1e-4)
    values = np.clip(values, mean - 0.7, mean + 0.7)
    known = quarter[..., 3]
    field = membrane(values, np.where(known > 0.3, known, 0.0))
    field = gaussian_filter(field, (2.0, 2.0, 0))
    field = enlarge(field, SIZE)
    y, z = position[..., 1], position[..., 2]
    near = smoothstep(-120.0, -50.0, z) * smoothstep(-190.0, -110.0, y) * smoothstep(140.0, 90.0, y)
    return mean.astype(np.float32) + near[..., None] * (field - mean).astype(np.float32)


def enlarge(image: Float[ndarray, "h w c"], size: int) -> Float32[ndarray, "s s c"]:
    """Bilinear enlargement of a square image, pixel centres at +0.5."""
    at = (np.arange(size, dtype=np.float32) + 0.5) * (image.shape[0] / size) - 0.5
    x, y = np.meshgrid(at, at)
    return sample_bilinear(np.ascontiguousarray(image, np.float32), x, y)
