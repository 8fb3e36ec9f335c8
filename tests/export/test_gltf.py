from __future__ import annotations

import dataclasses

import numpy as np
import pygltflib
import pytest
import trimesh
from glb_reader import Glb
from synthetic_bust import ball, synthetic_bust

from portraiture.engine.actions import ACTIONS
from portraiture.errors import OutputError
from portraiture.export.arkit import ARKIT_NAMES
from portraiture.export.binary import GltfBuilder
from portraiture.export.gltf import glb_bytes, write_glb
from portraiture.export.morphs import NormalTargets, merged, tangents
from portraiture.types import Bust, Morph


@pytest.fixture(scope="module")
def bust() -> Bust:
    return synthetic_bust()


@pytest.fixture(scope="module")
def glb(bust: Bust) -> Glb:
    return Glb(glb_bytes(bust))


def rise(bust: Bust) -> np.ndarray:
    return np.array([0.0, np.float32(0.08 + 0.73), 0.0], np.float32)


def test_names_are_the_engine_s_actions_in_its_order():
    assert tuple(ACTIONS) == ARKIT_NAMES
    assert len(set(ARKIT_NAMES)) == 52


def test_meshes_hold_the_parts(bust: Bust, glb: Glb):
    assert [mesh["name"] for mesh in glb.json["meshes"]] == [part.name for part in bust.parts]
    for part in bust.parts:
        position = glb.attribute(part.name, "POSITION")
        np.testing.assert_allclose(position, part.vertices + rise(bust), atol=1e-6)
        uv = glb.attribute(part.name, "TEXCOORD_0")
        np.testing.assert_array_equal(uv[:, 0], part.uv[:, 0])
        np.testing.assert_allclose(uv[:, 1], 1 - part.uv[:, 1], atol=1e-7)
        normal = glb.attribute(part.name, "NORMAL")
        np.testing.assert_allclose(np.linalg.norm(normal, axis=1), 1, atol=1e-6)
        np.testing.assert_allclose(normal, part.normals, atol=1e-6)
        np.testing.assert_array_equal(glb.faces(part.name), part.faces)


def test_feet_stand_on_the_ground(glb: Glb):
    bones = glb.bones()
    assert bones["leftFoot"][1] == pytest.approx(0.08, abs=1e-6)
    assert bones["head"][1] == pytest.approx(0.86 + 0.81, abs=1e-6)


def test_degenerate_triangles_are_left_out(bust: Bust):
    skin = bust.parts[0]
    faces = np.concatenate([[[5, 5, 9], [1, 2, 1]], skin.faces]).astype(np.int32)
    segment = np.concatenate([skin.segment[:2], skin.segment])
    broken = dataclasses.replace(skin, faces=faces, segment=segment)
    glb = Glb(glb_bytes(dataclasses.replace(bust, parts=(broken,))))
    np.testing.assert_array_equal(glb.faces("skin"), skin.faces)


def test_what_no_triangle_uses_is_left_out(bust: Bust):
    """A hat hides hair by dropping its triangles; here one half of the skin, and all the hair."""
    skin, hair = bust.part("skin"), bust.part("hair")
    upper = skin.vertices[skin.faces][..., 1].min(1) > 0.75
    cut = dataclasses.replace(skin, faces=skin.faces[upper], segment=skin.segment[upper])
    none = dataclasses.replace(hair, faces=hair.faces[:0], segment=hair.segment[:0])
    glb = Glb(glb_bytes(dataclasses.replace(bust, parts=(cut, none))))
    assert [mesh["name"] for mesh in glb.json["meshes"]] == ["skin"]
    used = np.unique(cut.faces)
    position = glb.attribute("skin", "POSITION")
    assert len(position) == len(used) < len(skin.vertices)
    np.testing.assert_allclose(
        position[glb.faces("skin")], (skin.vertices + rise(bust))[cut.faces], atol=1e-6
    )
    dense = np.zeros_like(skin.vertices)
    morph = skin.morphs["browInnerUp"]
    dense[morph.indices] = morph.deltas
    targets = glb.mesh("skin")["primitives"][0]["targets"]
    got = glb.accessor(targets[ARKIT_NAMES.index("browInnerUp")]["POSITION"])
    np.testing.assert_array_equal(got, dense[used])


def test_parts_of_one_name_are_refused(bust: Bust):
    with pytest.raises(ValueError, match="share a name"):
        glb_bytes(dataclasses.replace(bust, parts=(bust.parts[0], bust.parts[0])))


def test_targets_are_the_morphs(bust: Bust, glb: Glb):
    for part in bust.parts:
        mesh = glb.mesh(part.name)
        if not part.morphs:
            assert "targets" not in mesh["primitives"][0]
            continue
        assert mesh["extras"]["targetNames"] == list(ARKIT_NAMES)
        assert mesh["weights"] == [0.0] * 52
        targets = mesh["primitives"][0]["targets"]
        assert len(targets) == 52
        for name, target in zip(ARKIT_NAMES, targets, strict=True):
            dense = np.zeros((len(part.vertices), 3), np.float32)
            if name in part.morphs:
                dense[part.morphs[name].indices] = part.morphs[name].deltas
            np.testing.assert_array_equal(glb.accessor(target["POSITION"]), dense)


def test_targets_that_rest_share_one_accessor(bust: Bust, glb: Glb):
    eye = glb.mesh("eye_left")["primitives"][0]["targets"]
    still = {target["POSITION"] for target in eye} - {
        eye[ARKIT_NAMES.index("eyeLookInLeft")]["POSITION"]
    }
    (index,) = still
    assert not glb.accessor(index).any()
    assert glb.json["accessors"][index]["sparse"]["count"] == 1


def test_repeated_morph_rows_add_up():
    morph = merged(Morph(np.array([7, 2, 7]), np.float32([[1, 0, 0], [0, 1, 0], [2, 0, 0]])))
    np.testing.assert_array_equal(morph.indices, [2, 7])
    np.testing.assert_array_equal(morph.deltas, [[0, 1, 0], [3, 0, 0]])


def test_rigid_parts_have_byte_weights(glb: Glb):
    kinds = {
        mesh["name"]: glb.json["accessors"][mesh["primitives"][0]["attributes"]["WEIGHTS_0"]]
        for mesh in glb.json["meshes"]
    }
    assert kinds["hair"]["componentType"] == 5121
    assert kinds["skin"]["componentType"] == 5123
    assert all(kind["normalized"] for kind in kinds.values())


def test_hair_leaves_out_what_cannot_be_seen(bust: Bust):
    hair = bust.part("hair")
    deltas = np.float32([[0, 2e-4, 0], [0, 5e-4, 0], [0, -0.01, 0]])
    moved = dataclasses.replace(hair, morphs={"jawOpen": Morph(np.array([1, 5, 9]), deltas)})
    glb = Glb(glb_bytes(dataclasses.replace(bust, parts=(moved,))))
    targets = glb.mesh("hair")["primitives"][0]["targets"]
    got = glb.accessor(targets[ARKIT_NAMES.index("jawOpen")]["POSITION"])
    np.testing.assert_array_equal(np.flatnonzero(got.any(1)), [5, 9])
    np.testing.assert_array_equal(got[[5, 9]], deltas[1:])


def test_normal_targets_agree_with_normals_summed_triangle_by_triangle():
    vertices, faces, _, _ = ball((0.0, 0.0, 0.0), 0.1, rows=8, columns=10)
    rng = np.random.default_rng(4)
    rows = np.flatnonzero(vertices[:, 2] > 0.02)
    deltas = rng.normal(0, 0.01, (len(rows), 3)).astype(np.float32)
    seam = {tuple(v): k for k, v in enumerate(vertices[rows])}
    deltas = deltas[[seam[tuple(v)] for v in vertices[rows]]]
    moved = vertices.copy()
    moved[rows] += deltas

    def by_hand(points: np.ndarray) -> np.ndarray:
        total: dict[tuple, np.ndarray] = {}
        for face in faces:
            a, b, c = points[face].astype(np.float64)
            for corner in face:
                key = tuple(vertices[corner])
                total[key] = total.get(key, np.zeros(3)) + np.cross(b - a, c - a)
        out = np.array([total[tuple(v)] for v in vertices])
        return out / np.linalg.norm(out, axis=1, keepdims=True)

    change = by_hand(moved) - by_hand(vertices)
    got = NormalTargets(vertices, faces).deltas(Morph(rows, deltas))
    dense = np.zeros_like(change)
    dense[got.indices] = got.deltas
    small = np.linalg.norm(change, axis=1) <= 0.02
    assert not small.all()
    np.testing.assert_allclose(dense[~small], change[~small], atol=1e-5)
    assert (dense[small] == 0).all()


@pytest.mark.parametrize(("flip", "sign"), [(1.0, 1.0), (-1.0, -1.0)])
def test_tangents_of_a_turned_square(flip: float, sign: float):
    """u runs along a known direction of the plane; mirrored UVs turn the bitangent around."""
    angle = 0.7
    u = np.array([np.cos(angle), np.sin(angle), 0.0])
    v = np.array([-np.sin(angle), np.cos(angle), 0.0])
    uv = np.float32([[0, 0], [1, 0], [1, 1], [0, 1]])
    vertices = (uv[:, :1] * u + uv[:, 1:] * v).astype(np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    normals = np.tile(np.float32([0, 0, 1]), (4, 1))
    got = tangents(vertices, faces, normals, uv * np.float32([flip, 1]))
    np.testing.assert_allclose(got[:, :3], np.tile(flip * u, (4, 1)), atol=1e-6)
    assert (got[:, 3] == sign).all()


def test_degenerate_uv_still_gives_unit_tangents():
    vertices, faces, normals, uv = ball((0.0, 0.0, 0.0), 1.0)
    got = tangents(vertices, faces, normals, np.zeros_like(uv))
    np.testing.assert_allclose(np.linalg.norm(got[:, :3], axis=1), 1, atol=1e-6)
    np.testing.assert_allclose((got[:, :3] * normals).sum(1), 0, atol=1e-6)


def test_skinning_keeps_every_joint_s_share(bust: Bust, glb: Glb):
    for part in bust.parts:
        joints = glb.attribute(part.name, "JOINTS_0")
        weights = glb.attribute(part.name, "WEIGHTS_0")
        np.testing.assert_allclose(weights.sum(1), 1, atol=1e-12)
        assert (joints[weights == 0] == 0).all()
        for joint in range(len(bust.skeleton.names)):
            share = (weights * (joints == joint)).sum(1)
            expected = (part.weights * (part.joints == joint)).sum(1)
            np.testing.assert_allclose(share, expected, atol=3e-5)
        used = [set(j[w > 0]) for j, w in zip(joints, weights, strict=True)]
        assert all(len(s) == (w > 0).sum() for s, w in zip(used, weights, strict=True))


def test_bones_stand_at_the_joints_and_bind_to_identity(bust: Bust, glb: Glb):
    skin = glb.json["skins"][0]
    bones = glb.bones()
    inverse = glb.accessor(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
    for row, (node, name) in enumerate(zip(skin["joints"], bust.skeleton.names, strict=True)):
        assert glb.json["nodes"][node]["name"] == name
        expected = bust.skeleton.heads[row] + rise(bust)
        np.testing.assert_allclose(bones[name], expected, atol=1e-6)
        world = np.eye(4)
        world[:3, 3] = bones[name]
        np.testing.assert_allclose(world @ inverse[row], np.eye(4), atol=1e-6)


def test_textures_hold_the_images(bust: Bust, glb: Glb):
    skin, surface = bust.part("skin").material, glb.material("skin")["pbrMetallicRoughness"]
    color = glb.image(surface["baseColorTexture"]).astype(float)
    assert np.abs(color - skin.base_color[..., :3]).mean() < 1.5
    rough = glb.image(surface["metallicRoughnessTexture"])
    assert rough.ndim == 2
    assert np.abs(rough.astype(float) - skin.roughness).mean() < 1.0
    normal = glb.image(glb.material("skin")["normalTexture"])
    np.testing.assert_allclose(normal.astype(float).mean((0, 1)), [128, 128, 255], atol=1.0)
    hair = glb.image(glb.material("hair")["pbrMetallicRoughness"]["baseColorTexture"])
    expected = bust.part("hair").material.base_color
    np.testing.assert_allclose(hair.astype(int), expected, atol=2)
    assert (hair[expected == 255] == 255).all()
    assert (hair[expected == 0] == 0).all()
    frame = glb.material("glasses_frame")["pbrMetallicRoughness"]
    packed = glb.image(frame["metallicRoughnessTexture"])
    np.testing.assert_array_equal(packed[..., 1], 90)
    np.testing.assert_array_equal(packed[..., 2], 255)
    assert frame["metallicFactor"] == pytest.approx(0.9)


def test_materials(bust: Bust, glb: Glb):
    hair = glb.material("hair")
    assert (hair["alphaMode"], hair["alphaCutoff"], hair["doubleSided"]) == ("MASK", 0.4, True)
    assert glb.material("glasses_lenses")["alphaMode"] == "BLEND"
    assert "alphaMode" not in glb.material("skin")
    assert "doubleSided" not in glb.material("skin")
    assert [m["extras"]["kind"] for m in glb.json["materials"]] == [
        part.material.kind for part in bust.parts
    ]
    assert "TANGENT" in glb.mesh("skin")["primitives"][0]["attributes"]
    assert "TANGENT" not in glb.mesh("hair")["primitives"][0]["attributes"]


def test_the_photo_s_expression_is_a_note(bust: Bust, glb: Glb):
    assert glb.json["scenes"][0]["extras"]["expression"] == bust.expression


def test_equal_images_are_stored_once():
    builder = GltfBuilder()
    first = builder.texture(b"\x89PNG one", "a")
    assert builder.texture(b"\x89PNG one", "b") == first
    assert builder.texture(b"\x89PNG two", "c") != first
    assert len(builder.document["images"]) == 2


def test_other_programs_read_it(bust: Bust, tmp_path):
    write_glb(bust, tmp_path / "a.glb")
    document = pygltflib.GLTF2.load(str(tmp_path / "a.glb"))
    assert document is not None
    assert len(document.meshes) == len(bust.parts)
    scene = trimesh.load(tmp_path / "a.glb")
    for part in bust.parts:
        np.testing.assert_allclose(
            scene.geometry[part.name].vertices, part.vertices + rise(bust), atol=1e-6
        )


def test_the_same_bust_gives_the_same_bytes(bust: Bust):
    assert glb_bytes(bust) == glb_bytes(synthetic_bust())


def test_a_failed_write_keeps_the_old_file(bust: Bust, tmp_path, monkeypatch):
    path = tmp_path / "a.glb"
    path.write_bytes(b"old")

    def full(self, data):
        with self.open("wb") as file:
            file.write(data[:100])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OutputError):
        write_glb(bust, path)
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_the_user_s_error(bust: Bust, tmp_path):
    with pytest.raises(OutputError):
        write_glb(bust, tmp_path / "none" / "a.glb")
