"""The codecs against the reference decoder, and compressed files against uncompressed ones."""

from __future__ import annotations

import numpy as np
import pytest
from glb_reader import Glb
from synthetic_bust import ball, synthetic_bust

from portraiture.export.gltf import glb_bytes
from portraiture.export.meshopt import (
    encode_attributes,
    encode_triangles,
    exponential,
    octahedral,
)
from portraiture.export.options import GlbOptions
from portraiture.export.triangle_order import cache_order, first_use

reference = pytest.importorskip("meshoptimizer", reason='install the "dev" extra')
TYPES = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTH = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


def decoded(data: bytes, count: int, stride: int) -> np.ndarray:
    kind = np.dtype((np.void, stride))
    rows = reference.decode_vertex_buffer(count, stride, data, dtype=kind)
    return rows.view(np.uint8).reshape(count, stride)


@pytest.mark.parametrize(
    ("count", "stride"),
    [(1, 4), (15, 8), (16, 4), (17, 12), (256, 8), (257, 8), (3000, 16), (33, 256), (700, 64)],
)
@pytest.mark.parametrize("spread", [0.3, 2.0, 6.0, 60.0])
def test_attributes_come_back(count: int, stride: int, spread: float):
    rng = np.random.default_rng(count * stride)
    rows = np.rint(rng.normal(100, spread, (count, stride))).astype(np.int64).astype(np.uint8)
    rows[count // 3 : count // 2] = 7
    np.testing.assert_array_equal(decoded(encode_attributes(rows), count, stride), rows)


def test_a_stride_that_cannot_be_is_refused():
    for stride in (3, 260):
        with pytest.raises(ValueError, match="stride"):
            encode_attributes(np.zeros((4, stride), np.uint8))


def canonical(triangles: np.ndarray) -> np.ndarray:
    """Each triangle from its smallest corner."""
    first = triangles.argmin(1)[:, None]
    return np.take_along_axis(triangles, (first + np.arange(3)) % 3, axis=1)


def soup() -> np.ndarray:
    rng = np.random.default_rng(3)
    faces = rng.integers(0, 60, (3000, 3))
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (c != a)]
    return np.concatenate([[[0, 1, 2]], faces, [[0, 1, 2]], faces + 1000])


@pytest.mark.parametrize("faces", [ball((0, 0, 0), 1.0, rows=50, columns=60)[1], soup()])
def test_triangles_come_back_in_their_order(faces: np.ndarray):
    data = encode_triangles(faces)
    got = reference.decode_index_buffer(faces.size, 4, data).reshape(-1, 3).astype(np.int64)
    np.testing.assert_array_equal(canonical(got), canonical(faces.astype(np.int64)))


def test_the_cache_order_is_a_permutation_that_pays():
    faces = ball((0, 0, 0), 1.0, rows=50, columns=60)[1].astype(np.int64)
    shuffled = np.random.default_rng(0).permutation(faces)
    order = cache_order(shuffled, 3000)
    assert sorted(order.tolist()) == list(range(len(faces)))
    used, ordered = first_use(shuffled[order])
    np.testing.assert_array_equal(used[ordered], shuffled[order])
    assert len(encode_triangles(ordered)) < 0.3 * len(encode_triangles(shuffled))


@pytest.mark.parametrize(("bits", "kind", "degrees"), [(8, np.int8, 1.2), (10, np.int16, 0.3)])
def test_octahedral_normals_come_back(bits: int, kind: type, degrees: float):
    rng = np.random.default_rng(bits)
    vectors = rng.normal(0, 1, (500, 3))
    vectors[:6] = np.concatenate([np.eye(3), -np.eye(3)])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    sign = np.where(rng.random((500, 1)) < 0.5, -1.0, 1.0)
    packed = octahedral(np.concatenate([vectors, sign], 1), bits=bits, kind=kind)
    got = reference.decode_filter_oct(packed, 500, 4 * packed.itemsize) / np.iinfo(kind).max
    length = np.linalg.norm(got[:, :3], axis=1)
    np.testing.assert_allclose(length, 1.0, atol=0.02)
    cosine = (got[:, :3] * vectors).sum(1) / length
    assert np.degrees(np.arccos(np.clip(cosine, -1, 1))).max() < degrees
    np.testing.assert_array_equal(got[:, 3:], sign)


def test_exponential_floats_come_back():
    values = np.random.default_rng(5).normal(0, 1, (300, 2)) * [3.0, 1e-3]
    values[0] = 0.0
    got = reference.decode_filter_exp(exponential(values, bits=16), 300, 8).view(np.float32)
    assert (np.abs(got - values).max(0) <= np.abs(values).max(0) * 2.0**-15).all()


def accessor(glb: Glb, index: int) -> np.ndarray:
    """Values of a compressed accessor, decoded by the reference; normalised ones in [-1, 1]."""
    record = glb.json["accessors"][index]
    view = glb.json["bufferViews"][record["bufferView"]]
    stored = view["extensions"]["EXT_meshopt_compression"]
    assert view["buffer"] == 1 and stored["buffer"] == 0
    assert view["byteLength"] == stored["count"] * stored["byteStride"]
    start = stored["byteOffset"]
    data = glb.binary[start : start + stored["byteLength"]]
    kind, count = np.dtype(TYPES[record["componentType"]]), record["count"]
    if stored["mode"] == "TRIANGLES":
        assert stored["byteStride"] == kind.itemsize
        return reference.decode_index_buffer(count, 4, data).astype(np.int64)
    rows = decoded(data, count, stored["byteStride"])
    if stored.get("filter") == "OCTAHEDRAL":
        rows = reference.decode_filter_oct(rows, count, stored["byteStride"])
    elif stored.get("filter") == "EXPONENTIAL":
        rows = reference.decode_filter_exp(rows, count, stored["byteStride"])
    width = WIDTH[record["type"]]
    values = rows[:, : width * kind.itemsize].copy().view(kind).astype(np.float64)
    return values / np.iinfo(kind).max if record.get("normalized") else values


@pytest.mark.parametrize("lod", [0, 2])
def test_a_compressed_file_holds_the_same_meshes(lod):
    bust = synthetic_bust()
    names = ("jawOpen", "viseme_O", "eyeLookInLeft")
    plain = Glb(glb_bytes(bust, GlbOptions(lod=lod, morphs=names)))
    small = Glb(glb_bytes(bust, GlbOptions(lod=lod, morphs=names, meshopt=True)))
    assert {"KHR_mesh_quantization", "EXT_meshopt_compression"} <= set(
        small.json["extensionsRequired"]
    )
    inverse = small.accessor(small.json["skins"][0]["inverseBindMatrices"]).reshape(-1, 4, 4)
    before = plain.accessor(plain.json["skins"][0]["inverseBindMatrices"]).reshape(-1, 4, 4)
    undo = np.linalg.inv(before[3].T) @ inverse[3].T
    for mesh in plain.json["meshes"]:
        name = mesh["name"]
        (there,) = small.mesh(name)["primitives"]
        (here,) = mesh["primitives"]
        integers = accessor(small, there["attributes"]["POSITION"])
        points = integers @ undo[:3, :3].T + undo[:3, 3]
        position = plain.attribute(name, "POSITION")
        uv = plain.attribute(name, "TEXCOORD_0")
        got_uv = accessor(small, there["attributes"]["TEXCOORD_0"])
        distance = np.abs(points[:, None] - position[None]).sum(2)
        distance += np.abs(got_uv[:, None] - uv[None]).sum(2)
        row = distance.argmin(1)
        np.testing.assert_allclose(points, position[row], atol=3e-5)
        np.testing.assert_allclose(got_uv, uv[row], atol=1e-4)
        faces = row[accessor(small, there["indices"]).reshape(-1, 3)]
        expected = canonical(plain.faces(name).astype(np.int64))
        assert sorted(map(tuple, canonical(faces))) == sorted(map(tuple, expected))
        normal = accessor(small, there["attributes"]["NORMAL"])
        np.testing.assert_allclose(normal, plain.attribute(name, "NORMAL")[row], atol=0.006)
        for kind in ("JOINTS_0", "WEIGHTS_0"):
            got = accessor(small, there["attributes"][kind])
            np.testing.assert_allclose(got, plain.attribute(name, kind)[row], atol=1e-6)
        for mine, other in zip(there.get("targets", ()), here.get("targets", ()), strict=True):
            delta = accessor(small, mine["POSITION"]) @ undo[:3, :3].T
            np.testing.assert_allclose(delta, plain.accessor(other["POSITION"])[row], atol=3e-5)
            if "NORMAL" in other:
                turn = np.clip(plain.accessor(other["NORMAL"])[row], -1, 1)
                got = accessor(small, mine["NORMAL"])
                np.testing.assert_allclose(got, turn, atol=0.005)
