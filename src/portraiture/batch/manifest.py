"""What became of every photo of a batch: a Parquet file, and a journal that outlives a kill.

begin ─▶ journal ◀─ record, synced, as soon as the files of a photo are in their place
            └─ now and then, and at the end ─▶ manifest.parquet
Who reads a manifest reads both; the journal is emptied when the Parquet file has all.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from portraiture.errors import BatchError
from portraiture.media import atomic_path
from portraiture.paths import cannot_write

MANIFEST, JOURNAL = "manifest.parquet", ".manifest.journal"
WRITE_S = 30.0
"""Between two Parquet files while a batch runs."""
PREFIX = "portraiture."
"""Of the options among the file's metadata."""

State = Literal["done", "refused", "failed"]


@dataclass(frozen=True)
class Entry:
    """name, sha256: of the photo. refused: for a reason that stays, such as no face in it; failed:
    to be tried again. reason: one sentence, "" where done. seconds: that it took. outputs: files,
    relative to the batch's folder."""

    name: str
    sha256: str
    state: State
    reason: str = ""
    seconds: float = 0.0
    outputs: tuple[str, ...] = ()


class Manifest:
    """The manifest of the batch in `out`, which must exist, for one process at a time.

    facts: the batch's options, which are the same every time. entries: by name. begun: folders that
    photos without an entry were to be written to. Raises BatchError where another process has it,
    it was made with other options, is damaged, or pyarrow is missing; OutputError.
    """

    def __init__(self, out: Path, facts: Mapping[str, str]) -> None:
        self._out, self._facts, self._written = out, dict(facts), time.monotonic()
        self.entries: dict[str, Entry] = {}
        self.begun: set[str] = set()
        _parquet()
        try:
            self._journal = os.open(out / JOURNAL, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise cannot_write(out, error) from error
        try:
            _lock(self._journal, out)
            self._read()
            if not (out / MANIFEST).exists():
                self.write()  # a rerun with other options is refused from now on
        except BaseException:
            os.close(self._journal)
            raise

    def begin(self, folders: Sequence[str]) -> None:
        """From now on these folders are the batch's, which may replace what is in them."""
        self.begun.update(folders)
        self._append([{"begin": folder} for folder in folders])

    def record(self, entry: Entry) -> None:
        """A photo is through. It is on the disk when this returns. Raises OutputError."""
        self._append([asdict(entry)])
        self._keep(entry)
        if time.monotonic() > self._written + WRITE_S:
            self.write()

    def write(self) -> None:
        """Write the Parquet file. Raises OutputError."""
        arrow, parquet = _parquet()
        fields = {"name": arrow.string(), "sha256": arrow.string(), "state": arrow.string(),
                  "reason": arrow.string(), "seconds": arrow.float64(),
                  "outputs": arrow.list_(arrow.string())}  # fmt: skip
        rows = [asdict(self.entries[name]) for name in sorted(self.entries)]
        facts = {PREFIX + name: value for name, value in self._facts.items()}
        schema = arrow.schema(list(fields.items()), metadata=facts)
        with atomic_path(self._out / MANIFEST) as partial:
            parquet.write_table(arrow.Table.from_pylist(rows, schema=schema), partial)
        self._written = time.monotonic()

    def close(self) -> None:
        """Write the Parquet file and let others use the batch. Raises OutputError."""
        try:
            self.write()
            if not self.begun:
                os.ftruncate(self._journal, 0)
        finally:
            os.close(self._journal)

    def _keep(self, entry: Entry) -> None:
        self.entries[entry.name] = entry
        self.begun -= {Path(output).parts[0] for output in entry.outputs}

    def _append(self, lines: Iterable[Mapping[str, Any]]) -> None:
        text = "".join(json.dumps(line) + "\n" for line in lines).encode()
        try:
            while text:
                text = text[os.write(self._journal, text) :]
            os.fsync(self._journal)
        except OSError as error:
            raise cannot_write(self._out / MANIFEST, error) from error

    def _read(self) -> None:
        for entry in read_table(self._out, self._facts):
            self._keep(entry)
        text = (self._out / JOURNAL).read_bytes()
        for line in text.splitlines():
            with suppress(ValueError, TypeError):  # a line that a kill or a full disk cut short
                values = json.loads(line)
                if "begin" in values:
                    self.begun.add(values["begin"])
                else:
                    self._keep(Entry(**{**values, "outputs": tuple(values["outputs"])}))
        if text and not text.endswith(b"\n"):
            os.write(self._journal, b"\n")


def read_table(out: Path, facts: Mapping[str, str]) -> list[Entry]:
    """The entries of the Parquet file, if there is one. Raises BatchError."""
    arrow, parquet = _parquet()
    path = out / MANIFEST
    if not path.exists():
        return []
    try:
        table = parquet.read_table(path)
        found = {
            key.decode().removeprefix(PREFIX): value.decode()
            for key, value in (table.schema.metadata or {}).items()
            if key.decode().startswith(PREFIX)
        }
        entries = [Entry(**{**row, "outputs": tuple(row["outputs"])}) for row in table.to_pylist()]
    except (arrow.ArrowException, OSError, TypeError, ValueError, KeyError) as error:
        raise BatchError(f"{path} is damaged; delete it, and all photos are done anew.") from error
    if found != dict(facts):
        said = ", ".join(f"{name} {value}" for name, value in found.items())
        raise BatchError(f"{out} holds a batch with {said}; give another folder.")
    return entries


def _parquet() -> tuple[Any, Any]:
    """pyarrow and its part for Parquet."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise BatchError(
            'A batch needs pyarrow; install it with pip install "portraiture[batch]".'
        ) from error
    return pyarrow, pyarrow.parquet


def _lock(handle: int, out: Path) -> None:
    """For this process, until it ends. Raises BatchError where another one has it."""
    try:
        import fcntl
    except ImportError:
        fcntl = None  # Windows
    try:
        if fcntl is None:
            _lock_on_windows(handle)
        else:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise BatchError(f"Another batch is writing to {out}; wait for it to end.") from error


def _lock_on_windows(handle: int) -> None:
    """A byte far behind the end, since locked bytes cannot be read. Raises OSError."""
    import msvcrt

    os.lseek(handle, 1 << 30, os.SEEK_SET)
    msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
