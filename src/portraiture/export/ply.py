"""A `Bust` as PLY (one mesh with vertex colours) or OBJ (parts with materials and textures).

Both hold the neutral face, in metres, y up, the face along +z, the ground at y = 0.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from PIL import Image

from portraiture.export.skeleton import grounded
from portraiture.media import atomic_path, staged_folder
from portraiture.paths import check_file
from portraiture.types import Bust, Material, Part

_VERTEX = np.dtype(
    [("position", "<f4", 3), ("normal", "<f4", 3), ("uv", "<f4", 2), ("rgba", "u1", 4)]
)
_FLOATS = ("x", "y", "z", "nx", "ny", "nz", "s", "t")
_BYTES = ("red", "green", "blue", "alpha")
_FACE = np.dtype([("count", "u1"), ("corner", "<i4", 3)])
_INSIDE = np.array([[1, 1, 1], [4, 1, 1], [1, 4, 1], [1, 1, 4]]) / [[3], [6], [6], [6]]
"""Barycentric coordinates at which a triangle is tested for being see-through."""


def write_ply(bust: Bust, path: Path | str) -> None:
    """Write all parts as one binary little-endian PLY, whole or not at all. Raises OutputError.

    Vertices carry position, normal, UV (``s``, ``t``) and the colour of their texture there.
    PLY has no alpha test, so triangles of masked parts that are wholly cut out are left out.
    """
    parts = grounded(bust).parts
    vertices, faces = [], []
    start = 0
    for part in parts:
        block = np.empty(len(part.vertices), _VERTEX)
        block["position"], block["normal"], block["uv"] = part.vertices, part.normals, part.uv
        block["rgba"] = sample_color(part.material, part.uv)
        seen = part.faces[visible_faces(part)]
        face = np.empty(len(seen), _FACE)
        face["count"], face["corner"] = 3, seen + start
        vertices.append(block)
        faces.append(face)
        start += len(block)
    header = _ply_header(start, sum(map(len, faces)), [part.name for part in parts])
    with atomic_path(path) as partial:
        partial.write_bytes(b"".join([header, *(a.tobytes() for a in (*vertices, *faces))]))


def _ply_header(vertices: int, faces: int, names: list[str]) -> bytes:
    floats = "".join(f"property float {name}\n" for name in _FLOATS)
    colors = "".join(f"property uchar {name}\n" for name in _BYTES)
    return (
        f"ply\nformat binary_little_endian 1.0\ncomment Portraiture, metres, y up: "
        f"{' '.join(names)}\nelement vertex {vertices}\n{floats}{colors}"
        f"element face {faces}\nproperty list uchar int vertex_indices\nend_header\n"
    ).encode("ascii")


def sample_color(material: Material, uv: Float[ndarray, "P 2"]) -> UInt8[ndarray, "P 4"]:
    """Base colour at `uv` (v up, repeating), bilinear between texel centres; sRGB as stored."""
    height, width = material.base_color.shape[:2]
    x = (uv[:, 0].astype(np.float64) % 1.0) * width - 0.5
    y = (1.0 - uv[:, 1].astype(np.float64)) % 1.0 * height - 0.5
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = (x - x0)[:, None], (y - y0)[:, None]
    texel = material.base_color.astype(np.float64)
    rows, columns = (y0 % height, (y0 + 1) % height), (x0 % width, (x0 + 1) % width)
    top = texel[rows[0], columns[0]] * (1 - fx) + texel[rows[0], columns[1]] * fx
    bottom = texel[rows[1], columns[0]] * (1 - fx) + texel[rows[1], columns[1]] * fx
    return (top * (1 - fy) + bottom * fy + 0.5).astype(np.uint8)


def visible_faces(part: Part) -> Bool[ndarray, "F"]:
    """False for triangles of a masked part whose texture is below the cutoff all over."""
    if part.material.alpha_mode != "mask":
        return np.ones(len(part.faces), bool)
    inside = np.einsum("bk,fkc->fbc", _INSIDE, part.uv[part.faces])
    alpha = sample_color(part.material, inside.reshape(-1, 2))[:, 3].reshape(len(inside), -1)
    return (alpha >= 255.0 * part.material.alpha_cutoff).any(1)


def write_obj(bust: Bust, path: Path | str) -> None:
    """Write ``NAME.obj``, ``NAME.mtl`` and a ``NAME_part.png`` per part, all or none.

    Files of those names are replaced. Raises OutputError.
    """
    path = Path(path)
    check_file(path)
    parts = grounded(bust).parts
    textures = {part.name: f"{path.stem}_{part.name}.png" for part in parts}
    names = [*textures.values(), f"{path.stem}.mtl", path.name]
    with staged_folder(path.parent, names, overwrite=True) as folder:
        for part in parts:
            (folder / textures[part.name]).write_bytes(_png(part.material))
        (folder / f"{path.stem}.mtl").write_text(_mtl(parts, textures), "utf-8")
        (folder / path.name).write_text(_obj(parts, f"{path.stem}.mtl"), "utf-8")


def _obj(parts: tuple[Part, ...], library: str) -> str:
    out = io.StringIO()
    out.write(f"# Portraiture, metres, y up\nmtllib {library}\n")
    start = 1
    for part in parts:
        out.write(f"o {part.name}\nusemtl {part.name}\n")
        np.savetxt(out, part.vertices, "v %.6f %.6f %.6f")
        np.savetxt(out, part.uv, "vt %.6f %.6f")
        np.savetxt(out, part.normals, "vn %.4f %.4f %.4f")
        corners = np.repeat(part.faces.astype(np.int64) + start, 3, axis=1)
        np.savetxt(out, corners, "f %d/%d/%d %d/%d/%d %d/%d/%d")
        start += len(part.vertices)
    return out.getvalue()


def _mtl(parts: tuple[Part, ...], textures: dict[str, str]) -> str:
    """Wavefront materials; ``Pr`` and ``Pm`` are the usual roughness and metallic additions."""
    lines = []
    for part in parts:
        material, texture = part.material, textures[part.name]
        lines += [f"newmtl {part.name}", "Kd 1 1 1", f"map_Kd {texture}"]
        lines += [f"Pr {material.roughness_factor:g}", f"Pm {material.metallic:g}"]
        if material.alpha_mode != "opaque":
            lines.append(f"map_d -imfchan m {texture}")
        lines.append("illum 2\n")
    return "\n".join(lines)


def _png(material: Material) -> bytes:
    image = material.base_color
    out = io.BytesIO()
    shown = image[..., :3] if material.alpha_mode == "opaque" else image
    Image.fromarray(np.ascontiguousarray(shown)).save(out, "PNG", compress_level=6)
    return out.getvalue()
