"""Textured surfaces as GLB and PLY, read back by other programs' code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh
from glb_reader import Glb
from PIL import Image

from portraiture.export.surface import surface_glb_bytes, write_surface_glb, write_surface_ply
from portraiture.meshing.bake_texture import TexturedMesh


@pytest.fixture
def mesh() -> TexturedMesh:
    """A square that faces +z, its texture red above and green below, bluer to the right."""
    side = 128
    texture = np.zeros((side, side, 3), np.uint8)
    texture[: side // 2, :, 0] = 200
    texture[side // 2 :, :, 1] = 200
    texture[:, :, 2] = np.linspace(0, 250, side)[None]
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    return TexturedMesh(
        vertices=np.column_stack([0.1 * corners, np.full(4, 0.02)]).astype(np.float32),
        faces=np.array([[0, 1, 2], [0, 2, 3]], np.int32),
        normals=np.tile(np.array([[0, 0, 1]], np.float32), (4, 1)),
        uv=corners,
        texture=texture,
        seen=1.0,
    )


def test_glb_holds_the_mesh(mesh: TexturedMesh) -> None:
    glb = Glb(surface_glb_bytes(mesh))
    np.testing.assert_array_equal(glb.attribute("head", "POSITION"), mesh.vertices)
    np.testing.assert_array_equal(glb.attribute("head", "NORMAL"), mesh.normals)
    np.testing.assert_array_equal(glb.faces("head"), mesh.faces)
    uv = glb.attribute("head", "TEXCOORD_0")
    np.testing.assert_allclose(uv, np.column_stack([mesh.uv[:, 0], 1 - mesh.uv[:, 1]]))
    surface = glb.material("head")["pbrMetallicRoughness"]
    assert (surface["metallicFactor"], surface["roughnessFactor"]) == (0.0, 1.0)
    image = glb.image(surface["baseColorTexture"])
    assert np.abs(image.astype(int) - mesh.texture).mean() < 3.0


def test_trimesh_reads_the_glb(mesh: TexturedMesh, tmp_path: Path) -> None:
    """The colour that trimesh finds at a corner is the texture's there."""
    write_surface_glb(mesh, tmp_path / "head.glb")
    (loaded,) = trimesh.load_scene(tmp_path / "head.glb").geometry.values()
    assert isinstance(loaded, trimesh.Trimesh)
    assert loaded.face_normals[0] @ [0.0, 0.0, 1.0] == pytest.approx(1.0)
    top = int(np.argmax(loaded.vertices[:, 0] + loaded.vertices[:, 1]))
    uv = loaded.visual.uv[top]
    image = np.array(loaded.visual.material.baseColorTexture)
    side = image.shape[0]
    row, column = (min(int(x * side), side - 1) for x in (1.0 - uv[1], uv[0]))
    assert np.abs(image[row, column, :3].astype(int) - [200, 0, 250]).max() < 12


def test_equal_meshes_give_equal_bytes(mesh: TexturedMesh) -> None:
    assert surface_glb_bytes(mesh) == surface_glb_bytes(mesh)


def test_ply_holds_the_mesh_and_names_its_texture(mesh: TexturedMesh, tmp_path: Path) -> None:
    write_surface_ply(mesh, tmp_path / "head.ply")
    assert b"comment TextureFile head.png\n" in (tmp_path / "head.ply").read_bytes()[:300]
    with Image.open(tmp_path / "head.png") as picture:
        np.testing.assert_array_equal(np.array(picture), mesh.texture)
    loaded = trimesh.load_mesh(tmp_path / "head.ply", process=False)
    np.testing.assert_array_equal(loaded.vertices, mesh.vertices.astype(np.float64))
    np.testing.assert_array_equal(loaded.faces, mesh.faces)
