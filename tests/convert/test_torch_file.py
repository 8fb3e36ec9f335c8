"""torch.save's files, read without torch.load, against torch itself; damaged and hostile ones."""

from __future__ import annotations

import argparse
import io
import random
import struct
import zipfile
from typing import Any

import numpy as np
import pytest
import torch

from portraiture.convert.refusal import RefusalError
from portraiture.convert.torch_file import read_torch
from portraiture.convert.unpickle import Record, view_of

TYPES = (
    torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32,
    torch.int16, torch.int8, torch.uint8, torch.bool,
)  # fmt: skip


def saved(value: object, *, modern: bool) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=modern)
    return stream.getvalue()


def refusal(data: bytes) -> str:
    with pytest.raises(RefusalError) as caught:
        read_torch(data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("modern", [True, False])
def test_tensors_are_what_torch_saved(modern: bool) -> None:
    rng = torch.Generator().manual_seed(0)
    table = {str(t): (torch.rand(3, 5, generator=rng) * 9 - 3).to(t) for t in TYPES}
    table["bits"] = torch.rand(7, generator=rng) > 0.5
    whole = torch.rand(6, 8, generator=rng)
    table |= {"turned": whole.T, "part": whole[1:4, ::2], "whole": whole, "one": torch.tensor(2.0)}
    table["empty"] = torch.zeros(0, 3)
    table["parameter"] = torch.nn.Parameter(whole[0])
    result = read_torch(saved(table, modern=modern))
    assert list(result) == list(table)
    for name, tensor in table.items():
        read = result[name].tensor()
        assert read.dtype == tensor.dtype and read.is_contiguous()
        assert torch.equal(read, tensor.detach()), name


@pytest.mark.parametrize("modern", [True, False])
def test_other_values_are_read_inertly(modern: bool) -> None:
    module = torch.nn.Linear(2, 3)
    value = {
        "args": argparse.Namespace(size=256, name="x", betas=(0.9, 0.99)),
        "state_dict": module.state_dict(),
        "shape": torch.Size([2, 3]),
        "names": {"a", "b"},
        "number": np.float64(0.5),
        "step": 7,
    }
    result = read_torch(saved(value, modern=modern))
    assert isinstance(result["args"], Record)
    assert result["args"].state == {"size": 256, "name": "x", "betas": (0.9, 0.99)}
    assert torch.equal(result["state_dict"]["weight"].tensor(), module.weight.detach())
    assert (result["shape"], result["names"]) == ((2, 3), {"a", "b"})
    assert (result["number"], result["step"]) == (0.5, 7)


@pytest.mark.parametrize("order", ["C", "F"])
def test_numpy_arrays_inside(order: Any) -> None:
    array = np.asarray(np.arange(24.0, dtype=np.float32).reshape(2, 3, 4), order=order)
    view = view_of(read_torch(saved(array, modern=True)))
    assert view is not None
    assert np.array_equal(view.tensor().numpy(), array)


def test_modules_are_refused() -> None:
    assert "torch.nn.modules.linear.Linear" in refusal(saved(torch.nn.Linear(2, 3), modern=True))
    assert "torch.nn.modules.linear.Linear" in refusal(saved(torch.nn.Linear(2, 3), modern=False))


@pytest.mark.parametrize("modern", [True, False])
def test_every_truncation_is_refused(modern: bool) -> None:
    data = saved({"w": torch.ones(4), "v": torch.zeros(2)}, modern=modern)
    for length in range(0, len(data), 7):
        refusal(data[:length])
    refusal(data[:-1])
    if not modern:
        assert "after its end" in refusal(data + b"x")


@pytest.mark.parametrize("modern", [True, False])
def test_random_damage_never_does_anything_but_refuse(modern: bool) -> None:
    data, chance = saved({"w": torch.ones(4), "a": [1, "x"]}, modern=modern), random.Random(3)
    for _ in range(400):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 3)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            read_torch(bytes(damaged))
        except RefusalError as error:
            assert "\n" not in str(error)


def members(value: object) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(saved(value, modern=True))) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def packed(files: dict[str, bytes], **options: Any) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **options) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def test_repacked_files_are_read_and_compressed_ones_refused() -> None:
    files = members(torch.ones(4))
    assert torch.equal(read_torch(packed(files)).tensor(), torch.ones(4))
    assert "compressed" in refusal(packed(files, compression=zipfile.ZIP_DEFLATED))


def test_zip_bombs_are_refused() -> None:
    files = members(torch.ones(4)) | {"archive/data/1": b"\0" * 30_000_000}
    data = packed(files, compression=zipfile.ZIP_DEFLATED, compresslevel=9)
    assert len(data) < 100_000
    assert "compressed" in refusal(data)


@pytest.mark.parametrize(
    "name",
    [
        "../archive/data/9", "/etc/passwd", "archive/../../x", "archive/data/../9", "archive\\x",
        "archive/code/a.py", "archive/constants.pkl", "archive/data/x", "other/data/9", "data.pkl",
        "archive//data/9", "archive/data/1/2", "archive/",
    ],
)  # fmt: skip
def test_paths_in_zip_files_are_refused(name: str) -> None:
    assert "ZIP" in refusal(packed(members(torch.ones(4)) | {name: b"x"}))
    assert "ZIP" in refusal(packed({name: b"x"} | members(torch.ones(4))))


def test_sizes_in_zip_files_must_fit() -> None:
    files = members(torch.ones(4))
    key = next(name for name in files if name.startswith("archive/data/"))
    for data in (b"", files[key][:-1], files[key] + b"\0"):
        refusal(packed(files | {key: data}))
    del files[key]
    assert "missing" in refusal(packed(files))
    assert "torch.save" in refusal(packed({"archive/data/0": b"x"}))


def test_overlapping_members_are_refused() -> None:
    """Many names for the same bytes, as a bomb without compression."""
    files = members(torch.ones(4)) | {"archive/data/1": b"\1" * 4000}
    data = bytearray(packed(files))
    end = data.rindex(b"PK\5\6")
    size, start = struct.unpack("<II", data[end + 12 : end + 20])
    last = data.rindex(b"PK\1\2")
    entry = bytes(data[last:end]).replace(b"data/1", b"data/%d")
    more = b"".join(entry.replace(b"%d", b"%d" % n) for n in range(2, 10))
    count = len(files) + 8
    tail = b"PK\5\6" + struct.pack("<4H2IH", 0, 0, count, count, size + len(more), start, 0)
    assert "overlap" in refusal(bytes(data[:end]) + more + tail)


def test_big_endian_files_are_refused() -> None:
    files = members(torch.ones(4))
    files["archive/byteorder"] = b"big"
    assert "endian" in refusal(packed(files))


def test_shared_data_with_two_types_is_refused() -> None:
    files = members([torch.ones(4), torch.ones(4)])
    pickled = files["archive/data.pkl"]
    assert pickled.count(b"X\x01\x00\x00\x001") == 1
    files["archive/data.pkl"] = pickled.replace(b"X\x01\x00\x00\x001", b"X\x01\x00\x00\x000")
    assert len(read_torch(packed(files))) == 2  # the same data twice is fine
    other = members([torch.ones(4), torch.ones(4, dtype=torch.float64)])
    pickled = other["archive/data.pkl"].replace(b"X\x01\x00\x00\x001", b"X\x01\x00\x00\x000")
    assert "two types" in refusal(packed(other | {"archive/data.pkl": pickled}))
