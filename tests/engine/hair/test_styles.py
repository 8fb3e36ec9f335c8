"""What single styles promise: bare crowns, fringes, faces free of locks."""

from functools import lru_cache

import numpy as np
import pytest
from thinned import thinned

from portraiture.engine import sample
from portraiture.engine.hair.balding import density
from portraiture.engine.hair.build import make_hair, paint_scalp
from portraiture.engine.hair.fringe import cut_fringe
from portraiture.engine.hair.guides import over_face
from portraiture.engine.hair.long import hanging
from portraiture.engine.hair.patch import sow
from portraiture.engine.hair.scalp import CENTRE, chart
from portraiture.engine.hair.surface import skin_field
from portraiture.engine.parameters import DISCRETE, AvatarParameters
from portraiture.engine.sample import sample_parameters
from portraiture.engine.sample_looks import FRINGED, sample_hair
from portraiture.engine.shape import shape_head

CELL = 0.004
"""Side of a cell of the forehead, metres."""


@lru_cache
def _shape():
    return shape_head(AvatarParameters())


@lru_cache
def _field():
    return skin_field(_shape())


@lru_cache
def _hair(style, **values):
    part = make_hair(AvatarParameters(hair_style=style, **values), _shape())
    assert part is not None
    return part


def _forehead_covered(part) -> float:
    """Fraction of the cells of the forehead that have a point of a card in front of them."""
    corners = part.vertices[part.faces].astype(np.float64)
    rng = np.random.default_rng(0)
    weights = rng.dirichlet((1.0, 1.0, 1.0), 12)
    x, y, z = np.einsum("wk,fkc->fwc", weights, corners).reshape(-1, 3).T
    ahead = z > 0.12
    count = (20, 8)
    rows = ((y - 0.945) / CELL).astype(int)
    columns = ((x + 0.04) / CELL).astype(int)
    inside = ahead & (y > 0.945) & (x > -0.04) & (rows < count[1]) & (columns < count[0])
    seen = np.zeros(count, bool)
    seen[columns[inside], rows[inside]] = True
    return float(seen.mean())


@pytest.mark.parametrize("style", thinned(FRINGED))
def test_a_fuller_fringe_covers_more_of_the_forehead(style):
    shares = [_forehead_covered(_hair(style, hair_fringe=v)) for v in (0.0, 0.3, 0.6, 1.0)]
    assert (np.diff(shares) > -0.02).all()
    assert shares[0] < 0.35 and shares[-1] > 0.8


@pytest.mark.parametrize("style", thinned(FRINGED))
@pytest.mark.parametrize("fringe", [0.4, 1.0])
def test_fringes_end_above_the_eyes(style, fringe):
    v, shape = _hair(style, hair_fringe=fringe, hair_curl=0.9).vertices, _shape()
    for side in ("l", "r"):
        eye = shape.group(f"helper-{side}-eye")
        low, high = eye.min(0), eye.max(0)
        before = (v[:, 2] > high[2] - 0.01) & (v[:, 0] > low[0]) & (v[:, 0] < high[0])
        assert not (before & (v[:, 1] > low[1]) & (v[:, 1] < high[1])).any()


def test_no_fringe_changes_nothing():
    parameters = AvatarParameters(hair_style="long_straight")
    patch = sow(parameters, _shape(), 300, seed=1)
    plan = hanging(patch, parameters, hem=0.7, wave=0.0)
    before = patch.rng.bit_generator.state
    assert cut_fringe(plan, patch, parameters, 0.0) is plan
    assert patch.rng.bit_generator.state == before


@pytest.mark.slow
def test_other_styles_have_no_fringe():
    for style in sorted(set(DISCRETE["hair_style"]) - set(FRINGED) - {"bald"}):
        plain, asked = _hair(style), _hair(style, hair_fringe=1.0)
        assert plain.vertices.tobytes() == asked.vertices.tobytes(), style


@pytest.mark.parametrize("line", [0.1, 0.5, 0.9])
def test_horseshoe_leaves_the_crown_bare(line):
    parameters = AvatarParameters(hair_style="horseshoe", hair_line=line, hair_melanin=1.0)
    part, shape = make_hair(parameters, _shape()), _shape()
    assert part is not None
    top = shape.skin[:, 1].max()
    assert part.vertices[:, 1].max() < top - 0.02
    assert np.abs(part.vertices[:, 0]).max() > 0.075
    assert part.vertices[:, 2].min() < CENTRE[2] - 0.08
    size = 256
    albedo = np.full((size, size, 3), 200, np.uint8)
    painted = paint_scalp(albedo, parameters, shape)
    texel = np.clip((shape.uv * [1, -1] + [0, 1]) * size, 0, size - 1).astype(int)
    colour = painted[texel[:, 1], texel[:, 0]]
    azimuth, elevation = chart(shape.skin)
    crown = (shape.skin[:, 1] > 0.95) & (elevation > 55.0)
    side = (np.abs(np.abs(azimuth) - 100.0) < 15.0) & (np.abs(elevation - 12.0) < 6.0)
    assert crown.sum() > 20 and (colour[crown] == 200).all()
    assert colour[side].mean() < 120


def test_receding_hair_thins_on_top_and_at_the_temples():
    few, many = (_hair("receding", hair_line=v) for v in (0.0, 1.0))
    azimuth, elevation = chart(_field().canonical(few.vertices.astype(np.float64)))
    later = chart(_field().canonical(many.vertices.astype(np.float64)))
    top = [(e > 50.0).sum() for e in (elevation, later[1])]
    assert top[1] < 0.6 * top[0]
    temple = [((np.abs(a) < 45.0) & (e < 50.0)).sum() for a, e in ((azimuth, elevation), later)]
    assert temple[1] < 0.2 * temple[0]


def test_density_is_a_fraction_and_full_elsewhere():
    azimuth, elevation = np.meshgrid(np.linspace(-180, 180, 73), np.linspace(-60, 90, 51))
    for style in ("receding", "horseshoe"):
        for line in (0.0, 1.0):
            share = density(azimuth, elevation, AvatarParameters(hair_style=style, hair_line=line))
            assert share.min() >= 0.0 and share.max() <= 1.0
    assert (density(azimuth, elevation, AvatarParameters(hair_style="short")) == 1.0).all()


def test_over_face_finds_strands_on_the_cheek():
    shape, field = _shape(), _field()
    cheek = shape.skin[np.argmin(np.abs(shape.skin - [0.045, 0.86, 0.14]).sum(1))]
    behind = shape.skin[np.argmin(shape.skin[:, 2] + 10 * np.abs(shape.skin[:, 1] - 0.93))]
    strands = np.stack([np.tile(p, (5, 1)) for p in (cheek, behind)])
    assert over_face(strands.astype(np.float64), field).tolist() == [True, False]


@pytest.mark.parametrize(
    "style", thinned(["layered_bob", "wavy_medium", "curly_medium", "curly_long"])
)
def test_layers_stand_off_the_head_more_with_volume(style):
    flat, full = (
        _field()(_hair(style, hair_volume=v).vertices.astype(np.float64))[0] for v in (0.0, 1.0)
    )
    assert full.mean() > flat.mean() + 0.004


def test_cuts_are_sampled_for_whom_they_suit():
    people = [sample_parameters(seed) for seed in range(300)]
    men = {p.hair_style for p in people if p.sex < 0.5}
    women = {p.hair_style for p in people if p.sex > 0.5}
    assert {"receding", "horseshoe", "side_swept"} <= men
    assert {"layered_bob", "pixie", "wavy_medium"} <= women
    assert not women & {"receding", "horseshoe", "bald"}
    assert all(p.hair_fringe == 0.0 for p in people if p.hair_style not in FRINGED)
    assert 0.1 < np.mean([p.hair_fringe > 0 for p in people if p.sex > 0.5]) < 0.5


def test_hair_has_random_numbers_of_its_own(monkeypatch):
    before = [sample_parameters(seed).to_dict() for seed in range(40)]

    def other(rng, look, **given):
        rng.random(5)
        return sample_hair(rng, look, **given)

    monkeypatch.setattr(sample, "sample_hair", other)
    after = [sample_parameters(seed).to_dict() for seed in range(40)]
    assert [p["hair_style"] for p in before] != [p["hair_style"] for p in after]
    follows = ("beard_grey", "stubble", "hat_style")
    for old, new in zip(before, after, strict=True):
        kept = [k for k in old if not k.startswith("hair_") and k not in follows]
        assert {k: old[k] for k in kept} == {k: new[k] for k in kept}
