from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import trimesh
from PIL import Image
from synthetic_bust import synthetic_bust

from portraiture.errors import OutputError
from portraiture.export.ply import sample_color, visible_faces, write_obj, write_ply
from portraiture.types import Bust, Material

RISE = np.array([0.0, 0.81, 0.0])
"""Soles to the ground: the ankles of the synthetic skeleton are at -0.73."""


@pytest.fixture(scope="module")
def bust() -> Bust:
    return synthetic_bust()


def test_color_at_a_texel_centre_is_that_texel():
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (5, 7, 4)).astype(np.uint8)
    rows, columns = np.mgrid[0:5, 0:7]
    uv = np.stack([(columns + 0.5) / 7, 1 - (rows + 0.5) / 5], axis=2).reshape(-1, 2)
    got = sample_color(Material("plain", image), uv.astype(np.float64))
    np.testing.assert_array_equal(got, image.reshape(-1, 4))


def test_color_between_texels_and_beyond_the_border():
    image = np.zeros((2, 2, 4), np.uint8)
    image[0, 0] = 200
    material = Material("plain", image)
    middle = sample_color(material, np.array([[0.5, 0.5]]))
    np.testing.assert_array_equal(middle, [[50, 50, 50, 50]])
    around = sample_color(material, np.array([[1.25, -0.25]]))
    np.testing.assert_array_equal(around, sample_color(material, np.array([[0.25, 0.75]])))


def test_ply_is_read_back(bust: Bust, tmp_path):
    write_ply(bust, tmp_path / "a.ply")
    mesh = trimesh.load(tmp_path / "a.ply", process=False)
    vertices = np.concatenate([part.vertices for part in bust.parts]) + RISE
    np.testing.assert_allclose(mesh.vertices, vertices, atol=1e-5)
    colors = np.concatenate([sample_color(p.material, p.uv) for p in bust.parts])
    raw = mesh.metadata["_ply_raw"]["vertex"]["data"]
    read = np.stack([raw[name].reshape(-1) for name in ("red", "green", "blue", "alpha")], axis=1)
    np.testing.assert_array_equal(read, colors)
    seen = [p.faces[visible_faces(p)] for p in bust.parts]
    starts = np.cumsum([0, *(len(p.vertices) for p in bust.parts)])
    faces = np.concatenate([f + s for f, s in zip(seen, starts, strict=False)])
    np.testing.assert_array_equal(mesh.faces, faces)


def test_only_wholly_transparent_masked_triangles_vanish(bust: Bust):
    hair = bust.part("hair")
    image = hair.material.base_color.copy()
    image[..., 3] = 0
    gone = dataclasses.replace(hair, material=dataclasses.replace(hair.material, base_color=image))
    assert not visible_faces(gone).any()
    image = image.copy()
    image[: len(image) // 2, :, 3] = 255
    half = dataclasses.replace(hair, material=dataclasses.replace(hair.material, base_color=image))
    upper = hair.uv[hair.faces][..., 1].min(1) > 0.5
    lower = hair.uv[hair.faces][..., 1].max(1) < 0.49
    assert visible_faces(half)[upper].all()
    assert not visible_faces(half)[lower].any()
    assert visible_faces(bust.part("skin")).all()


def test_obj_is_read_back_with_its_textures(bust: Bust, tmp_path):
    write_obj(bust, tmp_path / "head.obj")
    names = {path.name for path in tmp_path.iterdir()}
    pictures = {f"head_{part.name}.png" for part in bust.parts}
    assert names == {"head.obj", "head.mtl", *pictures}
    text = (tmp_path / "head.obj").read_text().splitlines()
    position = np.array([line.split()[1:] for line in text if line.startswith("v ")], float)
    vertices = np.concatenate([part.vertices for part in bust.parts]) + RISE
    np.testing.assert_allclose(position, vertices, atol=1e-6)
    corners = np.array(
        [[word.split("/") for word in line.split()[1:]] for line in text if line[:2] == "f "], int
    )
    assert (corners == corners[..., :1]).all()
    starts = np.cumsum([0, *(len(p.vertices) for p in bust.parts)])
    faces = np.concatenate([p.faces + s for p, s in zip(bust.parts, starts, strict=False)])
    np.testing.assert_array_equal(corners[..., 0] - 1, faces)
    with Image.open(tmp_path / "head_hair.png") as image:
        np.testing.assert_array_equal(np.array(image), bust.part("hair").material.base_color)
    library = (tmp_path / "head.mtl").read_text()
    assert all(f"map_Kd {picture}" in library for picture in pictures)


def test_same_bytes_and_no_half_files(bust: Bust, tmp_path):
    write_ply(bust, tmp_path / "a.ply")
    write_ply(bust, tmp_path / "b.ply")
    assert (tmp_path / "a.ply").read_bytes() == (tmp_path / "b.ply").read_bytes()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError):
        write_obj(bust, tmp_path / "file" / "head.obj")
    assert {p.name for p in tmp_path.iterdir()} == {"a.ply", "b.ply", "file"}
