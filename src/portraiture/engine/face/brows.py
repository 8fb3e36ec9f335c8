"""Eyebrows: cards of fine hairs lying on the brow ridge.

The brow is a curve on the canonical face with a half height that varies along it. Hairs are upright
at the inner end and lean outward along the brow; above its centre line they sweep down to meet
those from below, as in real brows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from portraiture.engine.face import follicles
from portraiture.engine.hair.color import hair_rgb
from portraiture.engine.parameters import AvatarParameters, BrowStyle
from portraiture.engine.shape import HeadShape
from portraiture.engine.skin.appearance import load_appearance, window_of
from portraiture.engine.skin.texels import texel_map
from portraiture.engine.skin.tone import encode_srgb, tone_table
from portraiture.types import Material, Part, Segment

BROW_TRIANGLES = 4000
"""Maximum number of triangles of both brows together."""

_SECTIONS = 4
_COLUMNS = 8
_INNER_M, _OUTER_M = 0.0095, 0.0585
_KNOTS = np.linspace(0.0, 1.0, 6)
_FRONT_Z_M = 0.095
_LEVEL_M = (0.7295, 0.7315)
"""Reference heights of `_Form.line`, so that the brows lie where those of portraits do (the dark
band of `skin.appearance`); feminine ones are higher."""

_LEARNED_COVER, _HAIRS = 0.65, 0.6
"""Shares of the painted shade over skin that shows learned brows, and of the most hairs."""
_HAIR_SKIN = 0.42
"""Share of the skin's colour in that of the hairs, which are thinner than their cards' texels."""
_UNLEARNED = 0.75
"""Share of the learned darkness that is removed where a style has no brow."""


@dataclass(frozen=True)
class _Form:
    """One style. line: height of the centre line above `_LEVEL_M` at `_KNOTS`, mm. height: half
    heights there, mm. fullness: fraction of the maximum number of hairs. length: of a hair, mm.
    lean: angle of the inner hairs to the brow's line, radians."""

    line: tuple[float, ...]
    height: tuple[float, ...]
    fullness: float
    length: float
    lean: float


_FORMS: dict[BrowStyle, _Form] = {
    "natural": _Form(
        (9.6, 11.0, 12.2, 13.2, 12.2, 7.6), (3.4, 4.0, 3.8, 3.1, 2.3, 1.0), 0.66, 7.5, 1.25
    ),
    "straight": _Form(
        (10.4, 10.9, 11.4, 11.8, 11.0, 8.2), (3.2, 3.6, 3.4, 2.8, 2.0, 0.8), 0.6, 7.0, 1.1
    ),
    "arched": _Form(
        (8.8, 10.8, 13.2, 15.4, 13.8, 7.6), (3.1, 3.6, 3.3, 2.7, 1.9, 0.8), 0.6, 7.0, 1.2
    ),
    "thin": _Form(
        (9.8, 11.6, 13.2, 14.3, 13.0, 8.4), (1.6, 1.8, 1.7, 1.4, 1.1, 0.6), 0.5, 5.0, 0.9
    ),
    "bushy": _Form(
        (9.6, 11.0, 12.2, 12.9, 11.6, 7.2), (4.6, 5.2, 5.2, 4.8, 3.9, 2.0), 0.88, 10.0, 1.3
    ),
    "angled": _Form(
        (8.2, 10.3, 12.8, 15.2, 14.6, 9.4), (3.2, 3.6, 3.4, 2.9, 2.1, 0.8), 0.62, 7.0, 1.1
    ),
    "rounded": _Form(
        (8.8, 11.8, 13.8, 14.4, 12.4, 7.2), (2.9, 3.4, 3.3, 2.8, 2.1, 0.9), 0.6, 6.5, 1.2
    ),
}


def make_brows(parameters: AvatarParameters, shape: HeadShape) -> Part:
    """Build both brows: at most `BROW_TRIANGLES` triangles, bound to the skin."""
    form = _FORMS[parameters.brow_style]
    rng = np.random.default_rng(71)
    most = BROW_TRIANGLES // (2 * (_SECTIONS - 1))
    count = int(most * _HAIRS * form.fullness * (0.35 + 0.65 * parameters.brow_density))
    roots = follicles.scatter(
        shape, lambda p: brow_density(p, parameters, softness=1.0) ** 2, count, rng
    )
    cards = _grow(roots, shape, parameters, rng)
    texture = follicles.strand_texture(
        _hair_color(parameters),
        rng,
        columns=_COLUMNS,
        hairs=6,
        thickness=0.085,
        size=(96, 384),
        grey=0.4 * parameters.hair_grey,
    )
    material = Material(
        kind="hair",
        base_color=texture,
        roughness_factor=0.85,
        alpha_mode="mask",
        alpha_cutoff=0.4,
        double_sided=True,
    )
    side = np.where(roots.canonical[:, 0] < 0.0, Segment.LEFT_BROW, Segment.RIGHT_BROW)
    return follicles.hair_part("brows", cards, shape, material, side, columns=_COLUMNS)


def brow_density(
    points: Float[ndarray, "P 3"], parameters: AvatarParameters, *, softness: float = 0.5
) -> Float[ndarray, "P"]:
    """Hair density at canonical `points`, in [0, 1]. softness: width of the soft borders relative
    to the brow's half height."""
    along, across = _brow_coordinates(points, parameters)
    ends = _ramp(along / 0.13 + 0.35) * _ramp((1.0 - along) / 0.2 + 0.1)
    rows = _ramp((1.0 - np.abs(across)) / softness + 0.5)
    # Sparse above the inner end, where single hairs stand up; dense along the lower border.
    thin = 1.0 - 0.45 * np.clip(across, 0.0, 1.0) * np.clip(1.0 - along / 0.35, 0.0, 1.0)
    return ends * rows * thin * (points[:, 2] > _FRONT_Z_M)


def paint_brows(
    albedo: UInt8[ndarray, "s s 3"],
    parameters: AvatarParameters,
    shape: HeadShape,
    *,
    learned: bool = False,
) -> UInt8[ndarray, "s s 3"]:
    """Copy the skin's albedo with the soft shade of roots and skin visible through the brows.

    learned: the albedo shows the brows of `skin.appearance`: they are faded outside of the style's.
    """
    size = albedo.shape[0]
    rows, columns, points = brow_texels(shape, size)
    amount = brow_density(points, parameters, softness=1.1)
    strength = 0.32 + 0.3 * parameters.brow_density
    cover = (strength * amount * _FORMS[parameters.brow_style].fullness)[:, None]
    skin = albedo[rows, columns].astype(np.float64)
    if learned:
        skin *= _less_learned(rows, columns, points, amount, parameters, size)
        cover *= _LEARNED_COVER
    out = albedo.copy()
    tone = 255.0 * brow_color(parameters)
    mixed = skin * (1.0 - cover) + tone * cover
    out[rows, columns] = (np.minimum(mixed, 255.0) + 0.5).astype(np.uint8)
    return out


def brow_texels(
    shape: HeadShape, size: int
) -> tuple[Int[ndarray, "N"], Int[ndarray, "N"], Float[ndarray, "N 3"]]:
    """Rows, columns and canonical points, metres, of the texels around both brows."""
    texels = texel_map(shape.model, size)
    face = np.maximum(texels.face, 0)
    canonical = follicles.canonical_skin(shape.model)
    corners = canonical[shape.faces]
    near = (np.abs(corners[:, :, 0]).max(1) < 0.075) & (corners[:, :, 1].min(1) > 0.724)
    near &= (corners[:, :, 1].max(1) < 0.79) & (corners[:, :, 2].min(1) > 0.08)
    rows, columns = np.nonzero((texels.face >= 0) & near[face])
    triangle = shape.faces[face[rows, columns]]
    points = np.einsum("pk,pkc->pc", texels.barycentric[rows, columns], canonical[triangle])
    return rows, columns, points


def _less_learned(
    rows: ndarray,
    columns: ndarray,
    points: ndarray,
    amount: ndarray,
    parameters: AvatarParameters,
    size: int,
) -> ndarray:
    """Factor on the sRGB albedo that fades the learned brows where the style has `amount` 0."""
    model = load_appearance()
    window = window_of(size)
    field = np.zeros((size, size, 3), np.float32)
    field[window] = model.field(model.coefficients(parameters), size)
    usual = replace(parameters, brow_style="bushy", brow_thickness=1.0)
    zone = brow_density(points, usual, softness=0.8)
    faded = _UNLEARNED * zone * (1.0 - np.clip(1.4 * amount, 0.0, 1.0))
    dark = np.minimum(field[rows, columns], 0.0)
    return np.exp(-faded[:, None] * dark / 2.2)


def _grow(
    roots: follicles.Roots,
    shape: HeadShape,
    parameters: AvatarParameters,
    rng: np.random.Generator,
) -> follicles.Cards:
    form, thickness = _FORMS[parameters.brow_style], _thickness(parameters)
    along, across = _brow_coordinates(roots.canonical, parameters)
    count = len(along)
    angle = _slope(along, form) + _fan(along, across, form) + rng.normal(0.0, 0.1, count)
    outward = np.where(roots.canonical[:, 0] < 0.0, -1.0, 1.0)
    direction = np.stack([outward * np.cos(angle), np.sin(angle), np.zeros(count)], axis=1)
    tangent = follicles.comb(roots, shape, direction)
    # Along its length a hair turns towards the brow's line.
    later = _slope(along + 0.12, form) + 0.35 * _fan(along + 0.12, across * 0.5, form)
    bent = np.stack([outward * np.cos(later), np.sin(later), np.zeros(count)], axis=1)
    tip = follicles.comb(roots, shape, bent)
    size = np.interp(along, [0.0, 0.3, 1.0], [0.75, 1.0, 0.75]) * rng.uniform(0.75, 1.15, count)
    length = 1e-3 * form.length * (0.6 + 0.4 * thickness) * size
    t = np.linspace(0.0, 1.0, _SECTIONS)
    step = t[None, :, None] * tangent[:, None] * 0.75 + (t**2)[None, :, None] * tip[:, None] * 0.3
    centre = roots.position[:, None] + length[:, None, None] * step
    lift = rng.uniform(0.5, 1.0, count) * (0.5 + 0.5 * form.fullness)
    height = 1e-3 * lift[:, None] * np.array([0.1, 0.65, 0.9, 0.75])[None]
    width = np.full((count, _SECTIONS), 1.9e-3) * rng.uniform(0.8, 1.2, (count, 1))
    column = rng.integers(0, _COLUMNS, count)
    return follicles.hug(roots, shape, centre, height, width, column)


def brow_band(
    along: Float[ndarray, "N"], parameters: AvatarParameters
) -> tuple[Float[ndarray, "N"], Float[ndarray, "N"], Float[ndarray, "N"]]:
    """|x|, height of the middle and half height on the canonical face, metres, at positions along
    the brow, 0 inner end to 1 tail."""
    form = _FORMS[parameters.brow_style]
    level = np.interp(parameters.sex, [0.0, 1.0], _LEVEL_M)
    middle = level + 1e-3 * _smooth(along, form.line)
    half = 1e-3 * _smooth(along, form.height) * _thickness(parameters)
    return _INNER_M + along * (_OUTER_M - _INNER_M), middle, half


def _thickness(parameters: AvatarParameters) -> float:
    """Factor on the style's half heights, 0.6 to 1.4."""
    return 0.6 + 0.8 * parameters.brow_thickness


def _brow_coordinates(points: ndarray, parameters: AvatarParameters) -> tuple[ndarray, ndarray]:
    """Position along the brow (0 inner end, 1 tail) and across it (-1 lower, 1 upper border)."""
    along = (np.abs(points[:, 0]) - _INNER_M) / (_OUTER_M - _INNER_M)
    _, middle, half = brow_band(along, parameters)
    return along, (points[:, 1] - middle) / np.maximum(half, 1e-4)


def _smooth(along: ndarray, values: tuple[float, ...]) -> ndarray:
    """Catmull-Rom spline through the values at `_KNOTS`; constant slope outside."""
    v = np.array([2 * values[0] - values[1], *values, 2 * values[-1] - values[-2]])
    position = np.clip(along, 0.0, 1.0) * (len(values) - 1)
    k = np.minimum(position.astype(int), len(values) - 2)
    f = position - k
    p0, p1, p2, p3 = v[k], v[k + 1], v[k + 2], v[k + 3]
    return p1 + 0.5 * f * (
        p2 - p0 + f * (2 * p0 - 5 * p1 + 4 * p2 - p3 + f * (3 * (p1 - p2) + p3 - p0))
    )


def _slope(along: ndarray, form: _Form) -> ndarray:
    """Angle of the brow's line, radians, positive rising outward."""
    e = 0.04
    rise = 1e-3 * (_smooth(along + e, form.line) - _smooth(along - e, form.line))
    run = (np.clip(along + e, 0, 1) - np.clip(along - e, 0, 1)) * (_OUTER_M - _INNER_M)
    return np.arctan2(rise, np.maximum(run, 1e-6))


def _fan(along: ndarray, across: ndarray, form: _Form) -> ndarray:
    """Angle of a hair to the brow's line: upright at the inner end, flat at the outer end, rows
    converging."""
    upright = form.lean * np.exp(-np.clip(along, 0.0, 1.0) / 0.16)
    converge = np.clip(-across, -1.0, 1.0) * np.interp(along, [0.0, 0.2, 0.5], [0.15, 0.4, 0.35])
    return upright + 0.22 + converge


def brow_color(parameters: AvatarParameters) -> Float[ndarray, "3"]:
    """sRGB hair colour, darkened or lightened by `brow_darkness`; never as pale as pale hair."""
    melanin = np.clip(parameters.hair_melanin + 0.7 * (parameters.brow_darkness - 0.4), 0.12, 1.0)
    rgb = np.asarray(hair_rgb(float(melanin), parameters.hair_redness, 0.0), np.float64)
    return np.clip(rgb * (1.12 - 0.35 * parameters.brow_darkness), 0.0, 1.0)


def _hair_color(parameters: AvatarParameters) -> ndarray:
    """sRGB colour of the hairs, some skin between them."""
    table = tone_table(round(parameters.skin_undertone, 2))
    skin = encode_srgb(table[round(parameters.skin_melanin * (len(table) - 1)), len(table) // 4])
    own = brow_color(parameters)
    return own + _HAIR_SKIN * (skin - own)


def _ramp(x: ndarray) -> ndarray:
    """Smoothstep of x clipped to [0, 1]."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)
