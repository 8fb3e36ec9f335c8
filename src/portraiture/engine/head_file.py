"""File format of the baked head: one .npz in the package, shapes quantised to 25 µm.

MakeHuman's targets are decimal text: displacements are multiples of 100 µm, or of 50 µm where two
targets are averaged. Steps of 25 µm represent them exactly in 16 bits. Only the interpolated points
where the bust was cut from the body are rounded.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy import ndarray
from numpy.lib.npyio import NpzFile

from portraiture.errors import AssetError

VERSION = 4
STEP_M = 25e-6
"""Quantisation step of the stored displacements, metres; 16 bits cover ±0.82 m."""

_OWN = ("version", "shape_names", "joint_names", "joint_parents", "moving", "steps")


@dataclass(frozen=True, eq=False)
class BakedHead:
    """Everything that the engine needs from MakeHuman. V vertices, S shapes, J joints.

    arrays: by name, among them "template" (V, 3) and "shapes" (S, V, 3), metres.
    joint_parents: index of each joint's parent, -1 for the root.
    """

    arrays: Mapping[str, ndarray]
    shape_names: tuple[str, ...]
    joint_names: tuple[str, ...]
    joint_parents: tuple[int, ...]


def packaged_head() -> Path:
    """Path of the packaged baked head."""
    return Path(str(files("portraiture"))) / "assets" / "engine" / "head.npz"


def write_head(path: Path, head: BakedHead) -> None:
    """Write `head`; the bytes are deterministic. Raises ValueError if a shape moves a vertex by
    more than 0.8 m."""
    arrays = dict(head.arrays)
    steps = np.rint(arrays.pop("shapes").astype(np.float64) / STEP_M)
    if np.abs(steps).max() > np.iinfo(np.int16).max:
        raise ValueError("a shape moves a vertex by more than 16 bits can say")
    moving = (steps != 0).any(2)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        path,
        version=np.int64(VERSION),
        shape_names=np.array(head.shape_names),
        joint_names=np.array(head.joint_names),
        joint_parents=np.array(head.joint_parents, np.int64),
        moving=np.packbits(moving, axis=1),
        steps=np.ascontiguousarray(steps[moving].T.astype(np.int16)),
        **arrays,
    )


def read_head(path: Path) -> BakedHead:
    """Read a file written by `write_head`, in about 0.1 s. Raises AssetError if `path` is missing
    or is not a baked head."""
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, NpzFile):
                raise ValueError("it is not an archive")
            stored = {name: archive[name] for name in archive.files}
        if stored["version"] != VERSION:
            raise ValueError(f"it has version {stored['version']}, not {VERSION}")
        arrays = {name: array for name, array in stored.items() if name not in _OWN}
        arrays["shapes"] = _dense(stored["moving"], stored["steps"], len(arrays["template"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise AssetError(
            f"{path} is not a baked head ({error}); install the package again."
        ) from error
    return BakedHead(
        arrays=arrays,
        shape_names=tuple(stored["shape_names"].tolist()),
        joint_names=tuple(stored["joint_names"].tolist()),
        joint_parents=tuple(stored["joint_parents"].tolist()),
    )


def _dense(moving: ndarray, steps: ndarray, vertices: int) -> Float32[ndarray, "S V 3"]:
    """Expand to dense shapes. moving: (S, ⌈V/8⌉) bit mask of the vertices that each shape moves;
    steps: (3, N) their quantised displacements."""
    moves = np.unpackbits(moving, axis=1, count=vertices).astype(bool)
    shapes = np.zeros((*moves.shape, 3), np.float32)
    shapes[moves] = steps.T.astype(np.float32) * np.float32(STEP_M)
    return shapes
