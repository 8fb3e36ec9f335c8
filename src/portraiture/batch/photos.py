"""The photos of a batch, and where the files of each go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from portraiture.batch.manifest import MANIFEST
from portraiture.errors import BatchError
from portraiture.paths import check_name, reason
from portraiture.progress import SILENT, Progress, counted

SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".gif", ".bmp", ".heic",
    ".heif", ".avif", ".jp2", ".ppm", ".tga",
)  # fmt: skip
WILD = "*?["


@dataclass(frozen=True)
class Input:
    """name: of the file, unique in its folder. sha256: of its content, "" where it cannot be read.
    folder: name of the folder in the output that its files go to."""

    name: str
    path: Path
    sha256: str
    folder: str


def find_photos(photos: Path | str, progress: Progress = SILENT) -> list[Input]:
    """The photos of a folder, or those that a pattern names in one ("people/*.jpg"), by name.

    Hidden files and those that are no images by their suffix are passed over. The files of
    alice.jpg go to the folder alice, or alice.jpg where there is an alice.png as well. Raises
    BatchError where there are none, CancelledError.
    """
    paths = sorted(path for path in _listed(Path(photos)) if path.suffix.lower() in SUFFIXES)
    paths = [path for path in paths if not path.name.startswith(".") and path.is_file()]
    if not paths:
        raise BatchError(f"There are no photos in {photos}; give a folder, or a pattern in quotes.")
    folders = _folders([path.name for path in paths])
    progress.stage("Look at the photos", len(paths))
    found = []
    for path in counted(paths, progress):
        check_name(path, BatchError)
        found.append(Input(path.name, path, _hash(path), folders[path.name]))
    return found


def _folders(names: Sequence[str]) -> dict[str, str]:
    """By photo: its name without the suffix, or with it where another file has that name too."""
    stems = Counter(Path(name).stem.casefold() for name in names)
    taken = {name.casefold() for name in (*names, MANIFEST)}
    return {
        name: stem if stems[stem.casefold()] == 1 and stem.casefold() not in taken else name
        for name, stem in ((name, Path(name).stem) for name in names)
    }


def _listed(photos: Path) -> Iterable[Path]:
    folder, pattern = photos, "*"
    if not photos.is_dir() and any(sign in photos.name for sign in WILD):
        folder, pattern = photos.parent, photos.name
    try:
        return [path for path in folder.iterdir() if path.match(pattern)]
    except OSError as error:
        raise BatchError(f"{folder} cannot be read: {reason(error)}; give a folder.") from error


def _hash(path: Path) -> str:
    digest = sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError:
        return ""  # the verb says what is wrong
    return digest.hexdigest()
