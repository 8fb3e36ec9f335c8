"""Install packs of MakeHuman assets, atomically and without trusting their contents.

zip or folder ──list, check names, sizes, ratios──▶ hidden folder ──find assets──▶ rename
"""

from __future__ import annotations

import re
import secrets
import shutil
import stat
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from portraiture.engine.packs.assets import find_assets, packs_folder
from portraiture.engine.packs.licence import licence_text, licence_title
from portraiture.errors import AssetError
from portraiture.paths import check_name

MAX_FILES = 20_000
MAX_FILE_BYTES = 256_000_000
MAX_TOTAL_BYTES = 4_000_000_000
MAX_RATIO = 200.0
"""Maximum compression ratio of files over a megabyte; text compresses about tenfold."""

SUFFIXES = (
    *(".mhclo", ".mhmat", ".obj", ".png", ".jpg", ".jpeg", ".webp", ".bmp"),
    *(".txt", ".md", ".json", ""),
)
"""Permitted file types; others (programs, archives, blends) are skipped."""


@dataclass(frozen=True)
class Installed:
    """An installed pack. licence: its text, empty if none is stated.
    counts: number of assets by kind."""

    name: str
    path: Path
    licence: str
    counts: dict[str, int]

    @property
    def licence_title(self) -> str:
        """Short name such as ``"CC0 1.0"``; ``"not stated"`` if there is none."""
        return licence_title(self.licence)

    def summary(self) -> str:
        """For example ``"12 brows, 10 hair"``."""
        return ", ".join(f"{count} {kind}" for kind, count in self.counts.items())


def installed_packs() -> list[Installed]:
    """The packs in `packs_folder()`, by name."""
    folder = packs_folder()
    if not folder.is_dir():
        return []
    names = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    return [_describe(path) for path in names]


def install_pack(source: Path | str, *, overwrite: bool = False) -> Installed:
    """Copy a ZIP or folder of assets into `packs_folder()`.

    Raises AssetError when it is neither, contains no asset, is already installed without
    `overwrite`, exceeds the limits of this module, or has paths that lead out of it. The installed
    packs are then unchanged.
    """
    source = Path(source)
    name = _pack_name(source)
    target = packs_folder() / name
    if target.exists() and not overwrite:
        raise AssetError(f"The pack {name} is already installed; pass --overwrite to replace it.")
    stage = packs_folder() / f".{name}-{secrets.token_hex(4)}.partial"
    try:
        stage.mkdir(parents=True)
        if source.is_dir():
            _copy_folder(source, stage)
        else:
            _extract(source, stage)
        _strip_single_folder(stage)
        if not find_assets(stage):
            raise AssetError(f"{source.name} holds no MakeHuman assets (.mhclo or skins).")
        _swap_in(stage, target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise AssetError(f"The pack {name} cannot be installed: {reason}.") from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return _describe(target)


def _describe(path: Path) -> Installed:
    counts = Counter(asset.kind for asset in find_assets(path))
    return Installed(path.name, path, licence_text(path), dict(sorted(counts.items())))


def _pack_name(source: Path) -> str:
    check_name(source, AssetError)
    if not source.exists():
        raise AssetError(f"There is no file or folder {source}; check the name.")
    stem = source.resolve().name if source.is_dir() else source.stem
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", stem).strip("._")
    if not name:
        raise AssetError(f"{source} has no usable name; rename it first.")
    return name


class _Budget:
    """Counts files and bytes as they are written, regardless of the archive's directory."""

    def __init__(self) -> None:
        self.files, self.bytes = 0, 0

    def write(self, stream: IO[bytes], target: Path) -> None:
        """Copy a stream to `target`. Raises AssetError beyond the limits."""
        self.files += 1
        if self.files > MAX_FILES:
            raise AssetError(f"The pack has more than {MAX_FILES} files.")
        target.parent.mkdir(parents=True, exist_ok=True)
        written = 0
        with target.open("xb") as file:
            while block := stream.read(1 << 20):
                written += len(block)
                self.bytes += len(block)
                if written > MAX_FILE_BYTES or self.bytes > MAX_TOTAL_BYTES:
                    raise AssetError(f"The pack is too large: {target.name} exceeds the limits.")
                file.write(block)


def _copy_folder(source: Path, stage: Path) -> None:
    """Copy regular files only; links are refused, since they could point anywhere."""
    budget = _Budget()
    for path in _walk(source):
        if path.is_symlink():
            raise AssetError(f"The pack holds a link, {path.name}; replace it by its file.")
        if path.is_file() and path.suffix.lower() in SUFFIXES:
            with path.open("rb") as stream:
                budget.write(stream, stage / path.relative_to(source))


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)


def _extract(source: Path, stage: Path) -> None:
    budget = _Budget()
    try:
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_FILES:
                raise AssetError(f"The pack has more than {MAX_FILES} files.")
            for entry in entries:
                _check_entry(entry)
            for entry in entries:
                path = PurePosixPath(entry.filename)
                if entry.is_dir() or path.suffix.lower() not in SUFFIXES:
                    continue
                if any(part.startswith((".", "__MACOSX")) for part in path.parts):
                    continue
                with archive.open(entry) as stream:
                    budget.write(stream, stage / path)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise AssetError(f"{source.name} is not a ZIP archive that can be read.") from error
    except FileExistsError as error:
        raise AssetError(f"{source.name} holds two files of the same name.") from error


def _check_entry(entry: zipfile.ZipInfo) -> None:
    """Raises AssetError for paths that leave the folder, links and zip bombs."""
    name = entry.filename
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
        raise AssetError(f"The archive holds a path that leads out of it: {name!r}.")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise AssetError(f"The archive holds a link, {name!r}, which is not allowed.")
    if entry.flag_bits & 0x1:
        raise AssetError("The archive is encrypted; unpack it and install the folder.")
    ratio = entry.file_size / max(entry.compress_size, 1)
    if entry.file_size > MAX_FILE_BYTES or (entry.file_size > 1 << 20 and ratio > MAX_RATIO):
        raise AssetError(f"The archive's file {name!r} is suspiciously large when unpacked.")


def _strip_single_folder(stage: Path) -> None:
    """If the archive consists of one folder, replace it by its contents."""
    entries = list(stage.iterdir())
    if len(entries) == 1 and entries[0].is_dir() and entries[0].name.lower() not in KEPT_FOLDERS:
        inner = entries[0].rename(stage / f".{secrets.token_hex(4)}")
        for path in inner.iterdir():
            path.rename(stage / path.name)
        inner.rmdir()


KEPT_FOLDERS = ("hair", "clothes", "eyebrows", "eyelashes", "teeth", "tongue", "eyes", "skins")


def _swap_in(stage: Path, target: Path) -> None:
    """Rename `stage` to `target`; on failure, the previous `target` is restored."""
    if not target.exists():
        stage.rename(target)
        return
    old = target.with_name(f".{target.name}-{secrets.token_hex(4)}.old")
    target.rename(old)
    try:
        stage.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
