"""One photo of a batch: its files whole in their folder, or a reason why not."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from portraiture.batch.manifest import State
from portraiture.errors import (
    AssetError,
    CancelledError,
    CheckpointError,
    DeviceError,
    OutputError,
    PortraitureError,
    ReaderError,
)
from portraiture.paths import cannot_write

log = logging.getLogger(__name__)

Do = Callable[[Path, Path], object]
"""Makes a new folder, the second argument, of a photo, the first: whole or not at all."""
MakeDo = Callable[[], Do]
"""Loads what is needed, once a process; picklable."""
LEFTOVER = ".portraiture-*.partial"
OURS = (AssetError, CancelledError, CheckpointError, DeviceError, OutputError, ReaderError)
"""Errors that say nothing against the photo."""


@dataclass(frozen=True)
class Task:
    """A photo and the folder that its files go to, which is replaced if it exists."""

    name: str
    photo: Path
    folder: Path


@dataclass(frozen=True)
class Outcome:
    """See `batch.manifest.Entry`."""

    state: State
    reason: str
    seconds: float
    outputs: tuple[str, ...] = ()


def attempt(do: Do, task: Task) -> Outcome:
    """Do one photo. Raises nothing but what ends the process."""
    start = time.monotonic()
    try:
        outputs = _attempt(do, task)
    except PortraitureError as error:
        state: State = "failed" if isinstance(error, OURS) else "refused"
        return Outcome(state, str(error), time.monotonic() - start)
    except Exception as error:
        log.exception("%s failed", task.name)
        sentence = f"It went wrong ({type(error).__name__}: {' '.join(str(error).split())[:200]})."
        return Outcome("failed", sentence, time.monotonic() - start)
    return Outcome("done", "", time.monotonic() - start, outputs)


def _attempt(do: Do, task: Task) -> tuple[str, ...]:
    """Names of the files, relative to the folder's own parent. Raises OutputError."""
    out = task.folder.parent
    made, before = (out / LEFTOVER.replace("*", secrets.token_hex(6)) for _ in range(2))
    try:
        do(task.photo, made)
        names = sorted(path.relative_to(made) for path in made.rglob("*") if path.is_file())
        if os.path.lexists(task.folder):
            task.folder.rename(before)
        try:
            made.rename(task.folder)
        except OSError:
            with suppress(OSError):
                before.rename(task.folder)
            raise
        _sync(out)
    except OSError as error:
        raise cannot_write(task.folder, error) from error
    finally:
        for folder in (made, before):
            shutil.rmtree(folder, ignore_errors=True)
    return tuple((task.folder.name / name).as_posix() for name in names)


def _sync(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows has no handle for a folder
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(out: Path) -> None:
    """Remove what a killed batch left half done."""
    for path in out.glob(LEFTOVER):
        shutil.rmtree(path, ignore_errors=True)
