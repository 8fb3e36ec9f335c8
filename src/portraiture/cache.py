"""The one folder for what is made once and kept: baked engine, conversions, directions, packs.

`$PORTRAITURE_CACHE`, else the system's cache folder of the user. Where that cannot be written, a
folder of the user's own in the system's temporary folder takes its place.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import stat
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

from portraiture.errors import OutputError

log = logging.getLogger(__name__)


def cache_path(*names: str) -> Path:
    """The path of a cached file or folder.

    It lies in the user's cache folder where it exists there already or can be written there, else
    in a temporary folder, which the log names once. Raises OutputError when neither can be written.
    """
    wanted = _wanted_folder()
    found = wanted.joinpath(*names)
    return found if os.path.exists(found) else _writable_folder(wanted).joinpath(*names)  # noqa: PTH110


def keep_kernels() -> None:
    """Give numba a folder for compiled kernels where its own choices cannot be written.

    Numba keeps them beside the source or in the user's cache folder, and raises on import of a
    kernel when it can write to neither. An existing `$NUMBA_CACHE_DIR` is left alone.
    """
    own = (Path(__file__).with_name("__pycache__"), _users_folder("numba"))
    if os.environ.get("NUMBA_CACHE_DIR") or any(map(_can_write, own)):
        return
    folder = str(cache_path("numba"))
    os.environ["NUMBA_CACHE_DIR"] = folder
    if "numba" in sys.modules:
        sys.modules["numba"].config.CACHE_DIR = folder


def _wanted_folder() -> Path:
    named = os.environ.get("PORTRAITURE_CACHE")
    return Path(named) if named else _users_folder("portraiture")


def _users_folder(program: str) -> Path:
    """A program's cache folder of the user; below "~" where the system knows no home, or where a
    training bundle runs without platformdirs."""
    try:
        from platformdirs import user_cache_path

        return user_cache_path(program, appauthor=False)
    except (ImportError, RuntimeError):
        return Path("~", program)


@lru_cache
def _writable_folder(wanted: Path) -> Path:
    """`wanted`, or the temporary folder in its place."""
    if _can_write(wanted):
        return wanted
    folder = _temporary_folder()
    if multiprocessing.parent_process() is None:
        log.warning("The cache folder %s cannot be written; using %s.", wanted, folder)
    return folder


def _can_write(folder: Path) -> bool:
    """Whether files can be made in `folder`, which may have to be made first.

    A home folder that the system does not know ("~" stays as it is) counts as unwritable.
    """
    if str(folder).startswith("~"):
        return False
    for path in (folder, *folder.parents):
        if os.path.lexists(path):
            return path.is_dir() and os.access(path, os.W_OK | os.X_OK)
    return False


def _temporary_folder() -> Path:
    """The user's own temporary folder; a new one where somebody else has its name."""
    try:
        user = os.getuid() if hasattr(os, "getuid") else 0
        folder = Path(tempfile.gettempdir()) / f"portraiture-{user}"
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == user and not found.st_mode & 0o022:
            return folder
    except FileExistsError:
        pass
    except OSError as error:
        raise OutputError(
            "Neither the cache folder nor the temporary folder can be written; set "
            "PORTRAITURE_CACHE to a folder that can."
        ) from error
    return Path(tempfile.mkdtemp(prefix="portraiture-"))
