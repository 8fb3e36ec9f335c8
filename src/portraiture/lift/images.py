"""Images of a lifted person: its maps, views and lights.

Letters: S side of an image.
"""

from __future__ import annotations

from math import radians

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from portraiture.lift.codes import light_code, view_code
from portraiture.lift.estimate import Lifted
from portraiture.lift.geometry import outward_normals
from portraiture.types import as_uint8

YAWS = tuple(map(radians, (-40.0, -20.0, 0.0, 20.0, 40.0)))
LIGHTS = tuple(map(radians, (-60.0, -30.0, 0.0, 30.0, 60.0)))


def sheets(lifted: Lifted) -> dict[str, UInt8[ndarray, "h w 3"]]:
    """Albedo, depth (near is bright), normals, turns and lights by the names of their files."""
    depth = lifted.depth[0]
    near = (depth.max() - depth) / (depth.max() - depth.min()).clamp_min(1e-6)
    return {
        "albedo": pixels(lifted.albedo),
        "depth": pixels(2.0 * near.expand(1, 3, -1, -1) - 1.0),
        "normals": pixels(outward_normals(lifted.depth).movedim(-1, 1)),
        "turns": np.concatenate([turned(lifted, yaw) for yaw in YAWS], 1),
        "lights": np.concatenate([lit(lifted, x) for x in LIGHTS], 1),
    }


def turned(lifted: Lifted, yaw: float, pitch: float = 0.0) -> UInt8[ndarray, "S S 3"]:
    """From another side, in the person's own light."""
    return pixels(lifted.render(view=view_code(yaw, pitch, like=lifted.w)).image)


def lit(lifted: Lifted, x: float, y: float = 0.0) -> UInt8[ndarray, "S S 3"]:
    """From the front in another light."""
    front = view_code(0.0, like=lifted.w)
    return pixels(lifted.render(view=front, light=light_code(x, y, like=lifted.w)).image)


def pixels(image: Float[Tensor, "1 3 S S"]) -> UInt8[ndarray, "S S 3"]:
    """An image in [-1, 1]; values outside are clamped."""
    return as_uint8((0.5 * image[0] + 0.5).clamp(0.0, 1.0).permute(1, 2, 0).cpu().numpy())
