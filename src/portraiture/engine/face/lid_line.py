"""Lashes as one drawn line: the strips of `lashes`, covered solidly and tapering to the nose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from portraiture.engine.face.lashes import make_lashes
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape
from portraiture.ops.vectors import smooth
from portraiture.types import Finish, Material, Part

_SIZE = (128, 256)
_DARK = (26, 20, 20)


def make_lid_line(
    parameters: AvatarParameters, shape: HeadShape, *, thickness: float, finish: Finish = "lit"
) -> Part:
    """Upper and lower lid lines of both eyes. thickness: factor on the lines'."""
    material = Material(
        kind="plain",
        base_color=paint_lid_line(parameters, thickness),
        roughness_factor=0.9,
        alpha_mode="mask",
        alpha_cutoff=0.5,
        double_sided=True,
        finish=finish,
    )
    return replace(make_lashes(parameters, shape), material=material)


def paint_lid_line(parameters: AvatarParameters, thickness: float) -> UInt8[ndarray, "h w 4"]:
    """Colour and coverage in the layout of `lashes.paint_lashes`: upper lids in the top half, roots
    at the top of each half, the nose at the left."""
    height, width = _SIZE
    u = (np.arange(width) + 0.5) / width
    v = ((np.arange(height // 2) + 0.5) / (height // 2))[:, None]
    long = 0.5 + 0.5 * parameters.lash_length
    wing = long * smooth((u - 0.55) / 0.3) * smooth((1.0 - u) / 0.12)
    upper = thickness * (0.10 + 0.16 * smooth(u / 0.5) + 0.24 * wing * parameters.sex)
    lower = thickness * 0.09 * smooth((u - 0.25) / 0.3)
    out = np.empty((*_SIZE, 4), np.uint8)
    out[..., :3] = _DARK
    cover = [np.clip((line[None] - v) * 24.0 + 0.5, 0.0, 1.0) for line in (upper, lower)]
    out[..., 3] = np.concatenate(cover) * 255.0
    return out
