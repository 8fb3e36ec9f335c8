"""Editing directions in all the forms that they come in."""

from __future__ import annotations

import io
import pickle
import struct
from typing import Any

import numpy as np
import pytest
import torch

from portraiture.convert.refusal import RefusalError
from portraiture.convert.run import read_foreign

SHAPES = {
    (512,): (512,), (1, 512): (512,), (14, 512): (14, 512), (1, 14, 512): (14, 512),
    (18, 512): (18, 512), (1, 1, 512): (1, 512),
}  # fmt: skip


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def saved(value: object, *, modern: bool = True) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=modern)
    return stream.getvalue()


@pytest.mark.parametrize(("shape", "kept"), SHAPES.items())
@pytest.mark.parametrize("form", ["npy", "npy float64", "fortran", "zip", "legacy", "array", "pkl"])
def test_every_form(shape: tuple[int, ...], kept: tuple[int, ...], form: str) -> None:
    tensor = torch.randn(shape, generator=torch.Generator().manual_seed(4))
    array = tensor.numpy()
    data = {
        "npy": lambda: npy(array),
        "npy float64": lambda: npy(array.astype(np.float64)),
        "fortran": lambda: npy(np.asfortranarray(array)),
        "zip": lambda: saved(tensor),
        "legacy": lambda: saved(tensor, modern=False),
        "array": lambda: saved(array),
        "pkl": lambda: pickle.dumps(array, protocol=4),
    }[form]()
    converted = read_foreign(data)
    assert converted.model == "direction"
    assert list(converted.tensors) == ["direction"]
    assert torch.equal(converted.tensors["direction"], tensor.reshape(kept))


@pytest.mark.parametrize("shape", [(), (1,), (511,), (2, 14, 512), (19, 512), (512, 14), (0, 512)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    for data in (npy(np.ones(shape, np.float32)), saved(torch.ones(shape))):
        with pytest.raises(RefusalError):
            read_foreign(data)


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_useless_directions_are_refused(value: float) -> None:
    with pytest.raises(RefusalError, match="zero or not finite"):
        read_foreign(saved(torch.full((1, 512), value)))


def test_arrays_of_objects_are_refused() -> None:
    with pytest.raises(RefusalError, match="object"):
        read_foreign(npy(np.array([{"a": 1}] * 512, dtype=object)))


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-512,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (513,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (True,), }",
        "{'descr': '|O', 'fortran_order': False, 'shape': (512,), }",
        "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (512,), }",
        "{'descr': '<U1', 'fortran_order': False, 'shape': (512,), }",
        "__import__('os').system('true')",
        "((((",
        "{",
        "-" * 9000,
        "(" * 9000,
    ],
)
def test_npy_headers_that_lie_are_refused(header: str) -> None:
    text = header.encode() + b"\n"
    data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + b"\1" * 2048
    with pytest.raises(RefusalError):
        read_foreign(data)


def test_truncated_npy_files_are_refused() -> None:
    data = npy(np.ones((1, 512), np.float32))
    for length in range(0, len(data), 5):
        with pytest.raises(RefusalError):
            read_foreign(data[:length])


def test_a_table_of_other_things_is_no_direction(craft: Any) -> None:
    for root in ({}, {"a": 1}, [1, 2], None, {"direction": torch.ones(512)}):
        with pytest.raises(RefusalError, match="no network"):
            read_foreign(saved(root))
