"""Whether results can be written to a path: asked before any work, answered in one sentence."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from portraiture.errors import OutputError, PortraitureError


def check_name(path: Path | str, error: type[PortraitureError] = OutputError) -> None:
    """Raise `error` when a name is not UTF-8 or, that of a path, longer than the system allows.

    A name in another encoding cannot go into reports, JSON or the terminal.
    """
    try:
        str(path).encode("utf-8")
    except UnicodeEncodeError as cause:
        shown = str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        raise error(f"The name {shown} is not valid UTF-8; rename it first.") from cause
    try:
        if isinstance(path, Path):
            _check_length(path)
    except OSError as cause:
        if cause.errno == errno.ENAMETOOLONG:
            message = f"The name {_shortened(path)} is too long; choose a shorter one."
            raise error(message) from cause


def check_file(
    path: Path | str, suffixes: Sequence[str] | None = None, *, overwrite: bool = True
) -> None:
    """Raise OutputError unless a file can be written at `path`; nothing is left there.

    suffixes: those allowed, in lower case; any by default.
    """
    path = Path(path)
    create_partial(path).unlink()
    if suffixes is not None and path.suffix.lower() not in suffixes:
        allowed = f"{', '.join(suffixes[:-1])} or {suffixes[-1]}"
        raise OutputError(f"{path.name} cannot be written; give a name that ends with {allowed}.")
    if os.path.lexists(path) and not overwrite:
        raise OutputError(f"{path} exists; add --overwrite to replace it.")


def create_partial(path: Path) -> Path:
    """Create the empty file, beside `path` and with its suffix, that is to become `path`.

    Raises OutputError when `path` is a folder or cannot be written.
    """
    check_name(path)
    partial = path.with_name(f".{secrets.token_hex(6)}.partial{path.suffix}")
    try:
        if path.is_dir():
            raise OutputError(f"{path} is a folder; give a file name to write to.")
        _check_length(path)
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        raise cannot_write(path, error) from error
    return partial


def check_folder(out: Path | str, names: Sequence[str] = (), *, overwrite: bool = True) -> None:
    """Raise OutputError unless the files `names` can be written into `out`; nothing is left there.

    `out` and the folders above it need not exist yet.
    """
    out = Path(out)
    check_name(out)
    try:
        refuse_existing(out, names, overwrite=overwrite)
        existing = next(path for path in (out, *out.parents) if os.path.lexists(path))
        if not existing.is_dir():
            raise OutputError(f"{existing} is a file; give a folder to write to.")
        for part in out.relative_to(existing).parts:
            _check_length(existing / part)
        probe = existing / f".portraiture-{secrets.token_hex(4)}.partial"
        for name in ("", *names):
            _check_length(out / name)
            _check_length(existing / name)
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        raise cannot_write(out, error) from error


def refuse_existing(out: Path, names: Sequence[str], *, overwrite: bool) -> None:
    """Raise OutputError where `out` is a file or holds one of `names` and not `overwrite`."""
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out} is a file; give a folder to write to.")
    for name in names:
        target = out / name
        if target.is_dir():
            raise OutputError(f"{target} is a folder; remove it or choose another folder.")
        if os.path.lexists(target) and not overwrite:
            raise OutputError(f"{target} exists; add --overwrite to replace it.")


def _check_length(path: Path) -> None:
    """Raise OSError where the system takes no name of this length."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return


def cannot_write(path: Path, error: Exception) -> OutputError:
    """The sentence for an operating system's error."""
    return OutputError(f"{_shortened(path)} cannot be written: {reason(error)}.")


def _shortened(path: Path | str) -> str:
    text = str(path)
    return text if len(text) <= 160 else f"{text[:80]}…{text[-60:]}"


def reason(error: Exception) -> str:
    """An operating system's error in a few words."""
    match getattr(error, "errno", None):
        case errno.ENOSPC | errno.EDQUOT:
            return "the disk is full"
        case errno.EACCES | errno.EPERM:
            return "permission is denied"
        case errno.EROFS:
            return "the folder is read-only"
        case errno.ENOENT:
            return "the folder does not exist"
        case errno.ENOTDIR:
            return "a part of the path is a file"
        case errno.ENAMETOOLONG:
            return "the name is too long"
        case _:
            return (getattr(error, "strerror", None) or str(error)).strip(".").lower()
