from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from thinned import thinned
from wear_cases import CASES, covered, shape_of, signed_distance

from portraiture.engine.head import load_head
from portraiture.engine.parameters import DISCRETE
from portraiture.engine.wear import neckline, pattern
from portraiture.engine.wear.clothes import make_clothes
from portraiture.engine.wear.fabric import height_normals
from portraiture.types import Part, Segment

KINDS = tuple(kind for kind in DISCRETE["neckline"] if kind != "bare")


def canonical_skin():
    model = load_head()
    return model.arrays["template"][model.arrays["skin_vertex"]]


def worn(case: int, kind: str, **changes: float) -> tuple[Part, ...]:
    return make_clothes(replace(CASES[case], neckline=kind, **changes), shape_of(case))


def mesh_of(parts: tuple[Part, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Vertices and triangles of several parts together."""
    starts = np.cumsum([0] + [len(part.vertices) for part in parts])
    faces = [part.faces + start for part, start in zip(parts, starts[:-1], strict=True)]
    return np.concatenate([part.vertices for part in parts]), np.concatenate(faces)


def test_bare_shoulders_have_no_parts():
    assert worn(0, "bare") == ()


@pytest.mark.parametrize("case", thinned(range(len(CASES)), len(CASES)))
@pytest.mark.parametrize("kind", KINDS)
def test_no_skin_shows_below_the_neckline(kind, case):
    shape = shape_of(case)
    vertices, faces = mesh_of(worn(case, kind))
    assert len(faces) <= 18500
    skin = canonical_skin()
    level = neckline.neckline(shape.model, kind).level(skin)
    # Far from the neck, the edge of the cloth moves over the skin with the build of the body.
    margin = 0.02 if kind == "dress" else 0.012
    below = np.flatnonzero((level > margin) & (skin[:, 1] > 0.38) & (skin[:, 1] < 0.6))
    rng = np.random.default_rng(case)
    some = rng.choice(below, 90, replace=False)
    normals = shape.normals[some].astype(float)
    points = shape.skin[some] + 5e-4 * normals
    open_to_view = ~covered(points, normals, vertices, faces)
    # In the armpit a ray can leave through the gap between arm and chest; there depth decides.
    depth = signed_distance(shape.skin[some[open_to_view]], vertices, faces)
    assert (depth < 0.0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_bust_ends_are_covered(kind):
    for case in (0, 1):
        shape = shape_of(case)
        vertices, _ = mesh_of(worn(case, kind))
        assert vertices[:, 1].min() < shape.skin[:, 1].min()
        assert np.abs(vertices[:, 0]).max() > np.abs(shape.skin[:, 0]).max()


@pytest.mark.parametrize("kind", thinned(KINDS))
def test_the_face_is_free_and_arrays_are_valid(kind):
    shape = shape_of(1)
    lips = shape.skin[shape.faces[shape.model.arrays["skin_segment"] == Segment.LOWER_LIP]]
    for part in worn(1, kind):
        assert part.vertices[:, 1].max() < lips[..., 1].min() - 0.005
        assert (part.segment == Segment.CLOTH).all() and part.material.kind == "cloth"
        np.testing.assert_allclose(part.weights.sum(1), 1.0, atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(part.normals, axis=1), 1.0, atol=1e-4)
        assert part.faces.min() >= 0 and part.faces.max() < len(part.vertices)
        assert part.uv[:, 1].min() >= 0.0 and part.uv[:, 1].max() <= 1.0
        assert part.material.base_color.shape[:2] == (512, 512)


@pytest.mark.parametrize("kind", thinned(KINDS))
def test_no_triangle_is_degenerate(kind):
    for case in range(len(CASES)):
        vertices, faces = mesh_of(worn(case, kind))
        corners = vertices[faces].astype(np.float64)
        across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        assert np.linalg.norm(across, axis=1).min() > 0.9e-9


def test_deeper_necklines_show_more():
    model = load_head()
    front = np.array([[0.0, 0.53, 0.095]])
    assert neckline.neckline(model, "crew").level(front)[0] > 0
    assert neckline.neckline(model, "v_neck").level(front)[0] < 0
    assert neckline.neckline(model, "v_neck").level(front * [1, 0.85, 1])[0] > 0
    with pytest.raises(ValueError, match="bare"):
        neckline.neckline(model, "bare")


def test_triangles_face_outward():
    for kind in KINDS:
        for part in worn(0, kind):
            corners = part.vertices[part.faces]
            across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
            agree = (across * part.normals[part.faces].mean(1)).sum(1)
            assert (agree > -1e-12).mean() > 0.97, (kind, part.name)


def test_same_parameters_same_bits_and_colour():
    (first,), (second,) = worn(0, "crew"), worn(0, "crew")
    np.testing.assert_array_equal(first.vertices, second.vertices)
    (dark,) = worn(0, "crew", cloth_red=0.0, cloth_green=0.0, cloth_blue=0.0)
    assert dark.material.base_color[:300, :, :3].mean() < 30


def test_regions_have_their_own_colours():
    red, green, blue = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
    names = ("cloth", "shirt", "tie")
    changes = {
        f"{name}_{channel}": value
        for name, colour in zip(names, (red, green, blue), strict=True)
        for channel, value in zip(("red", "green", "blue"), colour, strict=True)
    }
    parts = {part.name: part for part in worn(0, "suit_tie", **changes)}
    assert set(parts) == {"clothes", "shirt", "tie"}
    for name, channel in (("clothes", 0), ("shirt", 1), ("tie", 2)):
        mean = parts[name].material.base_color[:300, :, :3].reshape(-1, 3).mean(0)
        assert mean.argmax() == channel and mean[channel] > 200 and np.sort(mean)[1] < 40
    for kind, expected in (("suit_open", {"clothes", "shirt"}), ("shirt", {"clothes"})):
        assert {part.name for part in worn(0, kind)} == expected
    assert {part.name for part in worn(0, "blouse_jacket")} == {"clothes", "shirt"}


@pytest.mark.parametrize("case", range(len(CASES)))
def test_the_tie_lies_on_the_shirt_under_the_jacket(case):
    """The tie is in front of the shirt; behind, only the shirt's collar rises over the jacket's."""
    jacket, shirt, tie = worn(case, "suit_tie")
    assert (signed_distance(tie.vertices[::40], shirt.vertices, shirt.faces) > -0.008).all()
    back = shirt.vertices[shirt.vertices[:, 2] < 0.0]
    assert len(back) and back[:, 1].min() > jacket.vertices[:, 1].max() - 0.06
    middle = np.abs(tie.vertices[:, 0]) < 0.01
    front = shirt.vertices[np.abs(shirt.vertices[:, 0]) < 0.01]
    for y in np.quantile(tie.vertices[middle, 1], (0.1, 0.4, 0.7)):
        near_tie = tie.vertices[middle & (np.abs(tie.vertices[:, 1] - y) < 0.01)]
        near_shirt = front[np.abs(front[:, 1] - y) < 0.01]
        assert near_tie[:, 2].max() > near_shirt[:, 2].max()


def test_catmull_clark_keeps_constants_and_planes():
    quads = np.array([[0, 1, 4, 3], [1, 2, 5, 4], [3, 4, 7, 6], [4, 5, 8, 7]])
    grid = np.array([[x, y, 0.0] for y in range(3) for x in range(3)], float)
    weights, fine = pattern.catmull_clark(quads, 9)
    np.testing.assert_allclose(np.asarray(weights.sum(1)).ravel(), 1.0, atol=1e-12)
    points = weights @ grid
    assert np.abs(points[:, 2]).max() == 0.0
    np.testing.assert_allclose(points[4], [1.0, 1.0, 0.0], atol=1e-12)
    assert len(fine) == 16
    corners = points[fine]
    area = np.cross(corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 0])[:, 2]
    assert (area > 0).all()


def test_catmull_clark_of_a_cube_has_the_published_corner():
    """Corners of a unit cube move to (F + 2R + (n - 3) P) / n with n = 3: 5/18 towards 0.5."""
    points = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
    quads = np.array(
        [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
    )
    weights, _ = pattern.catmull_clark(quads, 8)
    np.testing.assert_allclose((weights @ points)[0], np.full(3, 2.0 / 9.0), atol=1e-12)


def test_cut_keeps_the_area_inside_the_level():
    hull = pattern.body_hull(load_head())
    whole = pattern.Cut(pattern.diagonal(np.ones(len(hull.points))), hull.faces)

    def area(cut):
        corners = (cut.rows @ hull.points)[cut.faces]
        cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        return 0.5 * np.linalg.norm(cross, axis=1).sum()

    level = hull.points[:, 1] - 0.47
    above, below = pattern.cut(whole, level), pattern.cut(whole, -level)
    assert (above.rows @ hull.points)[:, 1].min() == pytest.approx(0.47, abs=1e-9)
    assert area(above) + area(below) == pytest.approx(area(whole), rel=1e-9)


def test_ring_lies_on_its_level():
    hull = pattern.body_hull(load_head())
    line = neckline.neckline(load_head(), "crew")
    rows = pattern.ring(hull, line.level(hull.points), neckline.angle_of(hull.points), line.samples)
    points = rows @ hull.points
    assert np.abs(line.level(points)).max() < 0.002
    np.testing.assert_allclose(
        neckline.angle_of(points)[20:100:20], line.samples[20:100:20], atol=0.03
    )


def test_height_normals_of_a_slope():
    height = np.tile(np.sin(2 * np.pi * np.arange(64) / 64) * 10.0, (64, 1))
    normal = height_normals(height, 1.0)[0, 0] / 255.0 * 2.0 - 1.0
    slope = 10.0 * np.sin(2 * np.pi / 64)
    expected = np.array([-slope, 0.0, 1.0]) / np.hypot(slope, 1.0)
    np.testing.assert_allclose(normal, expected, atol=0.01)
