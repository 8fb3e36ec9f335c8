"""MakeHuman assets on the engine's heads: parsing, placing, cropping, and the CC0 pack."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shared_data import SHARED

from portraiture.engine.extent import BUST_ABOVE, DECIMETRE
from portraiture.engine.head import load_head
from portraiture.engine.packs.asset_part import place, recolor, rows_of_hm08, wear
from portraiture.engine.packs.assets import (
    find_assets,
    find_named,
    fit_asset,
    skin_albedo,
)
from portraiture.engine.packs.licence import licence_title
from portraiture.engine.packs.mhclo import HM08_VERTICES, inside, read_mhclo, read_mhmat, read_obj
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.sample import sample_parameters
from portraiture.engine.shape import shape_head
from portraiture.errors import AssetError

PACK = SHARED / "data/makehuman_cc0"
needs_pack = pytest.mark.skipif(not PACK.exists(), reason="the CC0 asset pack is not beside us")

MHCLO = """# Released as CC0.
basemesh hm08
tag Male
name square
obj_file square.obj
x_scale 5399 11998 1.48
y_scale 791 881 2.3298
z_scale 962 5320 1.9221
verts 0
{rows}
material square.mhmat
delete_verts
100 102 - 105 200
"""
OBJ = """v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
vt 0 0
vt 1 0
vt 1 1
vt 0 1
f 1/1 2/2 3/3 4/4
"""
ROWS = "881\n882\n7012 7013 7014 0.5 0.3 0.2 0.1 -0.2 0.3\n962"


@pytest.fixture
def square(tmp_path: Path) -> Path:
    folder = tmp_path / "pack/clothes/square"
    folder.mkdir(parents=True)
    (folder / "square.mhclo").write_text(MHCLO.format(rows=ROWS))
    (folder / "square.obj").write_text(OBJ)
    (folder / "square.mhmat").write_text("diffuseColor 1 0.5 0\ndiffuseTexture square.png\n")
    pixels = np.full((8, 8, 4), 200, np.uint8)
    Image.fromarray(pixels).save(folder / "square.png")
    return tmp_path / "pack"


@pytest.fixture(scope="module")
def shape():
    return shape_head(AvatarParameters(sex=0.2, age=0.6, african=0.8))


def test_a_vertex_is_a_weighted_sum_and_a_scaled_offset(square: Path, shape):
    garment = read_mhclo(square / "clothes/square/square.mhclo", square)
    points, known = place(garment, shape)
    assert known.all()
    row = {int(h): k for k, h in enumerate(shape.model.arrays["hm08_index"])}
    v = shape.vertices.astype(float)
    np.testing.assert_allclose(points[0], v[row[881]], atol=1e-7)
    expected = 0.5 * v[row[7012]] + 0.3 * v[row[7013]] + 0.2 * v[row[7014]]
    ends = {0: (5399, 11998, 1.48), 1: (791, 881, 2.3298), 2: (962, 5320, 1.9221)}
    for axis, offset in enumerate((0.1, -0.2, 0.3)):
        a, b, distance = ends[axis]
        scale = abs(v[row[a], axis] - v[row[b], axis]) / distance
        assert 0.05 < scale < 0.2  # metres a decimetre, on a head of any size
        expected[axis] += scale * offset
    np.testing.assert_allclose(points[2], expected, atol=1e-7)
    np.testing.assert_array_equal(garment.deleted, [100, 102, 103, 104, 105, 200])


def test_scales_follow_the_head(square: Path, shape):
    """A head twice the size wears everything twice the size."""
    garment = read_mhclo(square / "clothes/square/square.mhclo", square)
    once, _ = place(garment, shape)
    twice, _ = place(garment, shape.warped(lambda points: 2.0 * points))
    np.testing.assert_allclose(twice, 2.0 * once, atol=1e-6)


def test_a_part_is_complete(square: Path, shape):
    (asset,) = find_assets(square)
    assert (asset.name, asset.kind, asset.licence) == ("square", "clothes", "CC0 1.0")
    part = fit_asset(asset, shape)
    assert part.faces.shape == (2, 3) and len(part.vertices) == 4
    np.testing.assert_allclose(np.linalg.norm(part.normals, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(part.weights.sum(1), 1.0, atol=1e-6)
    assert part.joints.max() < len(shape.model.joint_names)
    assert part.material.kind == "cloth" and part.material.alpha_mode == "mask"
    assert (part.material.base_color == 200).all()


def test_morphs_are_the_displacement_of_the_refitted_garment(square: Path, shape):
    """Moving the head by an action and fitting again gives the same points as the morph."""
    folder = square / "eyebrows/square"
    folder.parent.mkdir()
    (square / "clothes/square").rename(folder)
    text = (folder / "square.mhclo").read_text()
    kept = [line for line in text.splitlines() if "scale" not in line]
    (folder / "square.mhclo").write_text("\n".join(kept))
    (asset,) = find_assets(square)
    assert asset.kind == "brows"
    part = fit_asset(asset, shape)
    name = "browInnerUp"
    moved = fit_asset(asset, shape.warped(lambda points: points, shape.action_deltas(name)))
    predicted = part.vertices.copy()
    if name in part.morphs:
        predicted[part.morphs[name].indices] += part.morphs[name].deltas
    np.testing.assert_allclose(predicted, moved.vertices, atol=3e-5)


def test_what_hangs_on_missing_vertices_is_dropped(square: Path, shape):
    missing = int(np.flatnonzero(rows_of_hm08(shape.model) < 0)[0])
    path = square / "clothes/square/square.mhclo"
    path.write_text(MHCLO.format(rows=ROWS.replace("962", str(missing))))
    garment = read_mhclo(path, square)
    worn = wear(garment, read_obj(garment.obj), shape)
    assert len(worn.faces) == 1 and not (worn.faces == 3).any()
    path.write_text(MHCLO.format(rows="\n".join([str(missing)] * 4)))
    with pytest.raises(AssetError, match="nothing to show"):
        fit_asset(find_assets(square)[0], shape)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("0.3\n962", f"0.3\n{HM08_VERTICES}"), "does not have"),
        (("882", "-4"), "does not have"),
        (("0.5", "nan"), "does not have"),
        (("881\n", "881 3\n"), "Line 10"),
        (("hm08", "alpha_7"), "Line 2"),
        (("1.48", "0"), "Line 6"),
        (("0.3\n962", "0.3\n962\n881"), "5 vertices"),
        (("square.obj", "../../../square.obj"), "outside"),
        (("square.obj", "/etc/passwd"), "not a path in the pack"),
        (("square.obj", "c:square.obj"), "not a path in the pack"),
        (("square.obj", "absent.obj"), "cannot be read"),
    ],
)
def test_damaged_files_are_refused_in_a_sentence(square: Path, shape, change, message):
    path = square / "clothes/square/square.mhclo"
    path.write_text(MHCLO.format(rows=ROWS).replace(*change, 1))
    with pytest.raises(AssetError, match=message) as caught:
        fit_asset(find_assets(square)[0], shape)
    assert "\n" not in str(caught.value)


def test_a_link_out_of_the_pack_is_not_followed(square: Path, tmp_path: Path, shape):
    secret = tmp_path / "secret.obj"
    secret.write_text(OBJ)
    mesh = square / "clothes/square/square.obj"
    mesh.unlink()
    mesh.symlink_to(secret)
    with pytest.raises(AssetError, match="outside"):
        fit_asset(find_assets(square)[0], shape)
    with pytest.raises(AssetError, match="not a path"):
        inside(square, square, "a\0b")


def test_obj_polygons_and_indices_from_the_end(tmp_path: Path):
    path = tmp_path / "a.obj"
    path.write_text("v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 0 2 0\nf -5 -4 -3 -2 -1\n")
    mesh = read_obj(path)
    np.testing.assert_array_equal(mesh.faces, [[0, 1, 2], [0, 2, 3], [0, 3, 4]])
    path.write_text("v 0 0 0\nf 1 2 3\n")
    with pytest.raises(AssetError, match="not there"):
        read_obj(path)


def test_a_missing_texture_gives_one_colour(square: Path, shape):
    (square / "clothes/square/square.png").unlink()
    file = read_mhmat(square / "clothes/square/square.mhmat", square)
    assert file.diffuse is None and file.color == (1.0, 0.5, 0.0)
    part = fit_asset(find_assets(square)[0], shape)
    assert (part.material.base_color == [255, 128, 0, 255]).all()


def test_recolouring_keeps_alpha_and_shades():
    texture = np.zeros((1, 3, 4), np.uint8)
    texture[0, :, :3] = [[60], [120], [240]]
    texture[0, :, 3] = [255, 255, 0]
    out = recolor(texture, np.array([0.4, 0.2, 0.1]))
    np.testing.assert_array_equal(out[..., 3], texture[..., 3])
    np.testing.assert_allclose(out[0, :2, :3].mean(0) / 255, [0.4, 0.2, 0.1], atol=0.01)
    np.testing.assert_allclose(out[0, 1, :3] / 2.0, out[0, 0, :3], atol=1.0)


def test_names_are_found_or_refused(square: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("PORTRAITURE_CACHE", str(tmp_path / "cache"))
    assert find_named("square", square).path.name == "square.mhclo"
    with pytest.raises(AssetError, match="not installed"):
        find_named("circle", square)
    with pytest.raises(AssetError, match="not a folder"):
        find_assets(tmp_path / "absent")


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Creative Commons Legal Code CC0 1.0 Universal", "CC0 1.0"),
        ("released under CC-BY-SA 4.0", "CC BY-SA"),
        ("CC BY 4.0", "CC BY"),
        ("GNU General Public License", "GPL"),
        ("all mine", "not stated"),
    ],
)
def test_licence_titles(text: str, title: str):
    assert licence_title(text) == title


@needs_pack
def test_the_pack_is_classified():
    kinds: dict[str, int] = {}
    for asset in find_assets(PACK):
        kinds[asset.kind] = kinds.get(asset.kind, 0) + 1
        assert asset.licence == "CC0 1.0"
    assert kinds == {
        "brows": 12,
        "clothes": 12,
        "eyes": 8,
        "hair": 10,
        "hat": 2,
        "lashes": 4,
        "skin": 11,
        "teeth": 6,
        "tongue": 1,
    }


@needs_pack
@pytest.mark.parametrize("kind", ["brows", "clothes", "hair", "hat", "lashes", "teeth", "tongue"])
def test_every_piece_fits_several_heads(kind: str):
    """In range of the head, whole, and on the bust."""
    first, *others = (shape_head(sample_parameters(seed)) for seed in (1, 2, 3))
    eye, lowest = first.group("helper-l-eye").mean(0), first.skin[:, 1].min()
    for asset in (a for a in find_assets(PACK) if a.kind == kind):
        part = fit_asset(asset, first)
        assert np.isfinite(part.vertices).all() and np.isfinite(part.uv).all()
        assert part.faces.max() == len(part.vertices) - 1
        height = part.vertices[:, 1]
        if kind in ("brows", "lashes"):
            assert np.abs(height - eye[1]).max() < 0.045 and part.morphs
        elif kind == "teeth":
            assert "jawOpen" in part.morphs
        elif kind == "clothes":
            assert lowest - 0.03 < height.min() < lowest + 0.01
        garment = read_mhclo(asset.path, PACK)
        mesh = read_obj(garment.obj)
        for shape in (first, *others):
            worn = wear(garment, mesh, shape)
            used = worn.vertices[np.unique(worn.faces)]
            assert np.abs(used[:, 0]).max() < 0.35
            assert used[:, 1].max() < shape.skin[:, 1].max() + 0.06


@needs_pack
@pytest.mark.parametrize("kind", ["eyes", "skin"])
def test_images_are_no_parts(kind: str):
    asset = next(a for a in find_assets(PACK) if a.kind == kind)
    with pytest.raises(AssetError, match="not a mesh"):
        fit_asset(asset, shape_head(AvatarParameters()))


@needs_pack
def test_placing_agrees_with_a_loop_over_the_file():
    shape = shape_head(sample_parameters(3))
    path = PACK / "hair/short04/short04.mhclo"
    row = {int(h): k for k, h in enumerate(shape.model.arrays["hm08_index"])}
    scale = np.zeros(3)
    expected = []
    for line in path.read_text().splitlines():
        words = line.split()
        if line[1:7] == "_scale":
            axis = "xyz".index(line[0])
            a, b = (shape.vertices[row[int(w)], axis] for w in words[1:3])
            scale[axis] = abs(a - b) / float(words[3])
        elif len(words) == 9:
            corners = [shape.vertices[row[int(w)]] for w in words[:3]]
            w0, w1, w2, *offset = map(float, words[3:])
            point = w0 * corners[0] + w1 * corners[1] + w2 * corners[2]
            expected.append(point + scale * np.array(offset))
    points, known = place(read_mhclo(path, PACK), shape)
    assert known.all()
    np.testing.assert_allclose(points, expected, atol=1e-6)


@needs_pack
def test_suits_are_cropped():
    model = load_head()
    suit = next(a for a in find_assets(PACK) if a.name == "male_elegantsuit01")
    garment = read_mhclo(suit.path, PACK)
    mesh = read_obj(garment.obj)
    worn = wear(garment, mesh, shape_head(AvatarParameters()))
    assert 1000 < len(worn.faces) < len(mesh.faces) // 2
    base = np.einsum("wk,wkc->wc", worn.weights, model.arrays["template"][worn.rows])
    used = np.unique(worn.faces)
    assert base[used, 1].min() > DECIMETRE * (BUST_ABOVE - 0.8)


@needs_pack
def test_skins_are_resampled():
    skin = next(a for a in find_assets(PACK) if a.name == "young_darkskinned_male_diffuse")
    albedo = skin_albedo(skin, load_head(), size=128)
    assert albedo.shape == (128, 128, 3) and albedo.dtype == np.uint8
    light = next(a for a in find_assets(PACK) if a.name == "young_lightskinned_male_diffuse")
    assert albedo.mean() + 25 < skin_albedo(light, load_head(), size=128).mean()
    with pytest.raises(AssetError, match="no skin texture"):
        skin_albedo(replace(skin, kind="hair"), load_head(), size=64)
