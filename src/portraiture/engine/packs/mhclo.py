"""Read MakeHuman's asset files: .mhclo (binding to the base mesh), .obj and .mhmat.

All input is untrusted: paths must stay inside the pack, sizes are bounded, numbers must be finite
and indices in range. Any violation raises `AssetError` naming the file.

Dimension letters: G vertices of the asset's mesh, T its texture coordinates, F its triangles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int32, UInt8
from numpy import ndarray
from PIL import Image

from portraiture.errors import AssetError

HM08_VERTICES = 19158
"""Vertices of MakeHuman's base mesh, helpers included."""

MAX_TEXT_BYTES = 64_000_000
MAX_IMAGE_SIDE = 8192
TEXTURE_SIDE = 2048
"""Larger textures are downsampled to this side, pixels."""


@dataclass(frozen=True)
class Garment:
    """A .mhclo file.

    references: (G, 3) hm08 vertices. weights: (G, 3), each row sums to about 1.
    offsets: (G, 3) in units of the three scales (decimetres on the mesh it was made for).
    scales: per axis x, y, z two hm08 vertices and their distance along the axis, decimetres, on the
    mesh it was made for; absent axes use decimetres. deleted: hm08 vertices that it covers.
    """

    name: str
    tags: tuple[str, ...]
    obj: Path
    material: Path | None
    references: Int32[ndarray, "G 3"]
    weights: Float64[ndarray, "G 3"]
    offsets: Float64[ndarray, "G 3"]
    scales: tuple[tuple[int, int, float] | None, ...]
    deleted: Int32[ndarray, " D"]


@dataclass(frozen=True)
class Mesh:
    """A .obj file, triangulated. vertices: (G, 3) decimetres; uv: (T, 2), v up."""

    vertices: Float64[ndarray, "G 3"]
    uv: Float64[ndarray, "T 2"]
    faces: Int32[ndarray, "F 3"]
    faces_uv: Int32[ndarray, "F 3"]


@dataclass(frozen=True)
class MaterialFile:
    """A .mhmat file. color: sRGB in [0, 1]; textures are None where the pack lacks them."""

    color: tuple[float, float, float] = (1.0, 1.0, 1.0)
    shininess: float = 0.3
    cull: bool = False
    diffuse: Path | None = None
    normal: Path | None = None


def inside(root: Path, folder: Path, name: str) -> Path:
    """Resolve the file `name` referred to by a file in `folder`. Raises AssetError unless it lies
    within `root` after links are resolved."""
    if not name or "\0" in name or Path(name).is_absolute() or ":" in name or "\\" in name:
        raise AssetError(f"The asset refers to the file {name!r}, which is not a path in the pack.")
    path = (folder / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise AssetError(f"The asset refers to the file {name!r} outside its pack.")
    return path


def read_text(path: Path) -> str:
    """Read a text file of bounded size. Raises AssetError."""
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise AssetError(f"{path.name} is larger than {MAX_TEXT_BYTES // 1_000_000} MB.")
        return path.read_text("utf-8", errors="replace")
    except OSError as error:
        raise AssetError(f"{path.name} cannot be read: {error.strerror}.") from error


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and words of every line that is not empty or a comment."""
    for number, line in enumerate(read_text(path).splitlines(), 1):
        words = line.split()
        if words and not words[0].startswith(("#", "//")):
            yield number, words


@dataclass
class _Draft:
    """Partially parsed contents of a .mhclo."""

    name: str = ""
    tags: list[str] = field(default_factory=list)
    obj: str = ""
    material: str = ""
    rows: list[list[float]] = field(default_factory=list)
    scales: dict[str, tuple[int, int, float]] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    section: str = ""


def read_mhclo(path: Path, root: Path) -> Garment:
    """Parse a .mhclo whose files lie within `root`.

    A line of the ``verts`` section is either one vertex, or three vertices, three weights and an
    offset (MakeHuman's proxy format). Raises AssetError.
    """
    draft = _Draft()
    for number, words in _rows(path):
        try:
            _read_line(draft, words)
        except (ValueError, IndexError) as error:
            raise AssetError(f"Line {number} of {path.name} is not valid .mhclo.") from error
    if not draft.obj or not draft.rows:
        raise AssetError(f"{path.name} names no mesh or has no vertices.")
    table = np.array(draft.rows)
    references = table[:, :3].astype(np.int32)
    if not np.isfinite(table).all() or references.min() < 0 or references.max() >= HM08_VERTICES:
        raise AssetError(f"{path.name} refers to vertices that the base mesh hm08 does not have.")
    return Garment(
        name=draft.name or path.stem,
        tags=tuple(draft.tags),
        obj=inside(root, path.parent, draft.obj),
        material=inside(root, path.parent, draft.material) if draft.material else None,
        references=references,
        weights=table[:, 3:6],
        offsets=table[:, 6:9],
        scales=tuple(draft.scales.get(f"{axis}_scale") for axis in "xyz"),
        deleted=_ranges(draft.deleted),
    )


def _read_line(draft: _Draft, words: list[str]) -> None:
    key = words[0]
    if key[0].isdigit() or key[0] == "-":
        if draft.section == "verts":
            draft.rows.append(_vertex(words))
        elif draft.section == "delete_verts":
            draft.deleted += words
        return
    if key in ("verts", "delete_verts", "weights"):  # other keys may follow these
        draft.section = key
    elif key in ("x_scale", "y_scale", "z_scale"):
        first, second, distance = int(words[1]), int(words[2]), float(words[3])
        if min(first, second) < 0 or max(first, second) >= HM08_VERTICES or not distance > 0:
            raise ValueError("bad scale")
        draft.scales[key] = first, second, distance
    elif key == "tag":
        draft.tags.append(" ".join(words[1:]).lower())
    elif key == "name":
        draft.name = " ".join(words[1:])
    elif key == "obj_file":
        draft.obj = " ".join(words[1:])
    elif key == "material":
        draft.material = " ".join(words[1:])
    elif key == "basemesh" and words[1] != "hm08":
        raise ValueError("another base mesh")


def _vertex(words: list[str]) -> list[float]:
    if len(words) == 1:
        return [float(int(words[0]))] * 3 + [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    if len(words) not in (6, 9):
        raise ValueError("a vertex has 1, 6 or 9 numbers")
    numbers = [float(int(w)) for w in words[:3]] + [float(w) for w in words[3:]]
    return numbers + [0.0] * (9 - len(numbers))


def _ranges(words: list[str]) -> Int32[ndarray, " D"]:
    """Parse index ranges: ``3 5 - 7`` is 3, 5, 6, 7; invalid entries are ignored."""
    out: list[int] = []
    for k, word in enumerate(words):
        if word.isdigit() and int(word) < HM08_VERTICES:
            first = out[-1] + 1 if k and words[k - 1] == "-" and out else int(word)
            out += range(first, int(word) + 1)
    return np.array(sorted(set(out)), np.int32)


def read_obj(path: Path) -> Mesh:
    """Read vertices, texture coordinates and faces (polygons as triangle fans) of a .obj. Raises
    AssetError."""
    vertices: list[list[float]] = []
    uv: list[list[float]] = []
    faces: list[list[tuple[int, int]]] = []
    for number, words in _rows(path):
        try:
            if words[0] == "v":
                vertices.append([float(w) for w in words[1:4]])
            elif words[0] == "vt":
                uv.append([float(w) for w in words[1:3]])
            elif words[0] == "f":
                corners = [_corner(w, len(vertices), len(uv)) for w in words[1:]]
                faces += [[corners[0], *corners[k : k + 2]] for k in range(1, len(corners) - 1)]
        except (ValueError, IndexError) as error:
            raise AssetError(f"Line {number} of {path.name} is not valid .obj.") from error
    if not faces or not vertices:
        raise AssetError(f"{path.name} has no faces.")
    table = np.array(faces, np.int64)
    points, texture = np.array(vertices), np.array(uv or [[0.0, 0.0]])
    bounds = np.array([len(points), len(texture)])
    if (table < 0).any() or (table >= bounds).any():
        raise AssetError(f"A face of {path.name} refers to a vertex that is not there.")
    if not (np.isfinite(points).all() and np.isfinite(texture).all()):
        raise AssetError(f"{path.name} holds numbers that are not finite.")
    table = table.astype(np.int32)
    return Mesh(points, texture, table[:, :, 0], table[:, :, 1])


def _corner(word: str, vertices: int, uv: int) -> tuple[int, int]:
    """Parse ``7``, ``7/9``, ``7/9/2`` or ``7//2``: 1-based, or counted from the end if negative."""
    parts = word.split("/")
    vertex = int(parts[0])
    texture = int(parts[1]) if len(parts) > 1 and parts[1] else 1
    return (
        vertex - 1 if vertex > 0 else vertices + vertex,
        texture - 1 if texture > 0 else uv + texture,
    )


def read_mhmat(path: Path, root: Path) -> MaterialFile:
    """Parse a .mhmat; textures that the pack lacks become None. Raises AssetError."""
    values: dict[str, list[str]] = {}
    for _, words in _rows(path):
        values[words[0]] = words[1:]
    try:
        r, g, b = (float(w) for w in values.get("diffuseColor", ["1", "1", "1"])[:3])
        shininess = float(values.get("shininess", ["0.3"])[0])
    except (ValueError, IndexError) as error:
        raise AssetError(f"The colours of {path.name} are not numbers.") from error
    if not np.isfinite([r, g, b, shininess]).all():
        raise AssetError(f"The colours of {path.name} are not numbers.")

    def texture(key: str) -> Path | None:
        name = " ".join(values.get(key, []))
        found = inside(root, path.parent, name) if name else None
        return found if found is not None and found.is_file() else None

    return MaterialFile(
        color=(min(max(r, 0.0), 1.0), min(max(g, 0.0), 1.0), min(max(b, 0.0), 1.0)),
        shininess=min(max(shininess, 0.0), 1.0),
        cull=values.get("backfaceCull", ["False"])[0].lower() == "true",
        diffuse=texture("diffuseTexture"),
        normal=texture("normalmapTexture"),
    )


def read_texture(path: Path, *, side: int = TEXTURE_SIDE) -> UInt8[ndarray, "h w 4"]:
    """Read a texture as RGBA with at most `side` pixels per side. Raises AssetError."""
    try:
        with Image.open(path, formats=("PNG", "JPEG", "WEBP", "BMP", "TGA", "TIFF")) as picture:
            if max(picture.size) > MAX_IMAGE_SIDE:
                raise AssetError(f"{path.name} is larger than {MAX_IMAGE_SIDE} pixels a side.")
            rgba = picture.convert("RGBA")
    except AssetError:
        raise
    except Exception as error:
        raise AssetError(f"The texture {path.name} cannot be read.") from error
    if max(rgba.size) > side:
        scale = side / max(rgba.size)
        rgba = rgba.resize(
            (max(1, round(rgba.width * scale)), max(1, round(rgba.height * scale))),
            Image.Resampling.LANCZOS,
        )
    return np.asarray(rgba)
