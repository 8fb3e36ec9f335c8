"""Tensors of a foreign file as views of bytes, made into real ones only after their bounds hold."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor

from portraiture.convert.refusal import RefusalError, quoted

MAX_ELEMENTS = 1 << 31
MAX_RANK = 8

STORAGES: dict[str, torch.dtype] = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
"""torch's names of typed storages."""

NUMPY: dict[str, torch.dtype] = {
    "f8": torch.float64,
    "f4": torch.float32,
    "f2": torch.float16,
    "i8": torch.int64,
    "i4": torch.int32,
    "i2": torch.int16,
    "i1": torch.int8,
    "u1": torch.uint8,
    "b1": torch.bool,
}
"""numpy's codes of types."""


@dataclass
class Storage:
    """A flat run of `count` little-endian numbers. data: None until the file has come to them."""

    dtype: torch.dtype
    count: int
    data: memoryview | None = None

    def __post_init__(self) -> None:
        if type(self.count) is not int or not 0 <= self.count <= MAX_ELEMENTS:
            raise RefusalError(f"one of its tensors claims {quoted(self.count)} elements")

    @property
    def size(self) -> int:
        """Bytes."""
        return self.count * self.dtype.itemsize

    def fill(self, data: memoryview) -> None:
        if len(data) != self.size:
            raise RefusalError(f"one of its tensors has {len(data)} bytes instead of {self.size}")
        self.data = data


@dataclass(frozen=True)
class Strided:
    """A tensor: a view of a storage. Inert until `tensor` is called."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def __post_init__(self) -> None:
        numbers = (self.offset, *self.shape, *self.stride)
        if any(type(n) is not int or not 0 <= n <= MAX_ELEMENTS for n in numbers):
            raise RefusalError("one of its tensors has a shape that is not made of whole numbers")
        if len(self.shape) != len(self.stride) or len(self.shape) > MAX_RANK:
            raise RefusalError(f"one of its tensors has {len(self.shape)} dimensions")
        count = prod(self.shape)
        if count == 0:
            return
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.stride, strict=True))
        if last >= self.storage.count or count > self.storage.count:
            raise RefusalError(f"one of its tensors of shape {self.shape} reaches beyond its data")

    def tensor(self) -> Tensor:
        """A copy of its own, contiguous, with the file's type."""
        data = self.storage.data
        if prod(self.shape) == 0:
            return torch.zeros(self.shape, dtype=self.storage.dtype)
        if data is None:
            raise RefusalError("one of its tensors has no data")
        if self.storage.dtype == torch.bool:  # other bytes than 0 and 1 are not valid booleans
            flat = torch.frombuffer(bytearray(data), dtype=torch.uint8).ne(0)
        else:
            flat = torch.frombuffer(bytearray(data), dtype=self.storage.dtype)
        return flat.as_strided(self.shape, self.stride, self.offset).clone().contiguous()


def strided(storage: object, offset: object, shape: object, stride: object) -> Strided:
    """Raises RefusalError unless all four are what torch writes."""
    if (
        not isinstance(storage, Storage)
        or not isinstance(shape, tuple)
        or not isinstance(stride, tuple)
        or not isinstance(offset, int)
    ):
        raise RefusalError("one of its tensors is malformed")
    return Strided(storage, offset, shape, stride)


def from_numpy(code: str, shape: tuple[int, ...], columns_first: bool, data: bytes) -> Strided:
    """An array as numpy pickles it: type code, shape, order and little-endian bytes."""
    if code not in NUMPY:
        raise RefusalError(f"one of its arrays has the type {quoted(code)}")
    if any(type(n) is not int or not 0 <= n <= MAX_ELEMENTS for n in shape):
        raise RefusalError("one of its arrays has a shape that is not made of whole numbers")
    storage = Storage(NUMPY[code], prod(shape))
    storage.fill(memoryview(data))
    steps = [1]
    for n in shape[:-1] if columns_first else shape[:0:-1]:
        steps.append(steps[-1] * n)
    stride = tuple(steps if columns_first else steps[::-1])[: len(shape)]
    return Strided(storage, 0, tuple(shape), stride)
