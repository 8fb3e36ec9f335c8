"""A second, independent reading of GLB files, for the tests alone."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import numpy as np
from PIL import Image

COMPONENT = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
WIDTH = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


class Glb:
    """The JSON of a GLB file and its binary chunk, checked for the container's rules."""

    def __init__(self, data: bytes | Path):
        data = data.read_bytes() if isinstance(data, Path) else data
        magic, version, total = struct.unpack_from("<4sII", data, 0)
        assert (magic, version, total) == (b"glTF", 2, len(data))
        length, kind = struct.unpack_from("<I4s", data, 12)
        assert kind == b"JSON"
        assert length % 4 == 0
        self.json = json.loads(data[20 : 20 + length])
        size, kind = struct.unpack_from("<I4s", data, 20 + length)
        assert kind == b"BIN\0"
        assert size % 4 == 0
        self.binary = data[28 + length :]
        assert len(self.binary) == size == self.json["buffers"][0]["byteLength"]

    def view(self, index: int) -> bytes:
        view = self.json["bufferViews"][index]
        start = view.get("byteOffset", 0)
        assert start % 4 == 0
        assert start + view["byteLength"] <= len(self.binary)
        return self.binary[start : start + view["byteLength"]]

    def accessor(self, index: int) -> np.ndarray:
        """Dense values, sparse ones filled in."""
        accessor = self.json["accessors"][index]
        kind, width = COMPONENT[accessor["componentType"]], WIDTH[accessor["type"]]
        if "bufferView" in accessor:
            values = np.frombuffer(self.view(accessor["bufferView"]), kind).copy()
            values = values.reshape(accessor["count"], width)
        else:
            values = np.zeros((accessor["count"], width), kind)
        if "sparse" in accessor:
            sparse = accessor["sparse"]
            rows = np.frombuffer(
                self.view(sparse["indices"]["bufferView"]),
                COMPONENT[sparse["indices"]["componentType"]],
            ).astype(int)
            assert len(rows) == sparse["count"]
            assert (np.diff(rows) > 0).all()
            values[rows] = np.frombuffer(self.view(sparse["values"]["bufferView"]), kind).reshape(
                -1, width
            )
        if accessor.get("normalized"):
            return values / np.float64(np.iinfo(kind).max)
        if "min" in accessor:
            assert values.min(0).tolist() == accessor["min"]
            assert values.max(0).tolist() == accessor["max"]
        return values

    def mesh(self, name: str) -> dict:
        return next(mesh for mesh in self.json["meshes"] if mesh["name"] == name)

    def attribute(self, mesh: str, name: str) -> np.ndarray:
        return self.accessor(self.mesh(mesh)["primitives"][0]["attributes"][name])

    def faces(self, mesh: str) -> np.ndarray:
        return self.accessor(self.mesh(mesh)["primitives"][0]["indices"]).reshape(-1, 3)

    def material(self, mesh: str) -> dict:
        return self.json["materials"][self.mesh(mesh)["primitives"][0]["material"]]

    def image(self, slot: dict) -> np.ndarray:
        source = self.json["textures"][slot["index"]]["source"]
        record = self.json["images"][source]
        with Image.open(io.BytesIO(self.view(record["bufferView"]))) as image:
            assert image.format is not None
            assert record["mimeType"] == f"image/{image.format.lower()}"
            return np.array(image)

    def bones(self) -> dict[str, np.ndarray]:
        """World positions of all nodes by name, by walking the tree."""
        places: dict[str, np.ndarray] = {}

        def walk(index: int, origin: np.ndarray) -> None:
            node = self.json["nodes"][index]
            assert "rotation" not in node
            at = origin + np.array(node.get("translation", (0.0, 0.0, 0.0)))
            places[node["name"]] = at
            for child in node.get("children", ()):
                walk(child, at)

        for root in self.json["scenes"][self.json["scene"]]["nodes"]:
            walk(root, np.zeros(3))
        return places
