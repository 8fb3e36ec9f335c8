from functools import lru_cache

import numpy as np
import pytest
from thinned import thinned

from portraiture.engine.hair.build import make_hair, paint_scalp
from portraiture.engine.hair.color import hair_rgb
from portraiture.engine.hair.guides import Plan, grow
from portraiture.engine.hair.plaits import off_row
from portraiture.engine.hair.scalp import CENTRE, scalp_depth
from portraiture.engine.hair.stray import let_stray
from portraiture.engine.hair.surface import skin_field
from portraiture.engine.hair.texture import TIER_COLUMNS, Weave, column_span, strand_atlas
from portraiture.engine.parameters import DISCRETE, AvatarParameters
from portraiture.engine.shape import shape_head
from portraiture.types import Segment

STYLES = [style for style in DISCRETE["hair_style"] if style != "bald"]
MAX_TRIANGLES = 30_000


@lru_cache
def _shape(**values):
    return shape_head(AvatarParameters(**values))


@lru_cache
def _hair(style, **values):
    return make_hair(AvatarParameters(hair_style=style, **values), _shape())


def _area(part):
    a, b, c = (part.vertices[part.faces[:, k]] for k in range(3))
    return 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)


def _middle(part, style):
    """Points along the middle of cards and plaits beyond their roots."""
    across = {"cornrows": 5, "braids": 4}.get(style, 2)
    beyond = part.uv[::across, 1] < 0.99
    return part.vertices.reshape(-1, across, 3).mean(1)[beyond]


def _signed_distance(points, shape):
    """By the tangent plane of the nearest of all vertices, every pair compared."""
    out = np.empty(len(points))
    for i, p in enumerate(points):
        offset = p - shape.skin
        nearest = np.argmin((offset * offset).sum(1))
        out[i] = offset[nearest] @ shape.normals[nearest]
    return out


@pytest.mark.parametrize("style", thinned(STYLES))
def test_part_is_well_formed(style):
    part = _hair(style, hair_length=1.0, hair_line=0.0)
    count = len(part.vertices)
    assert part.name == "hair" and part.material.kind == "hair"
    assert 5_000 < len(part.faces) <= MAX_TRIANGLES
    assert part.faces.min() == 0 and part.faces.max() == count - 1
    assert np.isfinite(part.vertices).all()
    assert ((part.uv >= 0) & (part.uv <= 1)).all()
    np.testing.assert_allclose(np.linalg.norm(part.normals, axis=1), 1.0, atol=1e-4)
    np.testing.assert_allclose(part.weights.sum(1), 1.0, atol=1e-5)
    assert (part.weights >= 0).all()
    assert (part.segment == Segment.HAIR).all() and len(part.segment) == len(part.faces)
    assert (_area(part) > 0).mean() > 0.98


@pytest.mark.parametrize("style", thinned(STYLES))
def test_cards_stay_outside_the_head(style):
    """Roots lie on triangles, up to 3 mm below the tangent planes of the crown's vertices."""
    part, shape = _hair(style, hair_length=1.0, hair_line=0.0), _shape()
    middle = _middle(part, style)
    chosen = np.random.default_rng(0).choice(len(middle), 200, replace=False)
    distance = _signed_distance(middle[chosen].astype(np.float64), shape)
    assert distance.min() > -0.003
    assert (distance > -0.0015).mean() > 0.97


@pytest.mark.parametrize("style", thinned(STYLES))
def test_eyes_are_free(style):
    part, shape = _hair(style, hair_length=1.0, hair_line=0.0), _shape()
    for side in ("l", "r"):
        eye = shape.group(f"helper-{side}-eye")
        low, high = eye.min(0), eye.max(0)
        v = part.vertices
        before = (v[:, 2] > high[2] - 0.01) & (v[:, 0] > low[0]) & (v[:, 0] < high[0])
        assert not (before & (v[:, 1] > low[1]) & (v[:, 1] < high[1])).any()


@pytest.mark.parametrize("seed", thinned(range(3)))
def test_every_style_fits_other_heads(seed):
    rng = np.random.default_rng(seed)
    names = ("sex", "age", "weight", "african", "asian", "caucasian")
    style = STYLES[seed::3]
    values = {name: float(rng.random()) for name in names}
    for name in ("head_scale_horiz", "head_back_scale_depth", "neck_scale_vert", "ear_wing"):
        values.setdefault("shape", {})[name] = float(rng.uniform(0.2, 0.8))
    for each in style:
        parameters = AvatarParameters(
            hair_style=each, hair_length=float(rng.random()), hair_volume=float(rng.random()),
            hair_curl=float(rng.random()), hair_line=float(rng.random()), **values
        )  # fmt: skip
        shape = shape_head(parameters)
        part = make_hair(parameters, shape)
        assert part is not None and len(part.faces) <= MAX_TRIANGLES
        assert np.isfinite(part.vertices).all()
        middle = _middle(part, each)
        chosen = rng.choice(len(middle), 100, replace=False)
        distance = _signed_distance(middle[chosen].astype(np.float64), shape)
        assert (distance > -0.002).mean() > 0.97


@pytest.mark.parametrize("style", thinned(STYLES))
def test_longer_hair_reaches_further(style):
    short, long = (_hair(style, hair_length=v, hair_line=0.0) for v in (0.0, 1.0))
    if style in ("bob", "long_straight", "long_wavy", "ponytail", "braids"):
        assert long.vertices[:, 1].min() < short.vertices[:, 1].min() - 0.02
    elif style == "slick_back":
        assert np.quantile(long.vertices[:, 1], 0.02) < np.quantile(short.vertices[:, 1], 0.02)
    elif style in ("afro", "bun"):
        reach = [np.linalg.norm(p.vertices - CENTRE, axis=1) for p in (short, long)]
        assert np.quantile(reach[1], 0.99) > np.quantile(reach[0], 0.99) + 0.005
    else:
        assert _area(long).sum() > 1.3 * _area(short).sum()


@pytest.mark.parametrize("style", ["short", "quiff", "curly", "afro", "bob", "long_wavy"])
def test_volume_lifts_the_hair(style):
    shape = _shape()
    field = skin_field(shape)
    flat, full = (field(_hair(style, hair_volume=v).vertices.astype(np.float64))[0]
                  for v in (0.0, 1.0))  # fmt: skip
    assert full.mean() > flat.mean() + 0.002


def test_parting_changes_sides():
    left, right = (_hair("side_part", hair_parting=v).vertices for v in (0.1, 0.9))
    shape = _shape()
    forehead = shape.skin[:, 1].max() - 0.06
    middle = [v[(v[:, 2] > 0.13) & (v[:, 1] > forehead)][:, 0].mean() for v in (left, right)]
    assert middle[0] < middle[1]


def test_receding_hairline_bares_the_forehead():
    low, high = (_hair("buzz", hair_line=v).vertices for v in (0.0, 1.0))
    assert high[:, 2].max() < low[:, 2].max() - 0.005


def test_same_parameters_same_bits():
    for style in ("curly", "bun"):
        first, second = (make_hair(AvatarParameters(hair_style=style), _shape()) for _ in range(2))
        assert first.vertices.tobytes() == second.vertices.tobytes()
        assert first.material.base_color.tobytes() == second.material.base_color.tobytes()


def test_bald_has_no_hair():
    parameters = AvatarParameters(hair_style="bald")
    assert make_hair(parameters, _shape()) is None
    albedo = np.full((64, 64, 3), 180, np.uint8)
    np.testing.assert_array_equal(paint_scalp(albedo, parameters, _shape()), albedo)


def test_paint_covers_scalp_and_spares_face():
    size = 256
    shape = _shape()
    albedo = np.full((size, size, 3), 200, np.uint8)
    parameters = AvatarParameters(hair_style="short", hair_melanin=0.9)
    painted = paint_scalp(albedo, parameters, shape)
    assert painted.dtype == np.uint8 and (albedo == 200).all()
    depth = scalp_depth(shape.skin.astype(np.float64), parameters.hair_line)
    texel = np.clip((shape.uv * [1, -1] + [0, 1]) * size, 0, size - 1).astype(int)
    colour = painted[texel[:, 1], texel[:, 0]].astype(float)
    nape = shape.skin[:, 1] > 0.84
    deep, face = (depth > 0.02) & nape, (depth < -0.012) & (shape.skin[:, 2] > 0.1)
    target = 255 * hair_rgb(0.9, parameters.hair_redness, 0.0)
    assert np.abs(colour[deep].mean(0) - target).max() < 30
    assert (colour[face] == 200).mean() > 0.99


def test_field_is_exact_far_from_curvature():
    shape = _shape()
    field = skin_field(shape)
    top = shape.skin[np.argmax(shape.skin[:, 1])].astype(np.float64)
    distance, normal = field(top + np.array([[0.0, 0.02, 0.0], [0.0, -0.02, 0.0]]))
    np.testing.assert_allclose(distance, [0.02, -0.02], atol=1.5e-3)
    assert (normal[:, 1] > 0.97).all()
    np.testing.assert_allclose(field.canonical(shape.skin), shape.skin, atol=1e-5)


def test_strands_fall_and_are_cut_at_the_hem():
    shape = _shape()
    field = skin_field(shape)
    start = np.array([[0.3, 1.2, 0.3], [0.35, 1.2, 0.3]])
    one = np.ones(2)
    plan = Plan(
        start=start, start_normal=np.tile([1.0, 0.0, 0.0], (2, 1)), length=0.3 * one,
        comb=np.tile([1.0, 0.0, 0.0], (2, 1)), droop=0.01 * one, lift=0.0 * one,
        clearance=0.0 * one, rise=0.01 * one, stick=0.0 * one, curl_radius=0.0 * one,
        curl_wave=one, hem=np.array([1.0, -np.inf]), clump=0.0 * one, clump_of=np.arange(2),
        width=0.01 * one, tier=np.zeros(2, int), segments=10,
    )  # fmt: skip
    strands = grow(plan, field, seed=0)
    length = np.linalg.norm(np.diff(strands, axis=1), axis=2).sum(1)
    assert abs(strands[0, -1, 1] - 1.0) < 1e-3
    assert abs(length[1] - 0.3) < 2e-3
    assert (np.diff(strands[:, 2:, 1], axis=1) < 0).all()


def test_atlas_tiers_and_greys():
    dark, rough = strand_atlas(0.9, 0.1, 0.0, Weave())
    grey, _ = strand_atlas(0.9, 0.1, 0.7, Weave())
    assert dark.shape == (512, 1024, 4) and rough.shape == (512, 1024)
    cell = 1024 // 16
    cover = [dark[:, a * cell : b * cell, 3].mean() for a, b in TIER_COLUMNS]
    assert cover[0] > cover[1] > cover[2] > cover[3]
    assert grey[..., :3].mean() > 2 * dark[..., :3].mean()
    seen = grey[..., :3][grey[..., 3] > 200].mean(1)
    assert np.quantile(seen, 0.9) > 1.5 * np.quantile(seen, 0.1)


def test_columns_stay_in_their_tier():
    tier = np.repeat(np.arange(len(TIER_COLUMNS)), 50)
    left, right = column_span(tier, np.tile(np.linspace(0, 0.999, 50), len(TIER_COLUMNS)))
    first, last = np.array(TIER_COLUMNS)[tier].T / 16
    assert (left > first).all() and (right < last).all() and (left < right).all()


def test_dark_roots_fade_along_the_hair():
    """Against even hair: darker near the root, and not darker towards the tips."""
    even, grown = (
        strand_atlas(0.25, 0.2, 0.0, Weave(), roots=v)[0].astype(float) for v in (0.0, 1.0)
    )
    hair = (even[..., 3] > 250) & (grown[..., 3] > 250)
    light = [np.where(hair, a[..., :3].mean(2), np.nan) for a in (even, grown)]
    root, tip = slice(20, 60), slice(300, 440)
    assert np.nanmean(light[1][root]) < 0.7 * np.nanmean(light[0][root])
    assert np.nanmean(light[1][tip]) > 1.02 * np.nanmean(light[0][tip])
    np.testing.assert_array_equal(even[..., 3], grown[..., 3])


def test_cornrows_leave_skin_between_the_rows():
    parameters = AvatarParameters(hair_style="cornrows", hair_melanin=1.0)
    shape = _shape()
    points = shape.skin.astype(np.float64)
    off = off_row(points, parameters)
    assert off.min() >= 0.0 and off.max() <= 0.5
    part = _hair("cornrows", hair_melanin=1.0)
    middle = part.vertices.reshape(-1, 5, 3)[:, 2].astype(np.float64)
    on_scalp = scalp_depth(middle, parameters.hair_line) > 0.01
    assert np.median(off_row(middle[on_scalp], parameters)) < 0.1


def test_few_outer_strands_stray_and_no_root_moves():
    rng = np.random.default_rng(0)
    strands = np.cumsum(rng.uniform(0.0, 0.01, (400, 9, 3)), axis=1)
    tier = rng.integers(0, 4, 400)
    moved, width, column = let_stray(strands, np.full(400, 0.01), tier, np.zeros(3), seed=1)
    changed = (moved != strands).any((1, 2))
    assert 0.02 < changed.mean() < 0.12 and (tier[changed] >= 2).all()
    assert (width[changed] < 0.005).all() and (width[~changed] == 0.01).all()
    np.testing.assert_allclose(moved[:, 0], strands[:, 0], atol=1e-12)
    assert (column[~changed] == tier[~changed]).all() and (column[changed] == 3).all()
