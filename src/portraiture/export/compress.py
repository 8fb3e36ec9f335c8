"""A finished document with quantised, compressed geometry.

document ─per mesh: triangles and vertices reordered─▶ integers on one grid ─codecs─▶ document

KHR_mesh_quantization: positions and their morph targets are integers on one grid for the whole
bust, undone by the inverse bind matrices, since skinned meshes ignore their node's transform.
EXT_meshopt_compression: the views hold `meshopt`'s bitstreams; nothing is stored uncompressed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from portraiture.export.binary import ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER, GltfBuilder
from portraiture.export.meshopt import (
    encode_attributes,
    encode_triangles,
    exponential,
    octahedral,
)
from portraiture.export.triangle_order import cache_order, first_use

QUANTIZATION, MESHOPT = "KHR_mesh_quantization", "EXT_meshopt_compression"

POSITION_BITS = 14
"""Of the longest side of the bust: steps of about 40 micrometres."""

NORMAL_BITS = 10
"""Of each octahedral coordinate: a quarter of a degree."""

UV_BITS = 16
"""Of texture coordinates; beyond [0, 1] of the mantissas of floats."""

_GEOMETRY = ("accessors", "bufferViews")


class Grid(NamedTuple):
    """Where integers stand for: ``low + step * integer``, metres."""

    low: Float[ndarray, "3"]
    step: float


def compressed(source: GltfBuilder) -> GltfBuilder:
    """The document of `source` with the same meshes, compressed. `source` is left as it is.

    Every mesh must be skinned. Order of vertices and triangles changes; normal targets longer than
    1 along an axis are clipped.
    """
    out = GltfBuilder(
        {key: value for key, value in source.document.items() if key not in _GEOMETRY}
    )
    grid = _grid_of(source)
    writer = _Writer(out)
    out.document["skins"] = [_skin(source, out, skin, grid) for skin in source.document["skins"]]
    out.document["meshes"] = [
        {**mesh, "primitives": [_primitive(source, writer, p, grid) for p in mesh["primitives"]]}
        for mesh in source.document["meshes"]
    ]
    if "images" in source.document:
        out.document["images"] = [
            {**image, "bufferView": out.view(source.bytes_of(image["bufferView"]))}
            for image in source.document["images"]
        ]
    for list_name in ("extensionsUsed", "extensionsRequired"):
        if list_name in out.document:
            out.document[list_name] = list(out.document[list_name])
    out.require_extensions(QUANTIZATION, MESHOPT)
    fallback = {"byteLength": writer.uncompressed, "extensions": {MESHOPT: {"fallback": True}}}
    out.more_buffers.append(fallback)
    return out


def _grid_of(source: GltfBuilder) -> Grid:
    places = [
        source.values(primitive["attributes"]["POSITION"])
        for mesh in source.document["meshes"]
        for primitive in mesh["primitives"]
    ]
    low = np.min([place.min(0) for place in places], axis=0).astype(np.float64)
    high = np.max([place.max(0) for place in places], axis=0)
    return Grid(low, float((high - low).max()) / ((1 << POSITION_BITS) - 1))


def _skin(
    source: GltfBuilder, out: GltfBuilder, skin: dict[str, Any], grid: Grid
) -> dict[str, Any]:
    """The skin, whose inverse bind matrices take integers to the joints."""
    inverse = source.values(skin["inverseBindMatrices"]).swapaxes(1, 2).astype(np.float64)
    place = np.diag([grid.step, grid.step, grid.step, 1.0])
    place[:3, 3] = grid.low
    matrices = (inverse @ place).astype(np.float32)
    return {**skin, "inverseBindMatrices": out.accessor(matrices, target=None)}


def _primitive(
    source: GltfBuilder, writer: _Writer, primitive: dict[str, Any], grid: Grid
) -> dict[str, Any]:
    faces = source.values(primitive["indices"]).reshape(-1, 3).astype(np.int64)
    count = source.document["accessors"][primitive["attributes"]["POSITION"]]["count"]
    vertices, faces = first_use(faces[cache_order(faces, count)])
    attributes = {
        name: _attribute(writer, name, source.values(index)[vertices], grid)
        for name, index in primitive["attributes"].items()
    }
    out = {**primitive, "attributes": attributes, "indices": writer.triangles(faces, len(vertices))}
    if "targets" in primitive:
        out["targets"] = [
            {
                name: _target(writer, name, source.values(index)[vertices], grid)
                for name, index in target.items()
            }
            for target in primitive["targets"]
        ]
    return out


def _attribute(writer: _Writer, name: str, values: ndarray, grid: Grid) -> int:
    match name:
        case "POSITION":
            steps = np.rint((values.astype(np.float64) - grid.low) / grid.step)
            return writer.integers(steps.astype("<u2"), bounds=True)
        case "NORMAL" | "TANGENT":
            fourth = values[:, 3:] if name == "TANGENT" else np.zeros((len(values), 1))
            vectors = np.concatenate([values[:, :3], fourth], axis=1)
            packed = octahedral(vectors, bits=NORMAL_BITS, kind=np.int16)
            return writer.octahedral(packed, "VEC4" if name == "TANGENT" else "VEC3")
        case "TEXCOORD_0":
            if values.min() < 0.0 or values.max() > 1.0:
                return writer.exponential(exponential(values, bits=UV_BITS))
            steps = np.rint(values.astype(np.float64) * 65535.0)
            return writer.integers(steps.astype("<u2"), normalized=True)
        case "JOINTS_0":
            return writer.integers(values)
    return writer.integers(values, normalized=True)


def _target(writer: _Writer, name: str, values: ndarray, grid: Grid) -> int:
    if name == "POSITION":
        steps = np.rint(values.astype(np.float64) / grid.step)
        return writer.integers(np.clip(steps, -32767, 32767).astype("<i2"), bounds=True)
    steps = np.rint(np.clip(values.astype(np.float64), -1.0, 1.0) * 127.0)
    return writer.integers(steps.astype("i1"), normalized=True)


_COMPONENT = {"u1": 5121, "i1": 5120, "u2": 5123, "i2": 5122, "u4": 5125, "f4": 5126}
_TYPE = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}


class _Writer:
    """Compressed accessors of one document, equal ones once.

    uncompressed: bytes of the buffer that a program without the extension would need.
    """

    def __init__(self, builder: GltfBuilder) -> None:
        self._builder = builder
        self._seen: dict[tuple, int] = {}
        self.uncompressed = 0

    def integers(self, values: ndarray, *, bounds: bool = False, normalized: bool = False) -> int:
        """An accessor of (N, K) integers."""
        record: dict[str, Any] = {"type": _TYPE[values.shape[1]]}
        if normalized:
            record["normalized"] = True
        if bounds:
            record["min"], record["max"] = values.min(0).tolist(), values.max(0).tolist()
        return self._attributes(values, values.dtype, record)

    def octahedral(self, packed: ndarray, kind: str) -> int:
        """An accessor of unit vectors; packed: (N, 4) of `meshopt.octahedral`."""
        record = {"type": kind, "normalized": True}
        return self._attributes(packed, packed.dtype, record, "OCTAHEDRAL")

    def exponential(self, packed: ndarray) -> int:
        """An accessor of floats; packed: (N, K) of `meshopt.exponential`."""
        record = {"type": _TYPE[packed.shape[1]]}
        return self._attributes(packed, np.dtype("<f4"), record, "EXPONENTIAL")

    def triangles(self, faces: ndarray, vertices: int) -> int:
        """An accessor of the corners of (F, 3) triangles."""
        size = 2 if vertices <= 0xFFFF else 4
        view = self._view(
            encode_triangles(faces), faces.size, size, mode="TRIANGLES", target=ELEMENT_ARRAY_BUFFER
        )
        record = {
            "bufferView": view,
            "componentType": _COMPONENT[f"u{size}"],
            "count": faces.size,
            "type": "SCALAR",
        }
        return self._builder.append("accessors", record)

    def _attributes(
        self, values: ndarray, kind: np.dtype, record: dict[str, Any], filtered: str | None = None
    ) -> int:
        rows = np.ascontiguousarray(values).view(np.uint8).reshape(len(values), -1)
        key = (rows.tobytes(), kind.str, tuple(map(str, record.items())))
        if key not in self._seen:
            padded = np.pad(rows, ((0, 0), (0, -rows.shape[1] % 4)))
            view = self._view(
                encode_attributes(padded), *padded.shape, mode="ATTRIBUTES",
                target=ARRAY_BUFFER, filtered=filtered,
            )  # fmt: skip
            self._seen[key] = self._builder.append(
                "accessors",
                {
                    "bufferView": view,
                    "componentType": _COMPONENT[kind.str[1:]],
                    "count": len(values),
                    **record,
                },
            )
        return self._seen[key]

    def _view(
        self, data: bytes, count: int, stride: int, *, mode: str, target: int,
        filtered: str | None = None,
    ) -> int:  # fmt: skip
        """A view over `count` elements of `stride` bytes, of which `data` is the bitstream."""
        self.uncompressed += -self.uncompressed % 4
        view = self._builder.view(data, target)
        record = self._builder.document["bufferViews"][view]
        stored = {"buffer": 0, "byteOffset": record["byteOffset"], "byteLength": len(data)}
        stored |= {"byteStride": stride, "count": count, "mode": mode}
        if filtered is not None:
            stored["filter"] = filtered
        record |= {"buffer": 1, "byteOffset": self.uncompressed, "byteLength": count * stride}
        if mode == "ATTRIBUTES":
            record["byteStride"] = stride
        record["extensions"] = {MESHOPT: stored}
        self.uncompressed += count * stride
        return view
