"""Folders of results: whole or absent, and none that no result names.

written under another name ─▶ synced ─▶ renamed ─▶ named by a result, with the end of its job
A worker that dies on the way leaves a folder that no result names, which `sweep` removes.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from portraiture.jobs.table import JobTable
from portraiture.paths import cannot_write

NAME = re.compile(r"\.?([0-9a-f]{32})-[0-9a-f]{8}(\.partial)?")
"""Of a folder, finished or not; the first group is the id of its job or result."""
GRACE_S = 600.0
"""Age under which a sweep leaves a folder, for whoever is about to name it in a result."""


@dataclass(frozen=True)
class Staged:
    """path: the folder to write into. final: where it will be."""

    path: Path
    final: Path


@contextmanager
def result_folder(root: Path, id: str) -> Iterator[Staged]:
    """A new folder in `root` for what a job or a revision makes; at the end of the block its files
    are synced and it gets its final name, which is new every time. When the block raises, nothing
    is left. id: the job's or result's. Raises OutputError."""
    name = f"{id}-{secrets.token_hex(4)}"
    if not NAME.fullmatch(name):
        raise ValueError("a folder of results is named by 32 hexadecimal digits")
    staged = Staged(root / f".{name}.partial", root / name)
    try:
        try:
            staged.path.mkdir(parents=True)
            yield staged
            for folder, _, files in os.walk(staged.path):
                for file in files:
                    _sync(Path(folder) / file)
                _sync(Path(folder))
            staged.path.rename(staged.final)
            _sync(root)
        except OSError as error:
            raise cannot_write(staged.final, error) from error
    except BaseException:
        shutil.rmtree(staged.path, ignore_errors=True)
        shutil.rmtree(staged.final, ignore_errors=True)
        raise


def _sync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":
        return  # Windows has no handle for a folder
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(table: JobTable, root: Path, *, grace: float = GRACE_S) -> list[str]:
    """Remove the folders in `root` that no result names and whose job does not run; their names.
    grace: seconds for which a folder has not changed; files with other names are never touched.
    Raises StorageError."""
    if not root.is_dir():
        return []
    before = time.time() - grace
    found = [(path, NAME.fullmatch(path.name)) for path in root.iterdir()]
    used = table.in_use()  # after listing: what has been named since then is among them
    removed = []
    for path, match in found:
        if not match or path.name in used.folders or match[1] in used.jobs:
            continue
        try:
            if path.stat().st_mtime > before:
                continue
        except OSError:
            continue
        shutil.rmtree(path, ignore_errors=True)
        removed.append(path.name)
    return removed
