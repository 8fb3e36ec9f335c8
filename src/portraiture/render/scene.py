"""A bust flattened to arrays: one vertex list, one triangle list, one texel buffer."""

from __future__ import annotations

import weakref
from typing import NamedTuple

import numpy as np
from numpy import ndarray

from portraiture.ops.inner import kernel
from portraiture.ops.vectors import unit
from portraiture.recent import Recent
from portraiture.render.attributes_numba import curvature, tangents, texel_density
from portraiture.render.materials_numba import CLOTH, EYE, GLASS, HAIR, MOUTH, PLAIN, SKIN
from portraiture.render.pose import posed
from portraiture.render.shadow import transfer
from portraiture.render.texture_numba import mip_chain
from portraiture.types import Bust, Material, Part, Segment

KINDS = {
    "plain": PLAIN,
    "skin": SKIN,
    "hair": HAIR,
    "eye": EYE,
    "mouth": MOUTH,
    "cloth": CLOTH,
    "glass": GLASS,
}
CHANNELS = (4, 3, 1)
"""Channels of the three texture slots: base colour, normal, roughness."""

MOUTH_BOUNCE = 0.5
HAIR_EXTINCTION = 90.0
"""Extinction of ambient light in hair, 1/m: 1/e after 11 mm."""


class Scene(NamedTuple):
    """All parts of a bust in the layout of the kernels. V vertices, F triangles, P parts.

    vertices, normals: (V, 3) float64 world, in the expression. tangents: (V, 4), see
    `attributes_numba.tangents`. curvature: (V,) 1/m. uv: (V, 2) float32.
    transfer: (2, V, 9) float32, SH transfer of diffuse ambient light, shadowed and unshadowed.
    opening: (V, 3) unit, mean direction from which light reaches the vertex (bent normal).
    faces: (F, 3) int32. part: (F,) int16. segment, cull, blend: (F,) uint8. cutoff: (F,) float32.
    density: (F,) texels per metre.
    texels: flat uint8 with all mip levels. textures: (P, 3, 3) int64 offset, rows and columns of
    base colour (RGBA), normal (RGB) and roughness (one channel); 0 rows where absent.
    kind: (P,) int64. factors: (P, 2) roughness factor and metallic. double_sided: (P,) uint8.
    """

    vertices: ndarray
    normals: ndarray
    tangents: ndarray
    curvature: ndarray
    uv: ndarray
    transfer: ndarray
    opening: ndarray
    faces: ndarray
    part: ndarray
    segment: ndarray
    cull: ndarray
    blend: ndarray
    cutoff: ndarray
    density: ndarray
    texels: ndarray
    textures: ndarray
    kind: ndarray
    factors: ndarray
    double_sided: ndarray


_recent: Recent[tuple[int, int], tuple[weakref.ref[Bust], Scene]] = Recent(4)


def scene_of(bust: Bust) -> Scene:
    """`flatten`, cached for the most recent busts while they are alive and unchanged."""
    _recent.drop(lambda kept: kept[0]() is None)
    return _recent.get((id(bust), content(bust)), lambda: (weakref.ref(bust), flatten(bust)))[1]


def content(bust: Bust) -> int:
    """64-bit digest of everything that `flatten` reads from a bust, including its arrays."""
    digest = hash(tuple(sorted(bust.expression.items())))
    for part in bust.parts:
        m = part.material
        arrays = [part.vertices, part.faces, part.normals, part.uv, part.segment]
        arrays += [a for a in (m.base_color, m.normal, m.roughness) if a is not None]
        for name in bust.expression:
            if name in part.morphs:
                arrays += [part.morphs[name].indices, part.morphs[name].deltas]
        looks = [m.kind, m.normal is None, m.roughness is None, m.roughness_factor, m.metallic]
        looks += [m.alpha_mode, m.alpha_cutoff, m.double_sided]
        digest = hash((digest, *looks, *map(_digest_of, arrays)))
    return digest


def _digest_of(array: ndarray) -> int:
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    words = flat[: len(flat) // 32 * 32].view(np.uint64)
    words.flags.writeable = False  # one type for all arrays
    return hash((array.dtype.str, array.shape, _mix(words), flat[words.nbytes :].tobytes()))


@kernel
def _mix(words):
    """Rotate and multiply in four lanes (the structure of Collet's xxHash), at memory speed."""
    a = np.uint64(0x9E3779B97F4A7C15)
    b = np.uint64(0xC2B2AE3D27D4EB4F)
    lanes = (a, b, a ^ b, a + b)
    w, x, y, z = lanes
    left, right = np.uint64(31), np.uint64(33)
    for i in range(0, len(words), 4):
        w += words[i] * b
        w = ((w << left) | (w >> right)) * a
        x += words[i + 1] * b
        x = ((x << left) | (x >> right)) * a
        y += words[i + 2] * b
        y = ((y << left) | (y >> right)) * a
        z += words[i + 3] * b
        z = ((z << left) | (z >> right)) * a
    return (w * b) ^ (x << left | x >> right) ^ (y * a) ^ z


def flatten(bust: Bust, *, lit: bool = True) -> Scene:
    """Pose all parts in the bust's expression and concatenate them. lit: False leaves out the
    transfer of light, for what is only rasterised."""
    parts = bust.parts
    materials = [p.material for p in parts]
    shapes = [_posed(p, bust) for p in parts]
    vertices = np.concatenate([v for v, _ in shapes]).astype(np.float64)
    normals = np.concatenate([n for _, n in shapes]).astype(np.float64)
    first = np.cumsum([0] + [len(p.vertices) for p in parts])
    faces = np.concatenate(
        [np.asarray(p.faces, np.int32) + np.int32(f) for p, f in zip(parts, first, strict=False)]
    )
    part = np.repeat(np.arange(len(parts), dtype=np.int16), [len(p.faces) for p in parts])
    uv = np.concatenate([p.uv for p in parts]).astype(np.float32)
    kind = np.array([KINDS[m.kind] for m in materials], np.int64)
    blend = np.array([m.alpha_mode == "blend" for m in materials], np.uint8)[part]
    tested = [m.alpha_mode != "opaque" and m.kind != "glass" for m in materials]
    cutoff = [m.alpha_cutoff if t else -1.0 for m, t in zip(materials, tested, strict=True)]
    texels, textures = pack_textures(materials)
    cutoff = np.array(cutoff, np.float32)[part]
    extinction = np.zeros(len(vertices), np.float32)
    extinction[faces[kind[part] == HAIR].ravel()] = HAIR_EXTINCTION
    transfers = np.zeros((2, len(vertices), 9), np.float32)
    if lit:
        transfers = transfer(
            vertices, normals, extinction, uv, faces, cutoff, blend, textures[part, 0], texels
        )
    segment = np.concatenate([p.segment for p in parts]).astype(np.uint8)
    inside = (kind[part] == MOUTH) | (segment == Segment.MOUTH)
    transfers = _bounced(transfers, faces[inside].ravel())
    return Scene(
        vertices=vertices,
        normals=normals,
        tangents=tangents(vertices, normals, uv, faces, kind[part] == HAIR),
        curvature=curvature(vertices, normals, faces),
        uv=uv,
        transfer=transfers,
        opening=_opening(transfers[0], normals),
        faces=faces,
        part=part,
        segment=segment,
        cull=np.array([not m.double_sided for m in materials], np.uint8)[part],
        blend=blend,
        cutoff=cutoff,
        density=texel_density(vertices, uv, faces, part, textures),
        texels=texels,
        textures=textures,
        kind=kind,
        factors=np.array([[m.roughness_factor, m.metallic] for m in materials], np.float64),
        double_sided=np.array([m.double_sided for m in materials], np.uint8),
    )


def _bounced(transfers: ndarray, inside: ndarray) -> ndarray:
    """Interreflection in the mouth, as a fraction of the unoccluded ambient light."""
    out = transfers.copy()
    out[0, inside] += MOUTH_BOUNCE * (transfers[1, inside] - transfers[0, inside])
    return out


def _opening(transfers: ndarray, normals: ndarray) -> ndarray:
    """Unit mean direction of the light that reaches each vertex: band 1 of its transfer, or the
    normal if no light reaches it."""
    y, z, x = transfers[:, 1], transfers[:, 2], transfers[:, 3]
    return unit(np.stack([x, y, z], axis=1).astype(np.float64) + 1e-4 * normals)


def _posed(part: Part, bust: Bust) -> tuple[ndarray, ndarray]:
    """Vertices and normals in the expression. The change of the triangles' normals is added to the
    rest normals, which preserves custom normals and smooth seams."""
    vertices = posed(part, bust.expression)
    if vertices is part.vertices:
        return vertices, part.normals
    change = _face_normals(vertices, part.faces) - _face_normals(part.vertices, part.faces)
    return vertices, unit(part.normals + change)


def _face_normals(vertices: ndarray, faces: ndarray) -> ndarray:
    """Area-weighted unit vertex normals."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    n = np.cross(b - a, c - a)
    total = np.empty((len(vertices), 3))
    for axis in range(3):
        weights = np.repeat(n[:, axis], 3)
        total[:, axis] = np.bincount(faces.ravel(), weights, minlength=len(vertices))
    return unit(total)


def pack_textures(materials: list[Material]) -> tuple[ndarray, ndarray]:
    """One flat buffer of all mip chains, and offset, rows and columns of each texture."""
    table = np.zeros((len(materials), 3, 3), np.int64)
    flat, offset, seen = [], 0, {}
    for index, m in enumerate(materials):
        cutoff = m.alpha_cutoff if m.alpha_mode == "mask" else None
        for slot, image in enumerate((m.base_color, m.normal, m.roughness)):
            if image is None:
                continue
            key = (id(image), slot, cutoff)
            if key not in seen:
                chain = mip_chain(
                    image.reshape(*image.shape[:2], CHANNELS[slot]),
                    cutoff=cutoff if slot == 0 else None,
                )
                seen[key] = offset, image.shape[0], image.shape[1]
                flat.append(chain)
                offset += len(chain)
            table[index, slot] = seen[key]
    return np.concatenate(flat), table
