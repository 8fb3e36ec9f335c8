"""The files of a service, one folder; nothing in an address ever names a path.

folder/ photos/ID          uploads, until their job has ended
        results/FOLDER/    one version of an avatar or a head, whole; the table says which is whose
                  exports/ files made of it when somebody asked
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

NAME = re.compile(r"[0-9a-z][0-9a-z-]{0,100}(\.[a-z0-9]{1,12})?")


@dataclass(frozen=True)
class Store:
    """folder: made where it is not there."""

    folder: Path

    def prepare(self) -> None:
        """Make the folders. Raises OSError."""
        for folder in (self.photos, self.results):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def photos(self) -> Path:
        """Uploads."""
        return self.folder / "photos"

    @property
    def results(self) -> Path:
        """A folder for each version."""
        return self.folder / "results"

    def photo(self, id: str) -> Path:
        """The upload of a job."""
        return self.photos / _safe(id)

    def version(self, folder: str) -> Path:
        """A version's folder, by the name that the table has."""
        return self.results / _safe(folder)

    def file(self, folder: str, name: str) -> Path:
        """A file of a version."""
        return self.version(folder) / _safe(name)

    def exports(self, folder: str) -> Path:
        """Where files are that were made of a version when somebody asked."""
        return self.version(folder) / "exports"

    def export_path(self, folder: str, name: str) -> Path:
        """One of them."""
        return self.exports(folder) / _safe(name)

    def remove(self, folder: str) -> None:
        """A version's files."""
        shutil.rmtree(self.version(folder), ignore_errors=True)

    def remove_photos(self, *, older_than: float, but: Collection[str]) -> None:
        """Uploads from before this time, seconds since 1970, but for those of some jobs."""
        for path in self.photos.iterdir():
            with suppress(FileNotFoundError):
                if path.name not in but and path.stat().st_mtime < older_than:
                    path.unlink()

    def make_room(self, folder: str, most: int) -> None:
        """Leave at most so many files that were made of a version when somebody asked; those that
        nobody asked for the longest go."""
        made = [path for path in self.exports(folder).iterdir() if not path.name.startswith(".")]
        made.sort(key=lambda path: path.stat().st_mtime)
        for path in made[: max(0, len(made) - most)]:
            path.unlink(missing_ok=True)


def _safe(name: str) -> str:
    """Raises ValueError for what could lead out of the folder."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a name of the store")
    return name
