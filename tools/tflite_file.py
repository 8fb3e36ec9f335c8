"""Read a .tflite file: its operations, and its constants with Densify and Dequantize carried out.

Only what `convert_landmarks` meets: one graph, no quantised integers. The numbers of fields are
those of TensorFlow Lite's schema.fbs.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

BUILTINS = {
    0: "add",
    1: "average_pool",
    2: "concatenation",
    3: "conv",
    4: "depthwise",
    5: "depth_to_space",
    6: "dequantize",
    14: "logistic",
    17: "max_pool",
    18: "mul",
    19: "relu",
    22: "reshape",
    23: "resize",
    34: "pad",
    45: "strided_slice",
    54: "prelu",
    117: "hard_swish",
    124: "densify",
}
"""BuiltinOperator of TensorFlow Lite's schema.fbs, as far as these files use it."""

DTYPES = {0: np.float32, 1: np.float16, 2: np.int32}


class Table:
    """A table of a flatbuffer: fields by their number in the schema."""

    def __init__(self, buffer: bytes, position: int):
        self.buffer, self.position = buffer, position
        self.vtable = position - self._read("<i", position)
        self.size = self._read("<H", self.vtable)

    def _read(self, form: str, position: int) -> Any:
        return struct.unpack_from(form, self.buffer, position)[0]

    def _field(self, number: int) -> int | None:
        entry = 4 + 2 * number
        offset = self._read("<H", self.vtable + entry) if entry < self.size else 0
        return self.position + offset if offset else None

    def _target(self, number: int) -> int | None:
        place = self._field(number)
        return None if place is None else place + self._read("<I", place)

    def scalar(self, number: int, form: str = "b", default: Any = 0) -> Any:
        place = self._field(number)
        return default if place is None else self._read("<" + form, place)

    def table(self, number: int) -> Table | None:
        place = self._target(number)
        return None if place is None else Table(self.buffer, place)

    def array(self, number: int, dtype: Any) -> ndarray:
        place = self._target(number)
        if place is None:
            return np.zeros(0, dtype)
        return np.frombuffer(self.buffer, dtype, self._read("<I", place), place + 4)

    def text(self, number: int) -> str:
        return self.array(number, np.uint8).tobytes().decode()

    def tables(self, number: int) -> list[Table]:
        place = self._target(number)
        if place is None:
            return []
        starts = [place + 4 + 4 * i for i in range(self._read("<I", place))]
        return [Table(self.buffer, start + self._read("<I", start)) for start in starts]


@dataclass
class Operation:
    """One operation of the original. inputs, outputs: numbers of tensors; options: its table."""

    kind: str
    inputs: list[int]
    outputs: list[int]
    options: Table | None
    custom: bytes

    def option(self, number: int, form: str = "b", default: Any = 0) -> Any:
        return default if self.options is None else self.options.scalar(number, form, default)


@dataclass
class Original:
    """A .tflite file's only graph. constants: values of the tensors known before it runs."""

    operations: list[Operation]
    shapes: list[tuple[int, ...]]
    names: list[str]
    inputs: list[int]
    outputs: list[int]
    constants: dict[int, ndarray] = field(default_factory=dict)


def read(path: Path) -> Original:
    """The graph of a .tflite file, its constants decoded (Densify and Dequantize carried out)."""
    data = path.read_bytes()
    model = Table(data, struct.unpack_from("<I", data)[0])
    kinds = []
    for code in model.tables(1):
        number = max(code.scalar(0), code.scalar(3, "i"))
        kinds.append(code.text(1) if number == 32 else BUILTINS[number])
    (graph,), buffers = model.tables(2), model.tables(4)
    tensors = graph.tables(0)
    operations = [
        Operation(
            kinds[one.scalar(0, "I")],
            one.array(1, np.int32).tolist(),
            one.array(2, np.int32).tolist(),
            one.table(4),
            one.array(5, np.uint8).tobytes(),
        )
        for one in graph.tables(3)
    ]
    original = Original(
        operations,
        [tuple(one.array(0, np.int32).tolist()) for one in tensors],
        [one.text(3) for one in tensors],
        graph.array(1, np.int32).tolist(),
        graph.array(2, np.int32).tolist(),
    )
    for number, tensor in enumerate(tensors):
        content = buffers[tensor.scalar(2, "I")].array(0, np.uint8)
        if content.size:
            values = content.view(DTYPES[tensor.scalar(1)])
            sparsity = tensor.table(6)
            shape = original.shapes[number]
            original.constants[number] = (
                values.reshape(shape) if sparsity is None else densified(values, shape, sparsity)
            )
    for one in operations:
        if one.kind in ("dequantize", "densify"):
            original.constants[one.outputs[0]] = original.constants[one.inputs[0]]
    original.operations = [one for one in operations if one.outputs[0] not in original.constants]
    return original


def densified(values: ndarray, shape: tuple[int, ...], sparsity: Table) -> ndarray:
    """A sparse tensor of TensorFlow Lite as a dense one (SparsityParameters of schema.fbs)."""
    order = sparsity.array(0, np.int32).tolist()
    blocks = sparsity.array(1, np.int32).tolist()
    levels = sparsity.tables(2)
    sizes, dense = list(shape), np.zeros(shape, values.dtype)
    inner = []
    for place, axis in enumerate(blocks):
        block = levels[len(shape) + place].scalar(1, "i")
        sizes[axis] //= block
        inner.append(block)
    sizes += inner
    at = iter(values)

    def walk(level: int, index: dict[int, int], position: int) -> None:
        if level == len(levels):
            cell = [index[axis] for axis in range(len(shape))]
            for place, axis in enumerate(blocks):
                cell[axis] = cell[axis] * inner[place] + index[len(shape) + place]
            dense[tuple(cell)] = flat[position]
            return
        axis, meta = order[level], levels[level]
        if meta.scalar(0) == 0:
            size = meta.scalar(1, "i")
            for i in range(size):
                walk(level + 1, index | {axis: i}, position * size + i)
            return
        segments, indices = segment(meta, 3), segment(meta, 5)
        for k in range(segments[position], segments[position + 1]):
            walk(level + 1, index | {axis: int(indices[k])}, k)

    flat = list(at)
    walk(0, {}, 0)
    return dense


def segment(level: Table, number: int) -> ndarray:
    """A SparseIndexVector union of a DimensionMetadata."""
    dtype = {1: np.int32, 2: np.uint16, 3: np.uint8}[level.scalar(number - 1, "B")]
    content = level.table(number)
    assert content is not None
    return content.array(0, dtype)
