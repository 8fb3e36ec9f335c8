"""File format of one person's views: written atomically, validated when read.

PersonViews ⇄ person_00017.npz: uncompressed arrays of fixed names, types and shapes. Letters:
V views, n pixels per side, Z latent size.
"""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from jaxtyping import Float32, UInt8, UInt16
from numpy import ndarray
from numpy.lib import format as npy

from portraiture.errors import DataError
from portraiture.media import atomic_path

NEAREST, DEPTH_RANGE = 2.0, 1.6
"""Range of 16-bit depth, EG3D units; 0 is background."""

LAYOUT: dict[str, tuple[type[np.generic], str]] = {
    "z": (np.float32, "Z"),
    "rgb": (np.uint8, "V n n 3"),
    "alpha": (np.uint8, "V n n"),
    "depth": (np.uint16, "V n n"),
    "segmentation": (np.uint8, "V n n"),
    "cameras": (np.float32, "V 25"),
    "landmarks": (np.float32, "V 478 2"),
    "points": (np.float32, "478 3"),
    "unit_m": (np.float32, ""),
    "scenes": (np.float32, "V 6"),
}
"""Type and shape of each array; a letter has the same value in all of them."""


@dataclass(frozen=True)
class PersonViews:
    """V views of one person, n pixels per side.

    z: the latent. rgb: over white. alpha: (V, n, n). depth: along the rays, 0 for background.
    segmentation: `Segment` values. cameras: EG3D's 25 numbers. landmarks: pixels. points:
    mediapipe's landmarks in EG3D's world. unit_m: metres of this person per EG3D unit. scenes: the
    numbers of `people.scene` for each view, if the views were rendered from scenes; otherwise they
    are under studio light.
    """

    z: Float32[ndarray, "Z"]
    rgb: UInt8[ndarray, "V n n 3"]
    alpha: UInt8[ndarray, "V n n"]
    depth: Float32[ndarray, "V n n"]
    segmentation: UInt8[ndarray, "V n n"]
    cameras: Float32[ndarray, "V 25"]
    landmarks: Float32[ndarray, "V 478 2"]
    points: Float32[ndarray, "478 3"]
    unit_m: float
    scenes: Float32[ndarray, "V 6"] | None = None

    @property
    def latent_size(self) -> int:
        """Size of an image's latent."""
        return len(self.z) + (0 if self.scenes is None else self.scenes.shape[1])

    def image_latent(self, view: int) -> Float32[ndarray, "Z"]:
        """z of the person, followed by that of the scene if there is one."""
        return self.z if self.scenes is None else np.concatenate([self.z, self.scenes[view]])


def person_path(folder: Path, index: int) -> Path:
    return folder / f"person_{index:05d}.npz"


def people_in(folder: Path) -> list[Path]:
    """Files of all people in a folder, in order."""
    return sorted(folder.glob("person_*.npz"))


def save_person(person: PersonViews, path: Path) -> None:
    """Write one person atomically."""
    with atomic_path(path) as part, part.open("wb") as file:
        np.savez(
            file,
            z=person.z,
            rgb=person.rgb,
            alpha=person.alpha,
            depth=_pack_depth(person.depth),
            segmentation=person.segmentation,
            cameras=person.cameras,
            landmarks=person.landmarks,
            points=person.points,
            unit_m=np.float32(person.unit_m),
            **({} if person.scenes is None else {"scenes": person.scenes}),
        )


def load_person(path: Path) -> PersonViews:
    """Read a file written by `save_person`. Raises DataError, one sentence, on anything else."""
    return _views(read_arrays(path, LAYOUT))


def _views(arrays: Mapping[str, ndarray]) -> PersonViews:
    return PersonViews(
        z=arrays["z"],
        rgb=arrays["rgb"],
        alpha=arrays["alpha"],
        depth=_unpack_depth(arrays["depth"]),
        segmentation=arrays["segmentation"],
        cameras=arrays["cameras"],
        landmarks=arrays["landmarks"],
        points=arrays["points"],
        unit_m=float(arrays["unit_m"]),
        scenes=arrays.get("scenes"),
    )


@dataclass(frozen=True)
class PersonFile:
    """A validated file from which single views are read.

    views: V. side: n. whole: the arrays that are not per view. starts: byte offset of the data of
    each per-view array.
    """

    path: Path
    views: int
    side: int
    whole: Mapping[str, ndarray]
    starts: Mapping[str, int]

    @property
    def latent_size(self) -> int:
        """Size of an image's latent."""
        size = len(self.whole["z"])
        return size + int(LAYOUT["scenes"][1].split()[1]) if "scenes" in self.starts else size

    def view(self, index: int) -> PersonViews:
        """Read one view, V = 1. Raises DataError when the file has been truncated since."""
        arrays = dict(self.whole)
        try:
            with self.path.open("rb") as file:
                for name, start in self.starts.items():
                    kind, letters = LAYOUT[name]
                    shape = [self.side if x == "n" else int(x) for x in letters.split()[1:]]
                    values = np.empty([1, *shape], kind)
                    file.seek(start + index * values.nbytes)
                    if file.readinto(values.data.cast("B")) != values.nbytes:
                        raise ValueError(f"{name} is cut short")
                    arrays[name] = values
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path} is not a person file of synth: {error}.") from error
        return _views(arrays)


def open_person(path: Path) -> PersonFile:
    """Validate a file written by `save_person` and locate its views. Raises DataError as
    `load_person` does."""
    arrays = read_arrays(path, LAYOUT)
    of_views = [name for name in arrays if LAYOUT[name][1].startswith("V ")]
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        starts = {name: _start_of(archive, file, name) for name in of_views}
    return PersonFile(
        path,
        views=len(arrays["rgb"]),
        side=arrays["rgb"].shape[1],
        whole={name: array for name, array in arrays.items() if name not in of_views},
        starts=starts,
    )


def _start_of(archive: zipfile.ZipFile, file: BinaryIO, name: str) -> int:
    """Byte offset of an array's data, after the headers of the archive member (30 bytes, name and
    extra field) and of the array."""
    member = archive.getinfo(f"{name}.npy")
    file.seek(member.header_offset + 26)
    name_length, extra_length = struct.unpack("<HH", file.read(4))
    file.seek(member.header_offset + 30 + name_length + extra_length)
    npy.read_magic(file)
    npy.read_array_header_1_0(file)
    return file.tell()


def read_arrays(path: Path, names: Iterable[str]) -> dict[str, ndarray]:
    """Read some arrays of a person's file by name; "scenes" only if present.

    Raises DataError, one sentence, on any other file. No memory is allocated for data that a header
    declares but the file does not contain.
    """
    sizes: dict[str, int] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            present = set(archive.namelist())
            wanted = [name for name in names if name != "scenes" or "scenes.npy" in present]
            return {name: _read_array(archive, name, sizes) for name in wanted}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is not a person file of synth: {error}.") from error


def _read_array(archive: zipfile.ZipFile, name: str, sizes: dict[str, int]) -> ndarray:
    """Read one array; `sizes` holds the values of the letters and is updated. Raises ValueError."""
    kind, letters = LAYOUT[name]
    member = archive.getinfo(f"{name}.npy")
    if member.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is compressed")
    with archive.open(member) as file:
        if npy.read_magic(file) != (1, 0):
            raise ValueError(f"{name} has another format")
        shape, by_columns, dtype = npy.read_array_header_1_0(file)
        data = file.read()
    expected = letters.split()
    known = [
        int(x) if x.isdigit() else sizes.setdefault(x, n)
        for x, n in zip(expected, shape, strict=False)
    ]
    if len(expected) != len(shape) or list(shape) != known or by_columns or dtype != kind:
        raise ValueError(f"{name} is {dtype} {tuple(shape)}")
    values = np.frombuffer(data, kind)
    if values.size != int(np.prod(shape, dtype=np.int64)):
        raise ValueError(f"{name} is cut short")
    if kind is np.float32 and not np.isfinite(values).all():
        raise ValueError(f"{name} has numbers that are not finite")
    return values.reshape(shape).copy()


def _pack_depth(depth: Float32[ndarray, "..."]) -> UInt16[ndarray, "..."]:
    steps = np.clip((depth - NEAREST) / DEPTH_RANGE * 65534.0, 0.0, 65534.0) + 1.0
    return np.where(depth > 0, np.round(steps), 0.0).astype(np.uint16)


def _unpack_depth(packed: UInt16[ndarray, "..."]) -> Float32[ndarray, "..."]:
    depth = (packed.astype(np.float32) - 1.0) / 65534.0 * DEPTH_RANGE + NEAREST
    return np.where(packed > 0, depth, 0.0).astype(np.float32)
