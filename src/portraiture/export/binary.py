"""The bytes of a GLB file: buffer views, accessors, images and the two-chunk container.

glTF 2.0 specification, sections 3.6 (buffers and accessors) and 4.4 (binary container).
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

ARRAY_BUFFER = 34962
ELEMENT_ARRAY_BUFFER = 34963
LINEAR = 9729
LINEAR_MIPMAP_LINEAR = 9987
REPEAT = 10497
WEBP = "EXT_texture_webp"

_COMPONENT = {"u1": 5121, "u2": 5123, "u4": 5125, "f4": 5126}
_DTYPE = {number: "<" + name for name, number in _COMPONENT.items()}
_TYPE = {(): "SCALAR", (2,): "VEC2", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}
_MAGIC, _VERSION, _JSON_CHUNK, _BIN_CHUNK = 0x46546C67, 2, 0x4E4F534A, 0x004E4942


@dataclass
class GltfBuilder:
    """A glTF document that is being put together and its one binary buffer.

    Every list of `document` may be appended to directly; the methods own what has bytes behind it.
    """

    document: dict[str, Any] = field(default_factory=dict)
    blob: bytearray = field(default_factory=bytearray)
    more_buffers: list[dict[str, Any]] = field(default_factory=list)
    _textures: dict[bytes, int] = field(default_factory=dict)
    _zeros: dict[int, int] = field(default_factory=dict)
    _sparse_seen: dict[tuple[int, bytes, bytes], int] = field(default_factory=dict)
    _still: dict[str, Any] | None = None

    def append(self, collection: str, record: dict[str, Any]) -> int:
        """Append to a top-level list such as ``"nodes"`` and return the index."""
        records = self.document.setdefault(collection, [])
        records.append(record)
        return len(records) - 1

    def use_extensions(self, *names: str) -> None:
        """Declare extensions in ``extensionsUsed``, each once."""
        used = self.document.setdefault("extensionsUsed", [])
        used += [name for name in names if name not in used]

    def require_extensions(self, *names: str) -> None:
        """Declare extensions in ``extensionsUsed`` and ``extensionsRequired``, each once."""
        self.use_extensions(*names)
        required = self.document.setdefault("extensionsRequired", [])
        required += [name for name in names if name not in required]

    def view(self, data: bytes, target: int | None = None) -> int:
        """A buffer view over `data`, four-byte aligned."""
        self.blob.extend(b"\0" * (-len(self.blob) % 4))
        record = {"buffer": 0, "byteOffset": len(self.blob), "byteLength": len(data)}
        if target is not None:
            record["target"] = target
        self.blob.extend(data)
        return self.append("bufferViews", record)

    def accessor(
        self,
        array: ndarray,
        *,
        target: int | None = ARRAY_BUFFER,
        bounds: bool = False,
        normalized: bool = False,
    ) -> int:
        """A dense accessor. array: (N,), (N, 2), (N, 3), (N, 4) or (N, 4, 4) of u1, u2, u4, f4.

        A matrix is written column by column, as glTF asks. `bounds` records min and max.
        `normalized`: integers stand for 0 to 1.
        """
        little = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
        by_column = little.swapaxes(1, 2) if little.ndim == 3 else little
        record = {
            "bufferView": self.view(by_column.tobytes(), target),
            "componentType": _COMPONENT[little.dtype.str[1:]],
            "count": len(little),
            "type": _TYPE[little.shape[1:]],
        }
        if normalized:
            record["normalized"] = True
        if bounds:
            record["min"], record["max"] = little.min(0).tolist(), little.max(0).tolist()
        return self.append("accessors", record)

    def sparse_accessor(
        self, indices: Int[ndarray, "K"], values: Float[ndarray, "K 3"], count: int
    ) -> int:
        """`count` VEC3 float zeros of which the rows `indices` (rising, unique) are `values`.

        Equal arguments give one accessor. Without any row it is the shared accessor of `count`
        zeros: sparse, with one zero for its row 0. Many importers refuse accessors that have
        neither a buffer view nor sparse values.
        """
        if len(indices) == 0:
            if count not in self._zeros:
                self._zeros[count] = self._sparse(self._zero_rows(), [0.0] * 3, [0.0] * 3, count)
            return self._zeros[count]
        rows = indices.astype("<u2" if count <= 0xFFFF else "<u4")
        values = np.ascontiguousarray(values, "<f4")
        key = (count, rows.tobytes(), values.tobytes())
        if key in self._sparse_seen:
            return self._sparse_seen[key]
        low, high = values.min(0), values.max(0)
        if len(indices) < count:
            low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
        sparse = self._sparse_rows(rows, values)
        self._sparse_seen[key] = self._sparse(sparse, low.tolist(), high.tolist(), count)
        return self._sparse_seen[key]

    def _sparse(
        self, sparse: dict[str, Any], low: list[float], high: list[float], count: int
    ) -> int:
        record = {
            "componentType": _COMPONENT["f4"],
            "count": count,
            "type": "VEC3",
            "min": low,
            "max": high,
            "sparse": sparse,
        }
        return self.append("accessors", record)

    def _sparse_rows(self, rows: ndarray, values: ndarray) -> dict[str, Any]:
        """The ``sparse`` object of `rows` (u2 or u4) and their `values` (K, 3) f4."""
        return {
            "count": len(rows),
            "indices": {
                "bufferView": self.view(rows.tobytes()),
                "componentType": _COMPONENT[rows.dtype.str[1:]],
            },
            "values": {"bufferView": self.view(values.tobytes())},
        }

    def _zero_rows(self) -> dict[str, Any]:
        """Row 0 with the value 0, in buffer views that all such accessors share."""
        if self._still is None:
            self._still = self._sparse_rows(np.zeros(1, "<u2"), np.zeros((1, 3), "<f4"))
        return self._still

    def values(self, index: int) -> ndarray:
        """What `accessor` or `sparse_accessor` was given, sparse rows filled in; matrices as their
        columns."""
        record = self.document["accessors"][index]
        shape = next(shape for shape, name in _TYPE.items() if name == record["type"])
        kind = np.dtype(_DTYPE[record["componentType"]])
        if "bufferView" in record:
            return np.frombuffer(self.bytes_of(record["bufferView"]), kind).reshape(-1, *shape)
        out = np.zeros((record["count"], *shape), kind)
        sparse = record["sparse"]
        rows = np.frombuffer(
            self.bytes_of(sparse["indices"]["bufferView"]),
            _DTYPE[sparse["indices"]["componentType"]],
        )
        out[rows] = np.frombuffer(self.bytes_of(sparse["values"]["bufferView"]), kind).reshape(
            -1, *shape
        )
        return out

    def bytes_of(self, view: int) -> bytes:
        """What `view` was given."""
        record = self.document["bufferViews"][view]
        start = record["byteOffset"]
        return bytes(self.blob[start : start + record["byteLength"]])

    def image(self, data: bytes, name: str) -> int:
        """An embedded PNG, JPEG or WebP; the index in ``images``."""
        kind = "image/png" if data.startswith(b"\x89PNG") else "image/jpeg"
        kind = "image/webp" if data.startswith(b"RIFF") else kind
        record = {"name": name, "mimeType": kind, "bufferView": self.view(data)}
        return self.append("images", record)

    def texture(self, data: bytes, name: str) -> int:
        """A repeating, trilinear texture; equal bytes give the same texture. WebP makes
        EXT_texture_webp required."""
        if data not in self._textures:
            if "samplers" not in self.document:
                sampler = {"magFilter": LINEAR, "minFilter": LINEAR_MIPMAP_LINEAR}
                self.append("samplers", {**sampler, "wrapS": REPEAT, "wrapT": REPEAT})
            source = {"source": self.image(data, name)}
            if data.startswith(b"RIFF"):
                self.require_extensions(WEBP)
                source = {"extensions": {WEBP: source}}
            self._textures[data] = self.append("textures", {"sampler": 0, **source})
        return self._textures[data]

    def glb(self) -> bytes:
        """The finished file: header, JSON chunk padded with spaces, binary chunk with zeros."""
        blob = bytes(self.blob) + b"\0" * (-len(self.blob) % 4)
        document = {**self.document, "buffers": [{"byteLength": len(blob)}, *self.more_buffers]}
        text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
        text += b" " * (-len(text) % 4)
        total = 12 + 8 + len(text) + 8 + len(blob)
        return b"".join(
            (
                struct.pack("<3I", _MAGIC, _VERSION, total),
                struct.pack("<2I", len(text), _JSON_CHUNK),
                text,
                struct.pack("<2I", len(blob), _BIN_CHUNK),
                blob,
            )
        )
