"""Files for download are written to a temporary folder and read back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory


def written(name: str, write: Callable[[Path], object]) -> bytes:
    """What `write` writes to a path of this name."""
    with TemporaryDirectory(prefix="portraiture-studio-") as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()
