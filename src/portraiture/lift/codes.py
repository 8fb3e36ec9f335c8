"""LiftedGAN's codes of given views and lights."""

from __future__ import annotations

from math import sin, tan

from jaxtyping import Float
from torch import Tensor

from portraiture.lift.geometry import MAX_ANGLE

AMBIENT, DIFFUSE = 0.2, 0.8
"""Light codes of relit images, as in the published program's tool."""


def view_code(yaw: float, pitch: float = 0.0, *, like: Tensor) -> Float[Tensor, "1 6"]:
    """The code of a camera at these angles, radians; positive shows the person's left and the top
    of the head. The head shifts as it turns, as in the published program's tool."""
    x, y = yaw / MAX_ANGLE, pitch / MAX_ANGLE
    return like.new_tensor([[y, x, 0.0, 0.1 * sin(x), -0.2 * sin(y), 0.0]])


def light_code(x: float, y: float = 0.0, *, like: Tensor) -> Float[Tensor, "1 4"]:
    """The code of a light at these angles to the view, radians; positive comes from the person's
    left and from above."""
    return like.new_tensor([[AMBIENT, DIFFUSE, -tan(x), tan(y)]])
