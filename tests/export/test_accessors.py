"""Every GLB and VRM keeps glTF's rules for accessors, and assimp opens it.

Properties: no accessor without a buffer view and without sparse values (importers dereference
one); sparse rows rise strictly, lie inside the accessor and have as many values; min and max are
those of the values; assimp finds every mesh with all its triangles. Tools: Debian's assimp-utils.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from glb_reader import COMPONENT, WIDTH, Glb
from shared_data import SHARED
from synthetic_bust import synthetic_bust

from portraiture.avatar import Avatar
from portraiture.export.binary import GltfBuilder
from portraiture.export.gltf import write_glb
from portraiture.export.surface import write_surface_glb
from portraiture.export.vrm import write_vrm
from portraiture.meshing.bake_texture import TexturedMesh
from portraiture.types import Style

CASE = SHARED / "cases" / "still_target.glb"
KINDS = (
    "bust.glb", "bust.vrm", "head.glb", "natural.glb", "natural.vrm", "pixar.glb", "pixar.vrm",
)  # fmt: skip
STYLES: tuple[Style, ...] = ("natural", "pixar")


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every kind of export."""
    folder = tmp_path_factory.mktemp("exports")
    write_glb(synthetic_bust(), folder / "bust.glb")
    write_vrm(synthetic_bust(), folder / "bust.vrm", name="Someone")
    corners = np.float32([[0, 0], [1, 0], [1, 1], [0, 1]])
    square = TexturedMesh(
        vertices=np.column_stack([corners, np.zeros(4)]).astype(np.float32),
        faces=np.array([[0, 1, 2], [0, 2, 3]], np.int32),
        normals=np.tile(np.float32([[0, 0, 1]]), (4, 1)),
        uv=corners,
        texture=np.full((64, 64, 3), 90, np.uint8),
        seen=1.0,
    )
    write_surface_glb(square, folder / "head.glb")
    for style in STYLES:
        person = Avatar.sample(7, style=style).bust()
        write_glb(person, folder / f"{style}.glb")
        write_vrm(person, folder / f"{style}.vrm", name="Someone")
    return folder


def check_accessors(glb: Glb) -> None:
    """The rules above, of every accessor."""
    views = glb.json["bufferViews"]
    for accessor in glb.json["accessors"]:
        assert "bufferView" in accessor or "sparse" in accessor, accessor
        count, width = accessor["count"], WIDTH[accessor["type"]]
        kind = np.dtype(COMPONENT[accessor["componentType"]])
        values = np.zeros((count, width), kind)
        if "bufferView" in accessor:
            length = views[accessor["bufferView"]]["byteLength"]
            assert length == count * width * kind.itemsize
            values = np.frombuffer(glb.view(accessor["bufferView"]), kind).reshape(count, width)
        if "sparse" in accessor:
            values = values.copy()
            _fill(glb, accessor["sparse"], values)
        if "min" in accessor:
            assert accessor["min"] == values.min(0).tolist()
            assert accessor["max"] == values.max(0).tolist()
    for mesh in glb.json["meshes"]:
        for primitive in mesh["primitives"]:
            bounded = [primitive["attributes"], *primitive.get("targets", ())]
            assert all("min" in glb.json["accessors"][named["POSITION"]] for named in bounded)


def _fill(glb: Glb, sparse: dict, values: np.ndarray) -> None:
    index = np.dtype(COMPONENT[sparse["indices"]["componentType"]])
    data = glb.view(sparse["indices"]["bufferView"])
    assert index.kind == "u" and len(data) == sparse["count"] * index.itemsize
    rows = np.frombuffer(data, index).astype(np.int64)
    assert 1 <= len(rows) <= len(values)
    assert (np.diff(rows) > 0).all() and rows[-1] < len(values)
    data = glb.view(sparse["values"]["bufferView"])
    assert len(data) == len(rows) * values.shape[1] * values.itemsize
    values[rows] = np.frombuffer(data, values.dtype).reshape(len(rows), -1)


def assimp(path: Path) -> str:
    """What assimp says of a file, without any processing; assimp knows .glb, not .vrm."""
    if shutil.which("assimp") is None:
        pytest.skip("assimp is not installed (Debian: assimp-utils)")
    named = path.with_name(f"{path.stem}_of_{path.suffix[1:]}.glb")
    shutil.copy(path, named)
    done = subprocess.run(
        ["assimp", "info", str(named), "-r"], capture_output=True, text=True, timeout=120
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", KINDS)
def test_accessors_keep_the_rules(exports: Path, name: str) -> None:
    check_accessors(Glb(exports / name))


@pytest.mark.parametrize("name", KINDS)
def test_assimp_opens_it(exports: Path, name: str) -> None:
    glb, seen = Glb(exports / name), assimp(exports / name)
    for index, mesh in enumerate(glb.json["meshes"]):
        vertices = len(glb.attribute(mesh["name"], "POSITION"))
        faces = len(glb.faces(mesh["name"]))
        (line,) = [row for row in seen.splitlines() if row.strip().startswith(f"{index} (")][:1]
        assert f"({mesh['name']}): [{vertices} / " in line and f" / {faces} | " in line


def test_a_still_target_is_one_zero_row() -> None:
    """All still targets of one length share an accessor, of all lengths their buffer views."""
    builder = GltfBuilder()
    none, empty = np.zeros(0, np.int64), np.zeros((0, 3), np.float32)
    small, again, large = (builder.sparse_accessor(none, empty, n) for n in (3, 3, 70_000))
    assert small == again != large
    assert len(builder.blob) == 16  # two bytes of index, two of padding, twelve of zeros
    for index, count in ((small, 3), (large, 70_000)):
        record = builder.document["accessors"][index]
        assert (record["count"], record["sparse"]["count"]) == (count, 1)
        assert record["min"] == record["max"] == [0.0, 0.0, 0.0]
    assert builder.document["accessors"][small]["sparse"]["indices"]["componentType"] == 5123


@pytest.mark.skipif(not CASE.exists(), reason="../shared/cases is absent")
def test_the_rules_refuse_the_file_that_failed() -> None:
    with pytest.raises(AssertionError, match="VEC3"):
        check_accessors(Glb(CASE))


@pytest.mark.skipif(not CASE.exists(), reason="../shared/cases is absent")
def test_assimp_refuses_the_file_that_failed(tmp_path: Path) -> None:
    shutil.copy(CASE, tmp_path / "case.glb")
    assert "data is null" in assimp(tmp_path / "case.glb")
