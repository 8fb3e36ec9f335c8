"""Blend hair roots and shadow into the skin's albedo, so that no bare scalp is visible."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from portraiture.engine.hair.balding import density, recession
from portraiture.engine.hair.color import hair_rgb, root_and_tip
from portraiture.engine.hair.plaits import PLAITED, off_row
from portraiture.engine.hair.scalp import (
    canonical_head,
    chart,
    depth_table,
    ear_mask,
    sideburn_share,
    temple_share,
)
from portraiture.engine.parameters import LONG_HAIR, AvatarParameters
from portraiture.engine.shape import HeadShape
from portraiture.engine.skin.texels import fill_gutter, interpolate, sample_bilinear, texel_map
from portraiture.ops.vectors import smooth

_STRENGTH = {"bald": 0.0, "buzz": 0.78, "long_straight": 0.9, "long_wavy": 0.9, "bob": 0.9}
"""Opacity of the roots over the skin colour; other styles use `_USUAL`."""

_USUAL = 0.88

_OUTSIDE = 0.007
"""Metres outside the hairline where single hairs begin to darken the skin."""


def paint_scalp(
    albedo: UInt8[ndarray, "s s 3"], parameters: AvatarParameters, shape: HeadShape
) -> UInt8[ndarray, "s s 3"]:
    """Blend the scalp of the skin's albedo (engine UV) towards the hair colour.

    The hairline is soft and irregular; short hair appears as follicles; a bald head is unchanged.
    """
    strength = _STRENGTH.get(parameters.hair_style, _USUAL)
    if strength == 0.0:
        return albedo
    size = albedo.shape[0]
    model = shape.model
    canonical = canonical_head(model).skin
    near = np.stack([canonical[:, 1] > 0.80, ear_mask(model)], axis=1).astype(np.float32)
    field = interpolate(np.concatenate([canonical, near], axis=1), model, size)
    scalp = (texel_map(model, size).face >= 0) & (field[..., 3] > 0.999) & (field[..., 4] < 0.01)
    points = field[scalp][:, :3].astype(np.float64)
    cover = strength * _cover(points, parameters)
    roots = 0.0 if parameters.hair_style in PLAITED else parameters.hair_roots
    at_root, _ = root_and_tip(parameters.hair_melanin, roots)
    rgb = hair_rgb(float(at_root), parameters.hair_redness, parameters.hair_grey)
    colour = 255.0 * 0.78 * rgb
    out = albedo.copy()
    skin = albedo[scalp].astype(np.float32)
    out[scalp] = np.clip(skin + cover[:, None] * (colour - skin) + 0.5, 0, 255).astype(np.uint8)
    return fill_gutter(out, model)


def _cover(points: Float[ndarray, "N 3"], parameters: AvatarParameters) -> Float[ndarray, "N"]:
    """Hair opacity over the skin at points of the average scalp."""
    depth = _depth(points, recession(parameters))
    wave = np.sin(points @ np.array([[700.0, -410.0], [300.0, 620.0], [520.0, 350.0]])).sum(1)
    grain = np.random.default_rng(7).random(len(points))
    short = parameters.hair_style == "buzz"
    width = {"buzz": 0.014, "receding": 0.03, "horseshoe": 0.02}.get(parameters.hair_style, 0.015)
    width = width * (1.0 + 0.8 * temple_share(*chart(points)))
    uneven = 0.0008 * wave + 0.003 * (grain - 0.5)
    soft = np.clip((depth + uneven + _OUTSIDE) / (width + _OUTSIDE), 0.0, 1.0)
    follicles = 0.62 + 0.55 * grain if short else 0.85 + 0.2 * grain
    cover = np.clip(soft**1.5 * follicles, 0.0, 1.0)
    if parameters.hair_style in LONG_HAIR:
        cover *= 1.0 - 0.7 * sideburn_share(*chart(points))
    elif parameters.hair_style in ("receding", "horseshoe"):
        cover *= density(*chart(points), parameters) ** 1.5
    elif parameters.hair_style == "cornrows":
        cover *= 1.0 - 0.75 * smooth((off_row(points, parameters) - 0.3) / 0.12)
        cover *= 1.0 - sideburn_share(*chart(points))
    return cover


def _depth(points: Float[ndarray, "N 3"], recession: float) -> Float[ndarray, "N"]:
    """`scalp_depth`, interpolated from a table."""
    azimuth, elevation = chart(points)
    table = depth_table(recession)[..., None]
    rows, columns = table.shape[0] - 1, table.shape[1] - 1
    y, x = (elevation + 90.0) / 180.0 * rows, np.abs(azimuth) / 180.0 * columns
    return sample_bilinear(table, x, y)[:, 0].astype(np.float64)
