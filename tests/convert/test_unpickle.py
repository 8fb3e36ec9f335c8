"""Pickles are data here: what is not on the list is refused, and nothing is ever executed."""

from __future__ import annotations

import pickle
import random
import struct
from pathlib import Path
from typing import Any

import pytest
import torch

from portraiture.convert.refusal import RefusalError
from portraiture.convert.scan import MAX_DEPTH, scan
from portraiture.convert.torch_file import storage_of
from portraiture.convert.unpickle import Module, Record, read_pickle


def read(data: bytes) -> Any:
    return read_pickle(data, load_bytes=storage_of)[0]


def refusal(data: bytes) -> str:
    with pytest.raises(RefusalError) as caught:
        read(data)
    reason = str(caught.value)
    assert "\n" not in reason and len(reason) < 300
    return reason


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_plain_values_are_what_pickle_makes_of_them(protocol: int) -> None:
    value = {"a": [1, 2.5, None, True], "b": (1, (2, 3)), "c": {"d": "é"}, "e": -7, 3: "x" * 300}
    value["again"] = value["a"]
    result = read(pickle.dumps(value, protocol=protocol))
    assert result == value
    assert result["again"] is result["a"]


@pytest.mark.parametrize(
    ("module", "name", "argument"),
    [
        ("posix", "system", "touch {marker}"),
        ("os", "system", "touch {marker}"),
        ("nt", "system", "touch {marker}"),
        ("subprocess", "getoutput", "touch {marker}"),
        ("builtins", "eval", "open({marker!r}, 'w')"),
        ("builtins", "exec", "open({marker!r}, 'w')"),
        ("__builtin__", "eval", "open({marker!r}, 'w')"),
        ("builtins", "getattr", "x"),
        ("builtins", "print", "x"),
        ("torch", "load", "{marker}"),
        ("torch.hub", "load", "{marker}"),
        ("torch.nn.modules.linear", "Linear", "x"),
        ("collections", "OrderedDict.fromkeys", "x"),
        ("collections.OrderedDict", "__init__", "x"),
        ("pickle", "loads", "x"),
    ],
)
@pytest.mark.parametrize("opcode", ["GLOBAL", "STACK_GLOBAL"])
def test_other_names_are_refused(
    craft: Any, tmp_path: Path, module: str, name: str, argument: str, opcode: str
) -> None:
    marker = tmp_path / "executed"
    function = craft.name(module, name)
    if opcode == "GLOBAL":
        function = f"c{module}\n{name}\n".encode()
    body = craft.call(function, craft.text(argument.format(marker=str(marker))))
    assert f"{module}.{name}" in refusal(craft.file(body))
    assert not marker.exists()


def test_a_reducer_deep_inside_is_refused_too(craft: Any, tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    attack = craft.call(craft.name("posix", "system"), craft.text(f"touch {marker}"))
    module = craft.persistent("Generator", {"_parameters": craft.dict({"w": attack})})
    assert "posix.system" in refusal(craft.file(craft.dict({"G_ema": module})))
    # in the little torch file that a tensor carries
    inner = b"".join(
        pickle.dumps(v, 2) for v in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    )
    inner += craft.file(attack) + pickle.dumps([], 2)
    body = craft.call(craft.name("torch.storage", "_load_from_bytes"), craft.value(inner))
    assert "posix.system" in refusal(craft.file(body))
    assert not marker.exists()


def test_persistent_classes_are_inert(craft: Any) -> None:
    source = craft.persistent("Generator", {"z_dim": craft.value(512)})
    module = read(craft.file(source))
    assert isinstance(module, Module)
    assert (module.class_name, module.state) == ("Generator", {"z_dim": 512})
    assert not hasattr(module, "module_src")


@pytest.mark.parametrize(
    "body",
    [
        b"(cposix\nsystem\nX\x01\x00\x00\x00xo",  # OBJ
        b"(X\x01\x00\x00\x00xiposix\nsystem\n",  # INST
        b"\x82\x01",  # EXT1
        b"\x84\x01\x00\x00\x00",  # EXT4
        b"I1\n",  # text of protocol 0
        b"Px\n",  # PERSID
        b"\x96\x01\x00\x00\x00\x00\x00\x00\x00x",  # BYTEARRAY8
        b"\x97",  # NEXT_BUFFER
        b"N0N",  # POP
        b"N2\x86",  # DUP
    ],
)
def test_opcodes_that_checkpoints_never_use_are_refused(craft: Any, body: bytes) -> None:
    assert "which no checkpoint needs" in refusal(craft.file(body))


def test_every_truncation_is_refused(craft: Any) -> None:
    data = craft.file(craft.persistent("Generator", {"w": craft.value(torch.ones(3))}))
    assert isinstance(read(data), Module)
    for length in range(len(data)):
        refusal(data[:length])


@pytest.mark.parametrize(
    "body",
    [
        b"\x8e" + struct.pack("<Q", 1 << 60) + b"x",  # BINBYTES8
        b"\x8d" + struct.pack("<Q", 1 << 60) + b"x",  # BINUNICODE8
        b"B" + struct.pack("<I", 0xFFFFFFFF) + b"x",  # BINBYTES
        b"Nr" + struct.pack("<I", 0x7FFFFFFF),  # LONG_BINPUT
        b"j" + struct.pack("<I", 0x7FFFFFFF),  # LONG_BINGET
        b"\x8b" + struct.pack("<i", 0x7FFFFFFF) + b"x",  # LONG4
        b"\x95" + struct.pack("<Q", 1 << 60) + b"N",  # FRAME
    ],
)
def test_absurd_sizes_are_refused(craft: Any, body: bytes) -> None:
    reason = refusal(craft.file(body))
    assert "truncated" in reason or "with gaps" in reason


@pytest.mark.parametrize(
    ("shape", "stride", "offset"),
    [
        ((1 << 40,), (1,), 0),
        ((1 << 20, 1 << 20), (0, 0), 0),
        ((5,), (1,), 0),
        ((4,), (1,), 1),
        ((2, 2), (3, 1), 0),
        ((4,), (-1,), 3),
        ((4,), (1,), -1),
        ((-1,), (1,), 0),
        ((4,), (1, 1), 0),
        ((True,), (1,), 0),
        ((1,) * 9, (1,) * 9, 0),
        ((2.0,), (1,), 0),
    ],
)
def test_tensors_stay_within_their_data(
    craft: Any, shape: tuple[int, ...], stride: tuple[int, ...], offset: int
) -> None:
    """Four numbers are there."""
    storage = craft.call(
        craft.name("torch.storage", "_load_from_bytes"), craft.value(_legacy_storage(craft, 4))
    )
    rebuild = craft.name("torch._utils", "_rebuild_tensor_v2")
    arguments = (storage, craft.value(offset), craft.value(shape), craft.value(stride))
    reason = refusal(craft.file(craft.call(rebuild, *arguments, craft.false, craft.none)))
    assert reason.startswith("one of its tensors")


def _legacy_storage(craft: Any, count: int, *, claimed: int | None = None) -> bytes:
    """What torch.save(storage) writes in the old format."""
    head = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    pid = craft.tuple(
        craft.text("storage"),
        craft.name("torch", "FloatStorage"),
        *(craft.text("7"), craft.text("cpu")),
        *(craft.value(count if claimed is None else claimed), craft.none),
    )
    parts = [pickle.dumps(v, 2) for v in head] + [craft.file(pid + b"Q"), pickle.dumps(["7"], 2)]
    return b"".join(parts) + struct.pack("<q", count) + b"\0" * 4 * count


@pytest.mark.parametrize("keys", [[7], ["8"], ["7", "7"], [], "7", None, [["7"]]])
def test_storages_must_be_the_listed_ones(craft: Any, keys: object) -> None:
    data = _legacy_storage(craft, 4)
    with pytest.raises(RefusalError, match="lists other data"):
        storage_of(data.replace(pickle.dumps(["7"], 2), pickle.dumps(keys, 2)))


@pytest.mark.parametrize("claimed", [0, 3, 5, 1 << 40, -1])
def test_storages_that_lie_about_their_size_are_refused(craft: Any, claimed: int) -> None:
    assert storage_of(_legacy_storage(craft, 4)).size == 16
    with pytest.raises(RefusalError):
        storage_of(_legacy_storage(craft, 4, claimed=claimed))


@pytest.mark.parametrize(
    ("start", "step"),
    [(b"", b"]"), (b"N", b"\x85"), (b"", b"}X\x01\x00\x00\x00a"), (b"", b"(")],
    ids=["lists", "tuples", "dicts", "marks"],
)
def test_deep_nesting_is_refused(craft: Any, start: bytes, step: bytes) -> None:
    ends = {b"]": b"a", b"}X\x01\x00\x00\x00a": b"s", b"(": b"t", b"\x85": b""}
    for depth, fine in ((MAX_DEPTH // 2, True), (MAX_DEPTH * 4, False), (30_000, False)):
        data = craft.file(
            start + step * depth + (b"N" + ends[step] * depth if step != b"\x85" else b"")
        )
        if fine:
            read(data)
        else:
            assert "deep" in refusal(data)


def test_keys_that_take_for_ever_to_hash_are_refused(craft: Any) -> None:
    """A tuple of twice the same tuple, 60 times over, has 2^60 leaves."""
    body, index = b"N\x85q\x00", 0
    for index in range(60):
        body += b"h" + bytes([index]) + b"\x86" + b"q" + bytes([index + 1])
    assert "nested values as keys" in refusal(craft.file(b"}" + body + b"Ns"))
    assert "nested values as keys" in refusal(craft.file(b"\x8f(" + body + b"\x90"))
    assert "nested values as keys" in refusal(craft.file(b"(" + body + b"\x91"))


def test_nothing_sticks_to_the_stand_ins(craft: Any) -> None:
    """BUILD may not change our functions or classes, nor what the next file gets."""
    function = craft.name("torch.storage", "_load_from_bytes")
    refusal(craft.file(function + craft.dict({"x": craft.none}) + b"b"))
    kind = craft.name("argparse", "Namespace")
    refusal(craft.file(kind + craft.dict({"x": craft.none}) + b"b"))
    slots = craft.tuple(craft.none, craft.dict({"__setstate__": craft.none}))
    refusal(craft.file(kind + slots + b"b"))
    made = craft.file(kind + b")\x81" + craft.dict({"x": craft.value(3)}) + b"b")
    first, second = read(made), read(made)
    assert isinstance(first, Record) and first.state == second.state == {"x": 3}
    assert type(first) is not type(second)


def test_a_class_is_not_called_with_arguments(craft: Any) -> None:
    for name, reason in (
        (("argparse", "Namespace"), "with arguments"),
        (("collections", "OrderedDict"), "through its class"),
    ):
        made = craft.file(craft.call(craft.name(*name), craft.value([["a", 1]])))
        assert reason in refusal(made)


def test_random_damage_never_does_anything_but_refuse(craft: Any) -> None:
    """Bytes changed at random: either it reads, or it is refused in one sentence."""
    tensor = craft.value({"w": torch.arange(6.0).reshape(2, 3)})
    data = craft.file(craft.persistent("G", {"a": tensor, "b": craft.value((1, "x"))}))
    chance, refused = random.Random(7), 0
    for _ in range(600):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            read(bytes(damaged))
        except RefusalError:
            refused += 1
    assert refused > 300


def test_the_scan_says_where_a_pickle_ends() -> None:
    data = pickle.dumps({"a": 1}, 2)
    assert scan(data + b"more") == len(data)
