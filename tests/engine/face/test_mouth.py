"""Teeth and tongue."""

import numpy as np
import pytest

from portraiture.engine.face.mouth import LOWER, UPPER, _arch, _tooth, jaw_mesh, make_mouth
from portraiture.engine.landmarks import landmark_positions
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.sample import sample_parameters
from portraiture.engine.sample_expression import portrait_expression
from portraiture.engine.shape import shape_head
from portraiture.types import Segment


@pytest.fixture(scope="module")
def shape():
    return shape_head(AvatarParameters())


@pytest.fixture(scope="module")
def parts(shape):
    return {part.name: part for part in make_mouth(AvatarParameters(), shape)}


def _volume(vertices, faces):
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return (a * np.cross(b, c)).sum() / 6.0


@pytest.mark.parametrize("jaw", [UPPER, LOWER])
def test_crowns_enclose_the_volume_of_a_tooth(shape, jaw):
    arch = _arch(shape.model, jaw)
    for kind in range(len(jaw.widths)):
        middle = sum(jaw.widths[:kind]) + jaw.widths[kind] / 2
        vertices, faces, uv = _tooth(jaw, arch, 1.0, middle, kind)
        centred = vertices - vertices[:10].mean(0)
        box = jaw.widths[kind] * jaw.heights[kind] * jaw.depths[kind]
        assert 0.25 * box < _volume(centred, faces) < 1.1 * box
        assert uv.min() >= 0.0 and uv.max() <= 1.0


@pytest.mark.parametrize("jaw", [UPPER, LOWER])
def test_jaws_are_symmetric(shape, jaw):
    vertices, _, _ = jaw_mesh(shape.model, jaw)
    mirrored = vertices * [-1.0, 1.0, 1.0]
    order = [np.lexsort(np.round(v * 1e6).T) for v in (vertices, mirrored)]
    assert np.allclose(vertices[order[0]], mirrored[order[1]], atol=2e-5)


def test_teeth_stand_behind_the_lips(shape, parts):
    lips = np.isin(shape.model.arrays["skin_segment"], [Segment.UPPER_LIP, Segment.LOWER_LIP])
    front = shape.skin[shape.faces[lips]].reshape(-1, 3)
    teeth = parts["teeth"].vertices
    for x in np.linspace(-0.018, 0.018, 7):
        lip = front[np.abs(front[:, 0] - x) < 0.004, 2].max()
        tooth = teeth[np.abs(teeth[:, 0] - x) < 0.004, 2].max()
        assert tooth < lip - 0.002


def test_upper_teeth_fill_a_smile():
    """The incisors reach over more than half of the opening, and close behind the lips."""
    for seed in range(4):
        shape = shape_head(sample_parameters(seed))
        smile = portrait_expression(seed, mood="teeth")
        lips = landmark_positions(shape.expressed(smile), shape.model)[[13, 14]]
        upper = make_mouth(AvatarParameters(), shape)[0].vertices[
            : len(jaw_mesh(shape.model, UPPER)[0])
        ]
        middle = upper[np.abs(upper[:, 0]) < 0.005]
        shown = lips[0, 1] - middle[:, 1].min()
        assert 0.55 < shown / (lips[0, 1] - lips[1, 1]) < 1.3
        assert 0.001 < lips[0, 2] - middle[:, 2].max() < 0.009


def test_only_the_lower_row_follows_the_jaw(shape, parts):
    upper = len(jaw_mesh(shape.model, UPPER)[0])
    for name in ("jawOpen", "jawForward", "jawLeft", "jawRight"):
        assert parts["teeth"].morphs[name].indices.min() >= upper
    assert parts["teeth"].morphs["jawOpen"].deltas[:, 1].max() < -0.003
    assert np.allclose(parts["teeth"].morphs["jawForward"].deltas[:, 2], 0.0083, atol=5e-4)


def test_the_tongue_comes_out(shape, parts):
    tongue = parts["tongue"]
    morph = tongue.morphs["tongueOut"]
    moved = tongue.vertices.copy()
    moved[morph.indices] += morph.deltas
    lips = shape.skin[shape.model.arrays["skin_segment"].nonzero()[0][:1]]
    assert lips.size
    assert moved[:, 2].max() > tongue.vertices[:, 2].max() + 0.015
    assert "jawOpen" in tongue.morphs


def test_mouth_parts_are_whole(parts):
    assert set(parts) == {"teeth", "tongue"}
    for part in parts.values():
        assert set(part.segment) == {Segment.MOUTH}
        assert part.faces.max() < len(part.vertices)
        assert np.allclose(np.linalg.norm(part.normals, axis=1), 1.0, atol=1e-4)
        assert np.allclose(part.weights.sum(1), 1.0)
