"""Paint of concepts on the skin's albedo, in engine UV.

albedo, procedural, styled or a photo's ─paint by paint, each in its region─▶ albedo
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray
from scipy.ndimage import gaussian_filter

from portraiture.engine.concepts.color import LUMA, codes_of, floats, tinted
from portraiture.engine.concepts.concept import (
    Blotches,
    Creases,
    Ellipse,
    Fur,
    Gel,
    Paint,
    Region,
    Rgb,
    Scales,
    Softened,
    Spots,
    Stroke,
    Tint,
)
from portraiture.engine.concepts.pattern import CELLS, CLOUDS, SPOTS, STREAKS, skin_field
from portraiture.engine.hair.scalp_paint import paint_scalp
from portraiture.engine.head import HeadModel
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape
from portraiture.engine.skin.detail import WRINKLE
from portraiture.engine.skin.layout import MASKS, Anatomy, anatomy
from portraiture.engine.skin.texels import interpolate
from portraiture.ops.vectors import smooth


@dataclass(frozen=True)
class _Canvas:
    """color: sRGB in [0, 1], changed paint by paint. level: luma of the face's plain skin."""

    model: HeadModel
    color: Float32[ndarray, "s s 3"]
    maps: Anatomy
    level: float
    normals: Float32[ndarray, "S 3"]

    @property
    def size(self) -> int:
        return len(self.color)

    def blend(self, share: Float[ndarray, "s s"], rgb: Float[ndarray, "*n 3"] | Rgb) -> None:
        """Move the colour towards `rgb` where `share` is not 0."""
        self.color[...] += share[..., None].astype(np.float32) * (
            np.asarray(rgb, np.float32) - self.color
        )


def painted_skin(
    albedo: UInt8[ndarray, "s s C"],
    paints: tuple[Paint, ...],
    shape: HeadShape,
    *,
    photographed: bool,
) -> UInt8[ndarray, "s s C"]:
    """The albedo after these paints. photographed: it is a photo's."""
    size = len(albedo)
    maps = anatomy(shape.model, size)
    color = floats(albedo)
    canvas = _Canvas(shape.model, color, maps, face_level(color, maps), shape.normals)
    for paint in paints:
        _paint(canvas, paint, photographed)
    return codes_of(canvas.color, albedo)


def face_level(color: Float32[ndarray, "s s 3"], maps: Anatomy) -> float:
    """Median luma of cheeks and forehead."""
    x, y, z = np.abs(maps.position[::4, ::4]).transpose(2, 0, 1)
    y = maps.position[::4, ::4, 1]
    face = (x > 12) & (x < 52) & (y > -62) & (y < -14) & (z < 60) & maps.near[::4, ::4]
    return float(np.median(color[::4, ::4][face] @ LUMA)) if face.any() else 0.6


def _paint(canvas: _Canvas, paint: Paint, photographed: bool) -> None:
    inside = region(canvas.model, canvas.size, getattr(paint, "region", "all"))
    match paint:
        case Tint():
            aim = tinted(canvas.color, paint.rgb, canvas.level, paint.contrast)
            canvas.blend(paint.share * inside, aim)
        case Blotches():
            clouds = _field(canvas, CLOUDS, paint.size, seed=paint.seed)
            edge = 0.9 * (0.5 - paint.cover)
            cover = smooth((clouds - edge + paint.soft) / (2.0 * paint.soft))
            aim = tinted(canvas.color, paint.rgb, canvas.level)
            canvas.blend(paint.share * inside * cover, aim)
        case Spots():
            spots = _field(canvas, SPOTS, paint.size, chance=paint.chance, seed=paint.seed)
            canvas.blend(
                paint.share * inside * spots, tinted(canvas.color, paint.rgb, canvas.level)
            )
        case Scales():
            border = _field(canvas, CELLS, paint.size)
            shade = 1.0 - paint.depth * smooth((0.22 - border) / 0.2) * inside
            shade += 0.25 * paint.depth * smooth((border - 0.3) / 0.5) * inside
            canvas.color[...] *= shade[..., None]
        case Fur():
            streaks = _field(canvas, STREAKS, paint.length)
            fine = _field(canvas, STREAKS, 0.45 * paint.length, seed=7)
            light = (0.55 + 0.9 * (0.6 * streaks + 0.4 * fine))[..., None]
            aim = tinted(canvas.color, paint.rgb, canvas.level) * light
            canvas.blend(paint.share * inside, aim)
        case Ellipse() | Stroke():
            canvas.blend(paint.share * _drawn(canvas, paint), paint.rgb)
        case Creases() if photographed:
            deep = np.maximum(-canvas.maps.grain[..., WRINKLE], 0.0) * paint.strength
            canvas.color[...] *= np.exp(-1.5 * deep)[..., None] ** np.array([0.9, 1.05, 1.1])
        case Softened() if photographed:
            _soften(canvas, paint, inside)
        case Gel():
            _gel(canvas, paint, inside)
        case _:
            pass


def _field(canvas: _Canvas, kind: int, size: float, **named: float) -> Float32[ndarray, "s s"]:
    return skin_field(canvas.model, canvas.size, kind, size, **named)  # type: ignore[arg-type]


def _soften(canvas: _Canvas, paint: Softened, inside: ndarray) -> None:
    sigma = paint.size / float(np.median(canvas.maps.texel_mm[canvas.maps.near]))
    weight = gaussian_filter(inside, sigma)[..., None]
    soft = gaussian_filter(canvas.color * inside[..., None], (sigma, sigma, 0))
    canvas.blend(paint.share * inside * (weight[..., 0] > 0.2), soft / (weight + 1e-4))


def _gel(canvas: _Canvas, paint: Gel, inside: ndarray) -> None:
    normals = interpolate(canvas.normals, canvas.model, canvas.size)
    across = normals[..., 0] + 0.35 * np.sign(normals[..., 0]) * np.maximum(-normals[..., 2], 0.0)
    left, right = (
        smooth((across - 0.05) / 0.55)[..., None],
        smooth((-across - 0.05) / 0.55)[..., None],
    )
    front = np.clip(1.0 - left - right, 0.0, 1.0)
    rgb = left * paint.left + right * paint.right + front * np.asarray(paint.front)
    light = np.clip((canvas.color @ LUMA) / canvas.level, 0.1, 1.6)[..., None]
    canvas.blend(paint.share * inside, rgb * light)


@lru_cache(maxsize=24)
def region(model: HeadModel, size: int, name: Region) -> Float32[ndarray, "s s"]:
    """Mask of a region of the skin, in [0, 1]. Shared: do not modify it."""
    maps = anatomy(model, size)
    mask = {m: maps.masks[..., k] / np.float32(255.0) for k, m in enumerate(MASKS)}
    open_ = (1.0 - mask["mouth"]) * (1.0 - mask["socket"])
    position = maps.position
    x, y, z = np.abs(position[..., 0]), position[..., 1], position[..., 2]
    match name:
        case "all":
            out = open_
        case "skin":
            out = open_ * (1.0 - mask["lips"]) * (1.0 - 0.7 * mask["lid_rim"])
        case "lips":
            out = mask["lips"] * open_
        case "cheeks":
            off = np.hypot((x - 44.0) / 22.0, (y + 42.0) / 19.0)
            out = smooth((1.2 - off) / 0.9) * (z > -45.0)
        case "lids":
            off = np.hypot((x - 32.0) / 19.0, (y - 8.0) / 10.0)
            out = np.maximum(mask["eyelid"], smooth((1.15 - off) / 0.5) * (z > -30.0) * (y > -2.0))
            out = out * open_ * (1.0 - mask["lid_rim"])
        case "sockets":
            off = np.hypot((x - 31.5) / 22.0, (y + 2.0) / 18.0)
            out = smooth((1.25 - off) / 0.75) * (z > -40.0) * open_
        case "nose":
            off = np.sqrt((x / 15.0) ** 2 + ((y + 40.0) / 15.0) ** 2)
            out = smooth((1.15 - off) / 0.4) * (z > 5.0)
        case "ears":
            out = mask["ear"]
        case "muzzle":
            off = np.hypot(x / 38.0, (y + 74.0) / 42.0)
            out = smooth((1.15 - off) / 0.4) * (z > -30.0) * open_
        case "upper":
            out = smooth((y + 42.0) / 22.0) * open_
        case "neck":
            out = smooth((-105.0 - y) / 25.0)
    return (out * maps.near).astype(np.float32)


def _drawn(canvas: _Canvas, paint: Ellipse | Stroke) -> Float32[ndarray, "s s"]:
    """Where an ellipse or a stroke is painted, in [0, 1]."""
    if isinstance(paint, Ellipse):
        across, up = paint.at
        reach = max(paint.radii) + paint.soft + paint.rim
        box = (across - reach, across + reach, up - reach, up + reach)
        mirrored = across > 0.0
    else:
        points = np.array(paint.points)
        reach = 0.5 * paint.width + 2.0 * paint.soft
        low, high = points.min(0) - reach, points.max(0) + reach
        box, mirrored = (low[0], high[0], low[1], high[1]), paint.mirrored
    maps = canvas.maps
    x, y, z = maps.position[..., 0], maps.position[..., 1], maps.position[..., 2]
    if mirrored:
        x = np.abs(x)
    near = (x > box[0]) & (x < box[1]) & (y > box[2]) & (y < box[3]) & (z > -paint.behind)
    near &= region(canvas.model, canvas.size, "all") > 0.0
    out = np.zeros(x.shape, np.float32)
    place = np.stack([x[near], y[near]], axis=1).astype(np.float64)
    out[near] = (
        _in_ellipse(place, paint) if isinstance(paint, Ellipse) else _on_stroke(place, paint)
    )
    return out


def _in_ellipse(place: Float[ndarray, "N 2"], paint: Ellipse) -> Float[ndarray, "N"]:
    cosine, sine = np.cos(paint.turn), np.sin(paint.turn)
    off = (place - paint.at) @ np.array([[cosine, -sine], [sine, cosine]])
    radius = float(np.mean(paint.radii))
    outside = (np.hypot(off[:, 0] / paint.radii[0], off[:, 1] / paint.radii[1]) - 1.0) * radius
    if paint.rim:
        outside = np.abs(outside) - 0.5 * paint.rim
    return smooth(0.5 - outside / (2.0 * paint.soft))


def _on_stroke(place: Float[ndarray, "N 2"], paint: Stroke) -> Float[ndarray, "N"]:
    far = np.full(len(place), np.inf)
    for a, b in zip(np.array(paint.points), np.array(paint.points[1:]), strict=False):
        along = np.clip((place - a) @ (b - a) / max((b - a) @ (b - a), 1e-9), 0.0, 1.0)
        far = np.minimum(far, np.linalg.norm(place - a - along[:, None] * (b - a), axis=1))
    return smooth(0.5 - (far - 0.5 * paint.width) / (2.0 * paint.soft))


def dyed_scalp(
    albedo: UInt8[ndarray, "s s C"], rgb: Rgb, parameters: AvatarParameters, shape: HeadShape
) -> UInt8[ndarray, "s s C"]:
    """The roots that are painted on the scalp in another colour."""
    cover = scalp_cover(len(albedo), parameters, shape)
    color = floats(albedo)
    color += (0.8 * cover)[..., None] * (0.62 * np.asarray(rgb, np.float32) - color)
    return codes_of(color, albedo)


def scalp_cover(
    size: int, parameters: AvatarParameters, shape: HeadShape
) -> Float32[ndarray, "s s"]:
    """How far roots cover each texel, in [0, 1]."""
    white = np.full((size, size, 3), 255, np.uint8)
    painted = paint_scalp(white, parameters, shape)
    lost = (255.0 - painted.min(2)).astype(np.float32)
    return lost / max(float(np.percentile(lost, 99.9)), 1.0)
