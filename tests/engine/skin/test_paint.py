"""Skin colour, layout, relief and labels."""

from dataclasses import replace

import numpy as np
import pytest
from from_python import from_python

from portraiture.engine.head import load_head
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import shape_head
from portraiture.engine.skin.detail import (
    cell_spots,
    hash_unit,
    noise,
    relief_normals,
    texel_sizes,
)
from portraiture.engine.skin.layout import MASKS, anatomy, learned_layout
from portraiture.engine.skin.paint import face_seed, make_skin, paint_skin
from portraiture.engine.skin.tone import (
    _spectrum_to_rgb,
    blood_fraction,
    encode_srgb,
    melanin_fraction,
    spectral_albedo,
    tone_table,
)
from portraiture.types import Segment

SIZE = 256


@pytest.fixture(scope="module")
def shape():
    return shape_head(AvatarParameters())


def _mask(shape, name):
    return anatomy(shape.model, SIZE).masks[..., MASKS.index(name)] / 255.0


def test_pigments_absorb_where_they_should():
    base = spectral_albedo(np.array(0.02), np.array(0.01))
    darker = spectral_albedo(np.array(0.20), np.array(0.01))
    redder = spectral_albedo(np.array(0.02), np.array(0.06))
    assert np.all((base > 0) & (base < 1)) and np.all(darker < base) and np.all(redder < base)
    green, red = 14, 25
    assert redder[green] / base[green] < 0.75 * redder[red] / base[red]
    assert darker[2] / base[2] < darker[red] / base[red]


def test_skin_spans_pale_to_dark_and_stays_skin_coloured():
    def rgb(melanin: float, undertone: float) -> np.ndarray:
        table = tone_table(undertone)
        n = len(table) - 1
        return encode_srgb(table[round(melanin * n), round(0.26 * n)])

    for melanin in np.linspace(0, 1, 6):
        red, green, blue = rgb(float(melanin), 0.5)
        assert red > green > blue
    pale, dark = rgb(0.05, 0.5) * 255, rgb(0.95, 0.5) * 255
    assert 205 < pale[0] < 245 and 50 < dark[0] < 100
    warm, cool = rgb(0.3, 1.0), rgb(0.3, 0.0)
    assert warm[2] / warm[0] < cool[2] / cool[0]


def test_tone_table_is_the_formula():
    table = tone_table(0.5)
    n = len(table) - 1
    spectrum = spectral_albedo(melanin_fraction(12 / n), blood_fraction(20 / n), warmth=0.5)
    assert np.allclose(table[12, 20], spectrum @ _spectrum_to_rgb(), atol=1e-6)
    assert melanin_fraction(0.0) < melanin_fraction(1.0) and blood_fraction(0.0) < 0.01


def test_noise_is_smooth_bounded_and_centred():
    rng = np.random.default_rng(0)
    points = rng.uniform(-50, 50, (3000, 3))
    at = from_python(noise)
    values = np.array([at(p[0], p[1], p[2], 7) for p in points])
    assert np.abs(values).max() <= 1.3 and abs(values.mean()) < 0.03
    step = np.array([at(p[0] + 1e-4, p[1], p[2], 7) for p in points])
    assert np.abs(step - values).max() < 1e-3
    unit = from_python(hash_unit)
    units = np.array([unit(i, -3 * i, 5, 1) for i in range(4000)])
    assert units.min() >= 0.0 and units.max() < 1.0 and abs(units.mean() - 0.5) < 0.02


def test_spots_are_as_frequent_as_asked():
    rng = np.random.default_rng(1)
    points = rng.uniform(-30, 30, (4000, 3))
    spots = from_python(cell_spots)
    cover = [
        np.mean([spots(p[0], p[1], p[2], share, 0.2, 0.4, 3) > 0.2 for p in points])
        for share in (0.0, 0.3, 0.9)
    ]
    assert cover[0] == 0.0 < cover[1] < cover[2]


def test_relief_normals_of_a_tilted_plane():
    y, x = np.mgrid[0:16, 0:16].astype(np.float32)
    sizes = np.full((16, 16, 2), 0.5, np.float32)
    normal = relief_normals(0.1 * x - 0.2 * y, sizes)[8, 8] / 127.5 - 1.0
    expected = np.array([-0.2, -0.4, 1.0]) / np.sqrt(1 + 0.04 + 0.16)
    assert np.allclose(normal, expected, atol=0.012)
    flat = relief_normals(np.zeros((4, 4), np.float32), sizes[:4, :4])
    assert np.all(np.abs(flat.astype(int) - [128, 128, 255]) <= 1)


def test_texel_sizes_of_a_known_map():
    y, x = np.mgrid[0:8, 0:8].astype(np.float64)
    sizes = texel_sizes(np.stack([0.3 * x, 0.7 * y, 0 * x], axis=2))
    assert np.allclose(sizes, [0.3, 0.7])


def test_layout_is_symmetric_and_redder_on_the_nose_than_on_the_forehead(shape):
    layout = learned_layout(SIZE)
    assert layout.shape == (3, SIZE, SIZE, 3) and np.isfinite(layout).all()
    x, y, z = np.moveaxis(anatomy(shape.model, SIZE).position, -1, 0)
    nose, forehead = _mask(shape, "nose") > 0.7, (np.abs(x) < 12.0) & (np.abs(y - 42.0) < 7.0)
    forehead &= z > 0.0
    assert layout[0, ..., 1][nose].mean() > layout[0, ..., 1][forehead].mean() + 0.04
    assert np.abs(layout - layout[:, :, ::-1]).max() < 0.02


def test_painting_repeats_bit_for_bit(shape):
    parameters = AvatarParameters(skin_freckles=0.6, stubble=0.5, age=0.8)
    first, second = (paint_skin(parameters, shape, size=SIZE) for _ in range(2))
    assert np.array_equal(first.albedo, second.albedo)
    assert np.array_equal(first.normal, second.normal)
    assert np.array_equal(first.roughness, second.roughness)


def test_dials_change_what_they_name(shape):
    base = AvatarParameters(skin_melanin=0.2, sex=0.0)

    def painted(**changes):
        return paint_skin(replace(base, **changes), shape, size=SIZE).albedo.astype(float)

    plain = painted()
    lips, beard, cheek = (_mask(shape, n) > 0.8 for n in ("lips", "beard", "cheek"))
    assert plain[lips, 1].mean() < plain[cheek, 1].mean() - 20
    stubbly = painted(stubble=1.0)
    assert stubbly[beard].mean() < plain[beard].mean() - 15
    assert np.abs(stubbly - plain)[cheek & (_mask(shape, "beard") < 0.01)].max() == 0
    assert (painted(skin_freckles=1.0) - plain)[cheek, 1].std() > 4.0
    flushed = painted(cheek_blush=1.0)[cheek] - plain[cheek]
    assert flushed[:, 1].mean() < -4 and flushed[:, 0].mean() > flushed[:, 1].mean()
    assert painted(skin_melanin=0.9).mean() < 0.6 * plain.mean()


def test_wrinkles_deepen_with_age(shape):
    inside = _mask(shape, "freckles") > 0.3

    def tilt(age):
        normal = paint_skin(AvatarParameters(age=age, skin_wrinkles=0.7), shape, size=SIZE).normal
        return np.abs(normal[inside, :2].astype(float) - 127.5).mean()

    assert tilt(0.95) > 1.3 * tilt(0.5)


def test_face_seed_depends_on_the_face_only():
    base = AvatarParameters()
    assert face_seed(base) == face_seed(replace(base, skin_melanin=0.9, stubble=1.0))
    assert face_seed(base) != face_seed(base.with_shape(nose_hump=0.7))


def test_skin_part_carries_the_actions(shape):
    textures = paint_skin(AvatarParameters(), shape, size=64)
    part = make_skin(AvatarParameters(), shape, textures)
    assert part.name == "skin" and part.material.base_color.shape == (64, 64, 4)
    assert len(part.morphs) >= 50
    assert np.allclose(part.weights.sum(1), 1.0, atol=1e-5)


def test_labels_are_balanced_and_symmetric():
    arrays = load_head().arrays
    labels, faces = arrays["skin_segment"], arrays["skin_faces"]
    points = arrays["template"][arrays["skin_vertex"]]
    count = {s: int((labels == s).sum()) for s in Segment}
    assert 0.7 < count[Segment.UPPER_LIP] / count[Segment.LOWER_LIP] < 1.4
    assert count[Segment.LEFT_EAR] == pytest.approx(count[Segment.RIGHT_EAR], rel=0.03)
    assert count[Segment.NOSE] > 300 and count[Segment.NECK] > 500
    middle = points[faces].mean(1)
    upper, lower = (middle[labels == s] for s in (Segment.UPPER_LIP, Segment.LOWER_LIP))
    assert upper[:, 1].mean() > lower[:, 1].mean() + 0.003
    assert middle[labels == Segment.LEFT_EYE][:, 0].max() < 0
    chin = (middle[:, 2] > 0.13) & (middle[:, 1] > 0.625)
    assert not np.any(labels[chin] == Segment.NECK)


def test_the_neutral_mouth_is_closed():
    shape = shape_head(AvatarParameters())
    labels = shape.model.arrays["skin_segment"]
    for x in (-0.015, 0.0, 0.015):
        edges = []
        for label, pick in ((Segment.UPPER_LIP, np.min), (Segment.LOWER_LIP, np.max)):
            lip = shape.skin[shape.faces[labels == label]].reshape(-1, 3)
            edges.append(pick(lip[np.abs(lip[:, 0] - x) < 0.003, 1]))
        assert edges[0] < edges[1] + 2e-4
