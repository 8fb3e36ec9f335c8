"""Flat finishes in files: tones painted at the vertices, outlines as inverted hulls, MToon.

A material of finish "toon" or "ink" is written unlit (KHR_materials_unlit). A GLB carries its light
in COLOR_0; a VRM has VRMC_materials_mtoon, whose two tones follow the application's light. "ink"
adds a dark hull round the part, turned inside out, of which only the rim shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from portraiture.export.morphs import welded_normals
from portraiture.ops.vectors import smooth
from portraiture.render.flat_tones import DEEP, SHADOW, TOWARDS_KEY
from portraiture.types import Material, Part, Segment

UNLIT, MTOON = "KHR_materials_unlit", "VRMC_materials_mtoon"

OUTLINE_M = 0.0018
"""Half the width of an outline where the surface is square to the light; see `outlined`."""

OUTLINE_SUFFIX = "_outline"

_UNSHADED = ("eye", "mouth", "glass")
_OPENINGS = (Segment.MOUTH, Segment.LEFT_EYE, Segment.RIGHT_EYE)
_INK = np.full((4, 4, 4), (22, 18, 24, 255), np.uint8)


def is_flat(material: Material) -> bool:
    """Whether the material is written unlit."""
    return material.finish != "lit"


def is_unshaded(material: Material) -> bool:
    """Whether the material has the same tone everywhere where it is flat."""
    return material.kind in _UNSHADED


def vertex_tones(part: Part) -> UInt8[ndarray, "V 4"] | None:
    """COLOR_0 (linear, normalised bytes): white in the light, the shadow's tint away from it; None
    for parts without tones."""
    if not is_flat(part.material) or is_unshaded(part.material) or is_outline(part):
        return None
    shadow = np.array(DEEP if part.material.finish == "ink" else SHADOW)
    level = smooth((part.normals @ TOWARDS_KEY + 0.06) / 0.18)[:, None]
    tone = shadow + level * (1.0 - shadow)
    opaque = np.ones((len(tone), 1))
    return (np.concatenate([tone, opaque], axis=1) * 255.0 + 0.5).astype(np.uint8)


def mtoon(material: Material, color_texture: int | None) -> dict[str, Any]:
    """The VRMC_materials_mtoon 1.0 object of a flat material; color_texture: None for none."""
    shaded = not is_unshaded(material)
    shadow = DEEP if material.finish == "ink" else SHADOW
    painted = {} if color_texture is None else {"shadeMultiplyTexture": {"index": color_texture}}
    return {
        "specVersion": "1.0",
        "shadeColorFactor": list(shadow) if shaded else [1.0, 1.0, 1.0],
        **painted,
        "shadingShiftFactor": -0.03,
        "shadingToonyFactor": 0.9,
        "giEqualizationFactor": 0.9,
        "outlineWidthMode": "none",
    }


def outlined(parts: Sequence[Part]) -> tuple[Part, ...]:
    """The parts, each of finish "ink" followed by its outline."""
    out: list[Part] = []
    for part in parts:
        out.append(part)
        if part.material.finish == "ink":
            out.append(outline(part))
    return tuple(out)


def outline(part: Part) -> Part:
    """An inverted hull: the surface a little larger and turned inside out, so that of its triangles
    only those behind the part's rim show. It is thicker on the side away from the light and moves
    with the part; openings of mouth and eyes have none."""
    kept = ~np.isin(part.segment, _OPENINGS)
    normals = welded_normals(part.vertices, part.normals)
    away: Float[ndarray, "V 1"] = (normals @ TOWARDS_KEY)[:, None]
    vertices = part.vertices + (OUTLINE_M * (1.0 - 0.4 * away) * normals).astype(np.float32)
    return replace(
        part,
        name=part.name + OUTLINE_SUFFIX,
        vertices=vertices.astype(np.float32),
        faces=part.faces[kept][:, ::-1],
        normals=-part.normals,
        segment=part.segment[kept],
        material=Material("plain", _INK, finish="toon"),
    )


def is_outline(part: Part) -> bool:
    """Whether the part is what `outline` makes."""
    return part.name.endswith(OUTLINE_SUFFIX)
