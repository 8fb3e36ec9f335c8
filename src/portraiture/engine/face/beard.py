"""Beards: hair cards rooted on cheeks, jaw, chin and upper lip.

zone on the canonical face ──scatter──▶ roots ──comb, hang──▶ strands off the skin ──▶ cards

Segmentation: CelebAMask-HQ labels trimmed facial hair as skin, so every style is SKIN except the
full beard, which occludes the face contour and is HAIR.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from portraiture.engine.face import follicles
from portraiture.engine.face.beard_zone import BeardZone, beard_zone, lip_distance
from portraiture.engine.hair.color import hair_rgb
from portraiture.engine.parameters import AvatarParameters, BeardStyle
from portraiture.engine.shape import HeadShape
from portraiture.engine.skin.texels import texel_map
from portraiture.ops.vectors import unit
from portraiture.types import Material, Part, Segment

BEARD_TRIANGLES = 15000
"""Maximum number of triangles of a beard."""

EDGE = 0.4
"""Length of hairs at a beard's border relative to those inside it."""
_COLUMNS = 8
_BARE = (
    Segment.NOSE,
    Segment.LEFT_EAR,
    Segment.RIGHT_EAR,
    Segment.MOUTH,
    Segment.UPPER_LIP,
    Segment.LOWER_LIP,
)


@dataclass(frozen=True)
class _Form:
    """One style. cards: number at full density. length: minimum and maximum, mm. sections: cross-
    sections per card. width: of a card, mm. lift: angle off the skin, radians. hairs: per card.
    paint: darkness of the skin below. stagger: see `strand_texture`."""

    cards: int
    length: tuple[float, float]
    sections: int
    width: float
    lift: float
    hairs: int
    paint: float
    stagger: float


_FORMS: dict[BeardStyle, _Form] = {
    "stubble": _Form(2300, (1.4, 3.6), 3, 3.6, 0.30, 9, 0.62, 0.55),
    "moustache": _Form(560, (5.0, 11.0), 5, 3.0, 0.30, 9, 0.45, 0.35),
    "goatee": _Form(1000, (7.0, 26.0), 5, 3.6, 0.35, 12, 0.6, 0.2),
    "circle": _Form(1200, (6.0, 13.0), 5, 3.6, 0.35, 12, 0.6, 0.3),
    "short_beard": _Form(3700, (6.0, 11.0), 3, 4.2, 0.30, 13, 0.88, 0.4),
    "full_beard": _Form(1870, (18.0, 56.0), 5, 6.0, 0.45, 17, 0.8, 0.2),
    "sideburns": _Form(1100, (5.0, 11.0), 4, 3.6, 0.3, 12, 0.6, 0.4),
}


def make_beard(parameters: AvatarParameters, shape: HeadShape) -> Part | None:
    """Build the beard: at most `BEARD_TRIANGLES` triangles, each card bound to its root. None for
    the style "none"."""
    style = parameters.beard_style
    if style == "none":
        return None
    form = _FORMS[style]
    rng = np.random.default_rng(97)
    count = int(form.cards * (0.3 + 0.7 * parameters.beard_density))
    _, cards = grow_beard(parameters, shape, count, rng)
    texture = follicles.strand_texture(
        beard_color(parameters),
        rng,
        columns=_COLUMNS,
        hairs=form.hairs,
        thickness=0.22 / form.width,
        size=(96, 512),
        grey=0.9 * parameters.beard_grey,
        spread=0.12 if style == "stubble" else 0.3,
        stagger=form.stagger,
    )
    material = Material(
        kind="hair",
        base_color=texture,
        roughness_factor=0.8,
        alpha_mode="mask",
        alpha_cutoff=0.4,
        double_sided=True,
    )
    label = Segment.HAIR if style == "full_beard" else Segment.SKIN
    segment = np.full(count, label, np.uint8)
    return follicles.hair_part("beard", cards, shape, material, segment, columns=_COLUMNS)


def grow_beard(
    parameters: AvatarParameters, shape: HeadShape, count: int, rng: np.random.Generator
) -> tuple[follicles.Roots, follicles.Cards]:
    """About `count` roots of the person's beard, which is not "none", and the cards on them."""
    style = parameters.beard_style
    roots = follicles.scatter(
        shape, lambda points: beard_zone(points, style).density, count, rng, bare=_BARE
    )
    return roots, _grow(roots, shape, parameters, _FORMS[style], rng)


def beard_color(parameters: AvatarParameters) -> Float[ndarray, "3"]:
    """sRGB of the pigmented hairs: slightly warmer and fairer than the hair of the head."""
    redness = min(1.0, parameters.hair_redness + 0.08)
    melanin = float(np.clip(parameters.hair_melanin - 0.06, 0.15, 1.0))
    return np.asarray(hair_rgb(melanin, redness, 0.0), np.float64)


def paint_beard(
    albedo: UInt8[ndarray, "s s 3"], parameters: AvatarParameters, shape: HeadShape
) -> UInt8[ndarray, "s s 3"]:
    """Copy the skin's albedo with the beard's roots painted in."""
    style = parameters.beard_style
    if style == "none":
        return albedo.copy()
    rows, columns, points = beard_texels(shape, albedo.shape[0])
    zone = beard_zone(points, style)
    grain = np.random.default_rng(5).random(albedo.shape[:2])[rows, columns]
    amount = zone.density * (0.75 + 0.5 * grain) * (0.4 + 0.6 * parameters.beard_density)
    cover = np.clip(_FORMS[style].paint * amount, 0.0, 0.85)[:, None]
    tone = beard_color(parameters) * (1 - parameters.beard_grey) + 0.5 * parameters.beard_grey
    shaded = 0.42 * 255.0 * tone + 0.22 * albedo[rows, columns]
    out = albedo.copy()
    out[rows, columns] = (albedo[rows, columns] * (1 - cover) + shaded * cover + 0.5).astype(
        np.uint8
    )
    return out


def beard_texels(shape: HeadShape, size: int) -> tuple[ndarray, ndarray, Float[ndarray, "N 3"]]:
    """Rows, columns and canonical points of the texels on which beards may grow."""
    texels = texel_map(shape.model, size)
    canonical = follicles.canonical_skin(shape.model)
    corners = canonical[shape.faces]
    near = (corners[:, :, 1].max(1) < 0.79) & (corners[:, :, 1].min(1) > 0.57)
    near &= (corners[:, :, 2].min(1) > 0.01) & ~np.isin(shape.model.arrays["skin_segment"], _BARE)
    rows, columns = np.nonzero((texels.face >= 0) & near[np.maximum(texels.face, 0)])
    triangle = shape.faces[texels.face[rows, columns]]
    points = np.einsum("pk,pkc->pc", texels.barycentric[rows, columns], canonical[triangle])
    return rows, columns, points


def _grow(
    roots: follicles.Roots,
    shape: HeadShape,
    parameters: AvatarParameters,
    form: _Form,
    rng: np.random.Generator,
) -> follicles.Cards:
    style = parameters.beard_style
    zone = beard_zone(roots.canonical, style)
    count = len(roots.face)
    side = np.sign(roots.canonical[:, 0])
    longest = np.interp(parameters.beard_length, [0.0, 1.0], form.length)
    length = 1e-3 * longest * zone.length * rng.uniform(0.7, 1.15, count)
    length *= EDGE + (1.0 - EDGE) * np.clip(1.6 * zone.density, 0.0, 1.0)
    tangent = unit(follicles.comb(roots, shape, zone.direction) + rng.normal(0.0, 0.13, (count, 3)))
    lift = form.lift * rng.uniform(0.4, 1.5, count)[:, None]
    start = np.cos(lift) * tangent + np.sin(lift) * roots.normal
    curl = 0.35 * np.clip(np.abs(roots.canonical[:, 0]) / 0.05, 0.0, 1.0)
    hang = np.stack([-side * curl, -np.ones(count), np.full(count, 0.12)], axis=1)
    hang = unit(hang + rng.normal(0.0, 0.16, (count, 3)))
    weight = np.clip(length / 0.03, 0.0, 1.0)[:, None] * zone.hang[:, None]
    centre = _strands(roots.position, start, tangent, hang, weight, length, form.sections)
    centre, normal = _off_skin(centre, roots, shape, length, style, rng)
    heading = unit(np.gradient(centre, axis=1))
    out = unit(normal + 0.25 * np.array([0.0, 0.0, 1.0]))
    across = unit(np.cross(out, heading))
    width = 1e-3 * form.width * rng.uniform(0.8, 1.25, count) * _narrowing(style, zone)
    taper = np.linspace(1.0, 0.75, form.sections)
    cards = follicles.Cards(
        centre,
        across * (0.5 * width[:, None] * taper)[:, :, None],
        _shading_normal(normal, roots),
        rng.integers(0, _COLUMNS, count),
        np.zeros((count, form.sections), np.int64),
        np.zeros((count, form.sections, 3)),
    )
    return follicles.with_anchor(cards, roots)


def _narrowing(style: BeardStyle, zone: BeardZone) -> ndarray:
    """Card width factors: narrower near the zone's border, so that the border stays soft."""
    return 0.55 + 0.45 * np.clip(zone.density * 1.5, 0.0, 1.0)


def _strands(
    start: ndarray,
    first: ndarray,
    tangent: ndarray,
    hang: ndarray,
    weight: ndarray,
    length: ndarray,
    sections: int,
) -> Float[ndarray, "P K 3"]:
    """Polylines that start along `first`, flatten towards `tangent` and bend towards `hang`."""
    points = [start]
    step = length[:, None] / (sections - 1)
    for k in range(sections - 1):
        t = k / max(sections - 2, 1)
        lain = unit((1.0 - t) * first + t * tangent)
        bend = weight * t**0.8
        points.append(points[-1] + step * unit((1.0 - bend) * lain + bend * hang))
    return np.stack(points, axis=1)


def _off_skin(
    centre: ndarray,
    roots: follicles.Roots,
    shape: HeadShape,
    length: ndarray,
    style: BeardStyle,
    rng: np.random.Generator,
) -> tuple[ndarray, ndarray]:
    """Lift strands clear of the skin; also returns the skin normal below every cross-section."""
    count, sections = centre.shape[:2]
    t = np.linspace(0.0, 1.0, sections)
    layer = rng.uniform(0.3, 1.0, count) * np.clip(length * 0.22, 0.0004, 0.006)
    clearance = layer[:, None] * np.sqrt(t)[None]
    flat = centre.reshape(-1, 3)
    low = follicles.canonical_skin(shape.model)[shape.faces]
    near = np.flatnonzero((low[:, :, 1].max(1) < 0.80) & (low[:, :, 1].min(1) > 0.48))
    feet = follicles.closest_on_skin(flat, shape, near)
    away = ((flat - feet.position) * feet.normal).sum(1)
    push = np.clip(clearance.ravel() - away, 0.0, 0.02)
    moved = flat + push[:, None] * feet.normal
    if style in ("moustache", "circle", "short_beard", "full_beard", "stubble"):
        moved = _off_lips(moved, feet, np.tile(t, count))
    return moved.reshape(centre.shape), feet.normal.reshape(centre.shape)


def _off_lips(points: ndarray, feet: follicles.Roots, t: ndarray) -> ndarray:
    """Move moustache hair that would hang over the lips up to their border."""
    inside = np.clip(-lip_distance(feet.canonical) - 0.0005, 0.0, 0.01)
    upper = feet.canonical[:, 1] > 0.6603
    return points + (np.where(upper, inside, -inside) * (t > 0))[:, None] * [0.0, 1.0, 0.0]


def _shading_normal(normal: ndarray, roots: follicles.Roots) -> ndarray:
    """Blend from the root's normal to that of the skin below the strand, for smooth shading."""
    return unit(0.7 * roots.normal[:, None] + 0.3 * normal)
