"""A `TexturedMesh` as GLB 2.0 or PLY, metres, y up, the face along +z, EG3D's anchor at the origin.

The images that the texture was baked from hold their light, so the material is fully rough.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from portraiture.export.binary import ELEMENT_ARRAY_BUFFER, GltfBuilder
from portraiture.export.textures import encode_color
from portraiture.media import atomic_path, staged_folder, write_image
from portraiture.meshing.bake_texture import TexturedMesh

_VERTEX = np.dtype(
    [("position", "<f4", 3), ("normal", "<f4", 3), ("uv", "<f4", 2), ("rgb", "u1", 3)]
)
_FACE = np.dtype([("count", "u1"), ("corner", "<i4", 3)])


def write_surface_glb(mesh: TexturedMesh, path: Path | str, *, name: str = "head") -> None:
    """Write one node with one textured, normal-shaded mesh, whole or not at all. Raises
    OutputError. The same mesh gives the same bytes."""
    data = surface_glb_bytes(mesh, name=name)
    with atomic_path(path) as partial:
        partial.write_bytes(data)


def surface_glb_bytes(mesh: TexturedMesh, *, name: str = "head") -> bytes:
    """What `write_surface_glb` writes."""
    builder = GltfBuilder()
    builder.document["asset"] = {"version": "2.0", "generator": "Portraiture"}
    uv = mesh.uv.astype("<f4") * [1.0, -1.0] + [0.0, 1.0]
    kind = "<u2" if len(mesh.vertices) <= 0xFFFF else "<u4"
    primitive: dict[str, Any] = {
        "attributes": {
            "POSITION": builder.accessor(mesh.vertices.astype("<f4"), bounds=True),
            "NORMAL": builder.accessor(mesh.normals.astype("<f4")),
            "TEXCOORD_0": builder.accessor(uv.astype("<f4")),
        },
        "indices": builder.accessor(
            mesh.faces.reshape(-1).astype(kind), target=ELEMENT_ARRAY_BUFFER
        ),
        "material": _add_material(builder, mesh.texture, name),
    }
    index = builder.append("meshes", {"name": name, "primitives": [primitive]})
    node = builder.append("nodes", {"name": name, "mesh": index})
    builder.document["scene"] = builder.append("scenes", {"name": "Portrait", "nodes": [node]})
    return builder.glb()


def _add_material(builder: GltfBuilder, texture: UInt8[ndarray, "T T 3"], name: str) -> int:
    opaque = np.dstack([texture, np.full(texture.shape[:2], 255, np.uint8)])
    color = builder.texture(encode_color(opaque, "opaque"), f"{name}_color")
    surface = {
        "baseColorTexture": {"index": color},
        "metallicFactor": 0.0,
        "roughnessFactor": 1.0,
    }
    return builder.append("materials", {"name": name, "pbrMetallicRoughness": surface})


def write_surface_ply(mesh: TexturedMesh, path: Path | str, *, overwrite: bool = True) -> None:
    """Write ``NAME.ply`` and its texture ``NAME.png``, both or none. Raises OutputError.

    Binary little-endian; vertices carry position, normal, texture coordinates (``s``, ``t``) and,
    for programs that show no textures, the texture's colour there.
    """
    path = Path(path)
    texture_name = path.with_suffix(".png").name
    block = np.empty(len(mesh.vertices), _VERTEX)
    block["position"], block["normal"], block["uv"] = mesh.vertices, mesh.normals, mesh.uv
    block["rgb"] = _vertex_colors(mesh)
    face = np.empty(len(mesh.faces), _FACE)
    face["count"], face["corner"] = 3, mesh.faces
    header = _ply_header(len(block), len(face), texture_name)
    with staged_folder(path.parent, [path.name, texture_name], overwrite=overwrite) as folder:
        (folder / path.name).write_bytes(header + block.tobytes() + face.tobytes())
        write_image(folder / texture_name, mesh.texture)


def _vertex_colors(mesh: TexturedMesh) -> UInt8[ndarray, "V 3"]:
    """The texel that each vertex lies in."""
    size = mesh.texture.shape[0]
    column = np.clip(mesh.uv[:, 0] * size, 0, size - 1).astype(int)
    row = np.clip((1.0 - mesh.uv[:, 1]) * size, 0, size - 1).astype(int)
    return mesh.texture[row, column]


def _ply_header(vertices: int, faces: int, texture_name: str) -> bytes:
    """PLY's header; programs such as MeshLab find the texture by its comment."""
    floats = "".join(f"property float {k}\n" for k in ("x", "y", "z", "nx", "ny", "nz", "s", "t"))
    colors = "".join(f"property uchar {k}\n" for k in ("red", "green", "blue"))
    return (
        "ply\nformat binary_little_endian 1.0\ncomment Portraiture, metres, y up\n"
        f"comment TextureFile {texture_name}\nelement vertex {vertices}\n{floats}{colors}"
        f"element face {faces}\nproperty list uchar int vertex_indices\nend_header\n"
    ).encode()
