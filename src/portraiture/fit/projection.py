"""Project the photo onto the skin: colour of each texel of the face.

vertices ─camera─▶ pixels ─ + landmark residual ─▶ samples, and a confidence for each
(visible, front-facing, not eye, mouth or hair)

Dimension letters: S texels per side, P skin vertices; h, w: the window of the texture that contains
the face (`WINDOW`), to which all computation is restricted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from numpy import ndarray
from scipy.ndimage import (
    binary_dilation,
    binary_opening,
    binary_propagation,
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
from portraiture.engine.skin.layout import MASKS, anatomy
from portraiture.engine.skin.texels import interpolate, texel_map
from portraiture.fit.light import radiance
from portraiture.fit.solve import interocular
from portraiture.render.rasterize_numba import rasterize_numba
from portraiture.types import Camera

SIZE = 1024
WINDOW = (slice(96, 636), slice(192, 832))
"""Rows and columns of the texture that a photo can cover; symmetric, for mirroring."""

IOD_TEXELS = 200.0
"""Inter-ocular distance in the engine's texture."""

STRAND_DISTANCE = 2.6
"""Distance from the skin colour above the brows, in standard deviations, beyond which a texel is
hair."""

BROW_TEXELS = 13
"""Radius larger than half a brow's height."""
RIM_TEXELS = (10, 18)
"""Texels, of 0.3 mm, that a frame reaches outside and inside of the edge of parsed glasses."""

OUTLINE_IOD = 0.1
"""Width over which the photo fades out inside the face contour, inter-ocular distances."""

SHARPEST_IOD_PX = 240.0
PART_MARGIN = 0.25
"""Margin of the sampled crop around the face, as a fraction of the face's longer side."""
DEPTH_TOLERANCE_M = 0.004

GRAZING, STEEP = (0.3, 0.6), (0.08, 0.3)
"""Cosines to the view between which texels begin to count, and those around the nose."""

FOLD_TEXELS = 14.0
"""Smoothing of normals: the mesh does not resolve the folds of an expression accurately."""


@dataclass(frozen=True)
class Projection:
    """A photo projected onto the skin.

    colour: (h, w, 3) linear radiance. weight: (h, w) confidence in [0, 1]. normal: (h, w, 3) world,
    in the expression. position: (h, w, 3) canonical millimetres (see `anatomy`). pixels: (h, w, 2)
    sample positions in the photo; model_pixels: projection of the model without the landmark
    residual. blur: number of texels covered by one photo pixel.
    """

    colour: Float32[ndarray, "h w 3"]
    weight: Float32[ndarray, "h w"]
    normal: Float32[ndarray, "h w 3"]
    position: Float32[ndarray, "h w 3"]
    pixels: Float32[ndarray, "h w 2"]
    model_pixels: Float32[ndarray, "h w 2"]
    blur: float


def smoothstep(low: float | ndarray, high: float | ndarray, value: ndarray) -> ndarray:
    """Hermite step from 0 below `low` to 1 above `high`; swap them for a falling step."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def image_size(image: UInt8[ndarray, "h w 3"]) -> tuple[int, int]:
    """Height and width."""
    return int(image.shape[0]), int(image.shape[1])


def project_photo(
    image: UInt8[ndarray, "h w 3"],
    landmarks: Float[ndarray, "478 2"],
    fitted: Float[ndarray, "478 2"],
    vertices: Float[ndarray, "V 3"],
    camera: Camera,
    model: HeadModel,
) -> Projection:
    """Sample the photo at every texel of the skin.

    landmarks: detected in the photo; fitted: projected from the model (pixels). Their residual is
    compensated by a smooth warp, so that lids and lips are aligned with their texels.
    vertices: all baked vertices in the expression, world metres.
    """
    whole = image_size(image)
    image, corner, shrink = _face_part(image, landmarks)
    landmarks, fitted = (landmarks - corner) * shrink, (fitted - corner) * shrink
    size = image_size(image)
    rows = model.arrays["skin_vertex"]
    faces = model.arrays["skin_faces"]
    skin = vertices[rows]
    normals = vertex_normals(vertices, rows[faces])[rows]
    pixels = project(skin, camera, whole)
    pixels[:, :2] = (pixels[:, :2] - corner) * shrink
    K = camera.intrinsics * np.array([[whole[1]], [whole[0]], [1.0]])
    K[:2] = shrink * (K[:2] - np.outer(corner, [0.0, 0.0, 1.0]))
    towards = camera.T_world_cam[:3, 3] - skin
    facing = (normals * towards).sum(1) / np.linalg.norm(towards, axis=1)
    shifted = pixels[:, :2] + residual_shift(pixels[:, :2], landmarks, fitted)
    values = np.column_stack([shifted, pixels, facing, normals]).astype(np.float32)
    at = interpolate(values, model, SIZE)[WINDOW]
    colour = sample_cubic(radiance(image), at[..., :2])
    visible = _visible(skin, faces, camera, K, size, at[..., 2:5])
    position = anatomy(model, SIZE).position[WINDOW]
    weight = faces_camera(at[..., 5], position) * _soft(
        visible & texel_map(model, SIZE).inside[WINDOW], 6
    )
    weight *= 1.0 - sample_cubic(_openings(size, landmarks)[..., None], at[..., :2])[..., 0]
    weight *= sample_cubic(_face(size, landmarks)[..., None], at[..., :2])[..., 0]
    weight *= _region(model)
    inside = (at[..., 0] > 1) & (at[..., 0] < size[1] - 2)
    inside &= (at[..., 1] > 1) & (at[..., 1] < size[0] - 2)
    normal = gaussian_filter(at[..., 6:9], (FOLD_TEXELS, FOLD_TEXELS, 0))
    normal = normal / np.maximum(np.linalg.norm(normal, axis=2, keepdims=True), 1e-6)
    return Projection(
        colour=colour,
        weight=np.clip(weight * inside, 0.0, 1.0).astype(np.float32),
        normal=normal,
        position=position,
        pixels=(at[..., :2] / shrink + corner).astype(np.float32),
        model_pixels=(at[..., 2:4] / shrink + corner).astype(np.float32),
        blur=IOD_TEXELS / interocular(landmarks),
    )


def _face_part(
    image: UInt8[ndarray, "h w 3"], landmarks: Float[ndarray, "478 2"]
) -> tuple[UInt8[ndarray, "a b 3"], Float[ndarray, "2"], float]:
    """Crop of the photo around the face, the photo pixel of its corner, and its scale: the crop is
    downsampled if the photo is much finer than the texture, to avoid aliasing."""
    low, high = landmarks.min(0), landmarks.max(0)
    margin = PART_MARGIN * float((high - low).max())
    limit = np.array([image.shape[1], image.shape[0]])
    corner = np.clip(np.floor(low - margin).astype(int), 0, limit - 2)
    end = np.clip(np.ceil(high + margin).astype(int), corner + 2, limit)
    part = image[corner[1] : end[1], corner[0] : end[0]]
    factor = SHARPEST_IOD_PX / interocular(landmarks)
    if factor > 0.9:
        return part, corner.astype(np.float64), 1.0
    height, width = (max(round(side * factor), 2) for side in part.shape[:2])
    small = np.asarray(resize(part, (height, width), anti_aliasing=True, preserve_range=True))
    return (small + 0.5).astype(np.uint8), corner.astype(np.float64), factor


def residual_shift(
    at: Float[ndarray, "P 2"],
    landmarks: Float[ndarray, "478 2"],
    fitted: Float[ndarray, "478 2"],
) -> Float[ndarray, "P 2"]:
    """Smooth displacement that maps the fitted landmarks to the photo's: normalised Gaussian
    kernels, a wide pass and a fine pass on its residual; fades out away from the face."""
    inner = np.setdiff1d(np.arange(LANDMARK_COUNT - 10), CONTOUR)
    sources, goal = fitted[inner], landmarks[inner] - fitted[inner]
    iod = interocular(landmarks)
    total = np.zeros_like(at)
    for width, floor in ((0.22, 0.3), (0.055, 0.35)):
        spread = 2.0 * (width * iod) ** 2
        total = total + _blend(at, sources, goal, spread, floor)
        goal = goal - _blend(sources, sources, goal, spread, floor)
    return total


def _blend(at: ndarray, sources: ndarray, goal: ndarray, spread: float, floor: float) -> ndarray:
    """Kernel-weighted mean of `goal` at the points; `floor` in the denominator makes it fade
    out."""
    kernel = np.exp(-((at[:, None] - sources[None]) ** 2).sum(-1) / spread)
    return kernel @ goal / (kernel.sum(1, keepdims=True) + floor)


def sample_cubic(
    image: Float[ndarray, "h w c"], at: Float[ndarray, "s s 2"]
) -> Float32[ndarray, "s s c"]:
    """Sample an image at pixel coordinates with cubic interpolation (pixel centres at +0.5)."""
    places = np.stack([at[..., 1] - 0.5, at[..., 0] - 0.5])
    channels = [
        map_coordinates(image[..., c], places, np.float32, order=3, mode="nearest")
        for c in range(image.shape[2])
    ]
    return np.maximum(np.stack(channels, axis=-1), 0.0)


def _visible(
    skin: ndarray,
    faces: ndarray,
    camera: Camera,
    K: Float[ndarray, "3 3"],
    size: tuple[int, int],
    pixels: ndarray,
) -> ndarray:
    """Visibility of each texel: not occluded by other skin. K: intrinsics in pixels."""
    T = world_to_camera(camera)
    points = (skin.astype(np.float64) @ T[:3, :3].T + T[:3, 3]) @ K.T
    cull = np.zeros(len(faces), np.uint8)
    _, _, depth = rasterize_numba(points, faces, size, near=0.01, cull=cull)
    x = np.clip(pixels[..., 0].astype(int), 0, size[1] - 1)
    y = np.clip(pixels[..., 1].astype(int), 0, size[0] - 1)
    return pixels[..., 2] < depth[y, x] + DEPTH_TOLERANCE_M


def faces_camera(
    cosine: Float[ndarray, "*n"], position: Float[ndarray, "*n 3"]
) -> Float[ndarray, "*n"]:
    """Trust in texels for the angle at which they are seen: 1 from the front, 0 at grazing angles.

    From the wings of the nose to the upper lip, and on the cheeks beside them, even steep sides are
    taken: around them is more of the same face. Not at the bridge, whose shaded side turned heads
    would show. position: canonical mm.
    """
    x, y = np.abs(position[..., 0]), position[..., 1]
    middle = smoothstep(32.0, 24.0, x) * smoothstep(-66.0, -56.0, y) * smoothstep(-24.0, -32.0, y)
    middle = middle * (position[..., 2] > -30.0)
    low, high = (side + middle * (steep - side) for side, steep in zip(GRAZING, STEEP, strict=True))
    return smoothstep(low, high, cosine)


def _soft(mask: ndarray, width: float) -> ndarray:
    """1 well inside `mask`, falling to 0 at its border over `width` texels."""
    return smoothstep(0.0, 1.0, np.minimum(np.asarray(distance_transform_edt(mask)) / width, 1.0))


def _face(size: tuple[int, int], landmarks: ndarray) -> ndarray:
    """Soft mask of the face in the photo, 1 well inside, 0 on the contour: beyond the jaw there are
    collars and shadows, above the forehead hair."""
    inside = polygon2mask(size, landmarks[[*CONTOUR]][:, ::-1] - 0.5)
    reach = OUTLINE_IOD * interocular(landmarks)
    depth = np.asarray(distance_transform_edt(inside))
    return smoothstep(0.25 * reach, reach, depth).astype(np.float32)


def _openings(size: tuple[int, int], landmarks: ndarray) -> ndarray:
    """Soft mask of eyes and the open mouth in the photo, dilated by one pixel."""
    mask = np.zeros(size, bool)
    for loop in (LEFT_EYE, RIGHT_EYE, INNER_LIPS):
        mask |= polygon2mask(size, landmarks[[*loop]][:, ::-1] - 0.5)
    reach = max(1, round(0.02 * interocular(landmarks)))
    return gaussian_filter(binary_dilation(mask, iterations=reach).astype(np.float32), 0.6)


def _region(model: HeadModel) -> ndarray:
    """Region in which the photo may be used: the face in front of the ears, above the neck and
    below the crown, without the inside of mouth and eye sockets."""
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


def core_mask(position: Float[ndarray, "h w 3"]) -> ndarray:
    """Texels that are nearly always bare skin: cheeks, nose, lower forehead."""
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
    """Soft mask in [0, 1] of hair and other occluders of the skin.

    Detects colours unlike the core's on the forehead and at the sides. At the brows only wide areas
    count: whatever a morphological opening wider than a brow removes is not hair. Above them,
    single strands count too. hair: hair mask of the photo's window, taken as correct.
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
    spread = np.maximum(spread, [0.18, 0.06, 0.07])
    gap = (feature - middle) / spread
    distance = np.sqrt((gap**2 * [1.0, 0.7, 0.7]).sum(-1))
    x, y = np.abs(position[..., 0]), position[..., 1]
    sides = smoothstep(46.0, 54.0, x) * smoothstep(-45.0, -30.0, y)
    jaw = smoothstep(34.0, 40.0, x) * smoothstep(-25.0, -35.0, y)
    zone = np.maximum(smoothstep(6.0, 10.0, y), sides)
    far = smoothstep(2.8, 4.2, distance) * zone
    solid = (far > 0.5) & (weight > 0.05)
    mass = np.asarray(binary_opening(solid, disk(BROW_TEXELS)), bool) | (
        (hair > 0.5) & (zone > 0.3)
    )
    beside = (distance > 2.8) & (np.maximum(sides, jaw) > 0.5) & (weight > 0.05)
    seeds = beside & np.asarray(binary_dilation(hair > 0.5, disk(12)), bool)
    mass |= np.asarray(binary_propagation(seeds, mask=beside), bool) & (hair.max() > 0.5)
    high = smoothstep(26.0, 34.0, y) > 0.5
    mass |= (distance > STRAND_DISTANCE) & high & (weight > 0.05)
    grown = np.asarray(binary_dilation(mass, disk(9)), bool) & (np.maximum(zone, jaw) > 0.2)
    return gaussian_filter(grown.astype(np.float32), 6.0)


def glasses_frames(
    colour: Float[ndarray, "h w 3"],
    position: Float[ndarray, "h w 3"],
    glasses: Float[ndarray, "h w"],
) -> Float32[ndarray, "h w"]:
    """Soft mask in [0, 1] of glasses frames over the skin: the rim of the parsed `glasses`, whose
    probability covers the lenses, too, and thin lines darker than their surroundings, around the
    eyes and over the nose, excluding lashes, lids and brows."""
    light = np.log(np.clip(colour.mean(-1), 4e-3, 2.0))
    line = light - gaussian_filter(light, 16.0)
    x, y = np.abs(position[..., 0]), position[..., 1]
    around = (x < 72.0) & (y > -34.0) & (y < 24.0) & (position[..., 2] > -60.0)
    lids = np.hypot((x - 31.0) / 19.0, y / 9.0) < 1.0
    brow = (y > 9.0) & (y < 24.0) & (x > 8.0) & (x < 60.0)
    dark = (line < -0.14) & around & ~lids & ~brow
    grown = np.asarray(binary_dilation(dark, disk(4)), bool) & around & ~lids
    worn = glasses > 0.5
    if worn.any():
        outside = np.asarray(distance_transform_edt(~worn))
        inside = np.asarray(distance_transform_edt(worn))
        rim = (outside < RIM_TEXELS[0]) & (inside < RIM_TEXELS[1])
        margins = np.hypot((x - 31.0) / 17.0, y / 6.0) < 1.0
        grown |= rim & ~margins & (position[..., 2] > -60.0)
    return gaussian_filter(grown.astype(np.float32), 2.0)


def disk(radius: int) -> Bool[ndarray, "n n"]:
    """A round structuring element."""
    at = np.arange(-radius, radius + 1)
    return at[:, None] ** 2 + at[None] ** 2 <= radius * radius
