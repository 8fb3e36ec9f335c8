"""Solid brows and beards and drawn lids: on the skin, over it, closed, and moving with it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import trimesh

from portraiture.engine.face.lid_line import make_lid_line
from portraiture.engine.face.solid_beard import make_solid_beard
from portraiture.engine.face.solid_brows import ACROSS, ALONG, make_solid_brows
from portraiture.engine.parameters import DISCRETE, AvatarParameters
from portraiture.engine.shape import HeadShape, shape_head
from portraiture.types import Material, Part, Segment

MATERIAL = Material("plain", np.full((4, 4, 4), 255, np.uint8))
BEARDS = [b for b in DISCRETE["beard_style"] if b not in ("none", "stubble")]


@cache
def _shape() -> HeadShape:
    return shape_head(AvatarParameters())


def _brows(**values: object) -> Part:
    person = AvatarParameters(**values)  # type: ignore[arg-type]
    return make_solid_brows(person, _shape(), MATERIAL, height=0.002)


def _over_skin(part: Part) -> np.ndarray:
    """Signed distance to the tangent plane of the nearest of all skin vertices in front."""
    skin, normals = _shape().skin, _shape().normals
    front = (normals[:, 2] > 0.3) & (skin[:, 1] > part.vertices[:, 1].min() - 0.003)
    skin, normals = skin[front], normals[front]
    out = np.empty(len(part.vertices))
    for k, point in enumerate(part.vertices):
        near = np.argmin(((point - skin) ** 2).sum(1))
        out[k] = (point - skin[near]) @ normals[near]
    return out


def _contains(part: Part, points: np.ndarray) -> np.ndarray:
    """Whether a closed mesh winds round each point (van Oosterom and Strackee 1983, equation 8)."""
    out = np.empty(len(points), bool)
    for k, point in enumerate(points):
        a, b, c = (part.vertices[part.faces[:, j]].astype(float) - point for j in range(3))
        la, lb, lc = (np.linalg.norm(v, axis=1) for v in (a, b, c))
        top = (a * np.cross(b, c)).sum(1)
        below = la * lb * lc + (a * b).sum(1) * lc + (b * c).sum(1) * la + (c * a).sum(1) * lb
        out[k] = 2.0 * np.arctan2(top, below).sum() > 2.0 * np.pi
    return out


@pytest.mark.parametrize("style", DISCRETE["brow_style"])
def test_brows_stand_on_the_ridge(style: str) -> None:
    part = _brows(brow_style=style)
    over = _over_skin(part).reshape(2, ALONG, ACROSS)
    assert 0.001 < over[:, 5:-5, ACROSS // 2].min() < over.max() < 0.0026
    assert over[:, :, [0, -1]].max() < 0.0004
    mirrored = part.vertices.reshape(2, -1, 3) * [[[-1, 1, 1]], [[1, 1, 1]]]
    np.testing.assert_allclose(mirrored[0], mirrored[1], atol=2e-4)
    assert (part.normals[:, 2] > 0.0).mean() > 0.8
    eyes = _shape().joints[_shape().model.joint_names.index("leftEye")]
    assert part.vertices[:, 1].min() > eyes[1] + 0.003


def test_brows_grow_with_their_parameter_and_move() -> None:
    thin, thick = _brows(brow_thickness=0.0), _brows(brow_thickness=1.0)
    height = [np.ptp(p.vertices.reshape(2, ALONG, ACROSS, 3)[0, 5, :, 1]) for p in (thin, thick)]
    assert height[1] > 1.5 * height[0]
    assert thin.morphs["browInnerUp"].deltas[:, 1].max() > 0.002
    assert set(np.unique(thin.segment)) == {Segment.LEFT_BROW, Segment.RIGHT_BROW}
    left = thin.vertices[thin.faces[thin.segment == Segment.LEFT_BROW]].mean((0, 1))
    assert left[0] < 0.0  # of the image, as in CelebA: the person's right


@pytest.mark.parametrize("style", BEARDS)
def test_beards_are_closed_and_leave_the_lips_free(style: str) -> None:
    person = AvatarParameters(sex=0.0, beard_style=style)  # type: ignore[arg-type]
    part = make_solid_beard(person, _shape(), MATERIAL)
    assert part is not None
    mesh = trimesh.Trimesh(part.vertices, part.faces, process=False)
    assert mesh.is_watertight and mesh.volume > 1e-6
    segment = _shape().model.arrays["skin_segment"]
    red = _shape().faces[np.isin(segment, (Segment.UPPER_LIP, Segment.LOWER_LIP))]
    middle = _shape().skin[red].mean(1) + 0.001 * _shape().normals[red].mean(1)
    assert _contains(part, middle).mean() < 0.15


def test_none_and_stubble_have_no_solid() -> None:
    for style in ("none", "stubble"):
        person = AvatarParameters(beard_style=style)  # type: ignore[arg-type]
        assert make_solid_beard(person, _shape(), MATERIAL) is None


def test_the_lid_line_is_one_run_from_the_root_and_thicker_outwards() -> None:
    person = AvatarParameters(sex=1.0)
    part = make_lid_line(person, _shape(), thickness=1.0)
    cover = part.material.base_color[..., 3] > 127
    upper, lower = np.split(cover, 2)
    for half in (upper, lower):
        assert (np.diff(half.astype(int), axis=0) <= 0).all()
    width = upper.sum(0)
    assert width[-60:-40].mean() > 1.5 * width[5:40].mean() > 0
    assert lower.sum() < 0.5 * upper.sum()
    assert "eyeBlinkLeft" in part.morphs
    thick = make_lid_line(person, _shape(), thickness=1.6).material.base_color[..., 3]
    assert (thick > 127).sum() > 1.4 * cover.sum()
