"""torch.save's files, old (a row of pickles) and new (a ZIP), read without torch.load.

old: magic, version, system, object, keys: five pickles, then each storage as count and bytes
new: `<name>/data.pkl` with the object, `<name>/data/<key>` with each storage, never compressed

`torch.load(weights_only=True)` would refuse plain records such as argparse's Namespace and the
persistent modules, and gives no say about sizes; here every size is checked against the file.
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
from typing import Any

from portraiture.convert.refusal import RefusalError, quoted
from portraiture.convert.tensors import Storage
from portraiture.convert.unpickle import read_pickle, storage_from

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
ZIP_START = b"PK\x03\x04"
LEGACY_START = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
MAX_MEMBERS = 100_000
MAX_PICKLE = 64_000_000
"""Bytes of a ZIP's data.pkl, which holds no tensor data."""

_PREFIX = re.compile(r"[^/\\\x00:]{1,255}")
_MEMBER = re.compile(
    r"data\.pkl|data/\d{1,9}|version|byteorder|\.format_version|\.storage_alignment"
    r"|\.data/serialization_id"
)
"""All that torch.save puts into a ZIP, below the prefix."""


def read_torch(data: bytes) -> Any:
    """The object in a torch.save file of either kind.

    Raises RefusalError for anything that is not exactly one, and for all that `read_pickle`
    refuses.
    """
    if data.startswith(ZIP_START):
        return _read_zip(data)
    if data.startswith(LEGACY_START):
        return _read_legacy(data)
    raise RefusalError("it was not written by torch.save")


def storage_of(data: object) -> Storage:
    """The storage that a pickled tensor carries as a little torch.save file of its own."""
    if not isinstance(data, bytes) or not data.startswith(LEGACY_START):
        raise RefusalError("one of its tensors carries no data that torch wrote")
    storage = _read_legacy(data)
    if not isinstance(storage, Storage):
        raise RefusalError("one of its tensors carries something else than data")
    return storage


def _read_legacy(data: bytes) -> Any:
    position = 0
    given: dict[str, Storage] = {}

    def following(persistent: bool = False) -> Any:
        nonlocal position
        load = (lambda pid: storage_from(pid, given)) if persistent else None
        value, position = read_pickle(data, position, persistent_load=load)
        return value

    if following() != MAGIC or following() != PROTOCOL:
        raise RefusalError("it was not written by torch.save")
    system = following()
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise RefusalError("its numbers are not little-endian")
    value, keys = following(persistent=True), following()
    plain = isinstance(keys, list) and all(isinstance(key, str) for key in keys)
    if not plain or sorted(keys) != sorted(given):
        raise RefusalError("it lists other data than its tensors need")
    rest = memoryview(data)[position:]
    for key in keys:
        storage = given[key]
        if len(rest) < 8 + storage.size:
            raise RefusalError("it ends before its data does")
        if struct.unpack("<q", rest[:8])[0] != storage.count:
            raise RefusalError(f"its data {quoted(key)} has another size than it says")
        storage.fill(rest[8 : 8 + storage.size])
        rest = rest[8 + storage.size :]
    if rest:
        raise RefusalError(f"it goes on for {len(rest):,} bytes after its end")
    return value


def _read_zip(data: bytes) -> Any:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = _members(archive, len(data))
            if "byteorder" in members and archive.read(members["byteorder"]) != b"little":
                raise RefusalError("its numbers are not little-endian")
            if "data.pkl" not in members or members["data.pkl"].file_size > MAX_PICKLE:
                raise RefusalError("it is a ZIP file, but not one that torch.save wrote")
            given: dict[str, Storage] = {}

            def load(pid: object) -> Storage:
                return storage_from(pid, given)

            value, _ = read_pickle(archive.read(members["data.pkl"]), persistent_load=load)
            for key, storage in given.items():
                member = members.get(f"data/{key}")
                if member is None or member.file_size != storage.size:
                    raise RefusalError(f"its data {quoted(key)} is missing or has another size")
                storage.fill(memoryview(archive.read(member)))
            return value
    except (
        zipfile.BadZipFile, EOFError, ValueError, struct.error, NotImplementedError, RuntimeError,
    ) as error:  # fmt: skip
        raise RefusalError(
            f"it is a truncated or damaged ZIP file ({quoted(str(error))})"
        ) from error


def _members(archive: zipfile.ZipFile, length: int) -> dict[str, zipfile.ZipInfo]:
    """The archive's members by their names below the one prefix, all bounds checked."""
    infos = archive.infolist()
    if not 0 < len(infos) <= MAX_MEMBERS:
        raise RefusalError(f"it is a ZIP file with {len(infos):,} members")
    prefix = infos[0].filename.partition("/")[0]
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        root, _, name = info.filename.partition("/")
        if root != prefix or not _PREFIX.fullmatch(root) or root == "..":
            raise RefusalError(f"it is a ZIP file with the path {quoted(info.filename)}")
        if not _MEMBER.fullmatch(name) or name in members:
            raise RefusalError(
                f"it is a ZIP file with an unexpected member {quoted(info.filename)}"
            )
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise RefusalError("it is a compressed ZIP file, which torch.save never writes")
        if info.flag_bits & 1:
            raise RefusalError("it is an encrypted ZIP file")
        members[name] = info
    if sum(info.file_size for info in infos) > length:
        raise RefusalError("it is a ZIP file whose members overlap")
    return members
