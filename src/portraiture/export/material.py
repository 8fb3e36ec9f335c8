"""The materials of a bust's parts in a glTF document, with their textures."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from portraiture.export.binary import GltfBuilder
from portraiture.export.flat import MTOON, UNLIT, is_flat, is_outline, mtoon
from portraiture.export.options import GlbOptions
from portraiture.export.textures import encode_color, encode_normal, encode_roughness
from portraiture.types import Material, Part

Toning = Literal["vertices", "mtoon"]
"""How flat materials keep their two tones: as vertex colours, or for VRM's toon shader."""


def add_material(builder: GltfBuilder, part: Part, toning: Toning, options: GlbOptions) -> int:
    """The index of the part's material, its textures in the channels and format of `options`.

    Without the channel baseColor, opaque materials have their mean colour as a factor; those with
    alpha keep their texture, which is their shape.
    """
    name, material = part.name, part.material
    channels, form = options.texture_channels, options.texture_format
    surface: dict[str, Any] = {}
    painted = None
    if "baseColor" in channels or material.alpha_mode != "opaque":
        color = encode_color(material.base_color, material.alpha_mode, form)
        painted = builder.texture(color, f"{name}_color")
        surface["baseColorTexture"] = {"index": painted}
    else:
        surface["baseColorFactor"] = _mean_color(material)
    surface["metallicFactor"] = float(material.metallic)
    surface["roughnessFactor"] = float(material.roughness_factor)
    if material.roughness is not None and not is_flat(material):
        if "metallicRoughness" in channels:
            rough = encode_roughness(
                material.roughness, metallic=material.metallic > 0.0, texture_format=form
            )
            index = builder.texture(rough, f"{name}_roughness")
            surface["metallicRoughnessTexture"] = {"index": index}
        else:
            surface["roughnessFactor"] *= float(material.roughness.mean() / 255.0)
    record: dict[str, Any] = {"name": name, "pbrMetallicRoughness": surface}
    if material.normal is not None and "normal" in channels:
        index = builder.texture(encode_normal(material.normal, form), f"{name}_normal")
        record["normalTexture"] = {"index": index}
    if material.alpha_mode != "opaque":
        record["alphaMode"] = material.alpha_mode.upper()
    if material.alpha_mode == "mask":
        record["alphaCutoff"] = float(material.alpha_cutoff)
    if material.double_sided:
        record["doubleSided"] = True
    if is_flat(material):
        record["extensions"] = {UNLIT: {}}
        if toning == "mtoon" and not is_outline(part):
            record["extensions"][MTOON] = mtoon(material, painted)
        builder.use_extensions(*record["extensions"])
    record["extras"] = {"kind": "outline" if is_outline(part) else material.kind}
    return builder.append("materials", record)


def _mean_color(material: Material) -> list[float]:
    """Linear RGB and opacity 1."""
    srgb = material.base_color[..., :3].reshape(-1, 3) / 255.0
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return [*(round(float(value), 5) for value in linear.mean(0)), 1.0]
