"""Light as JSON records, in avatar files and beside synthetic images."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
from numpy import ndarray

from portraiture.errors import AvatarError
from portraiture.types import Environment, KeyShape, Light


def light_of(values: Mapping[str, Any]) -> Light:
    """The inverse of `light_record`. Raises AvatarError, KeyError, TypeError or ValueError."""
    return Light(
        finite_array(values["ambient"], (9, 3)),
        finite_array(values["key_direction"], (3,)),
        finite_array(values["key_color"], (3,)),
        _environment(values["environment"]) if "environment" in values else None,
    )


def light_record(light: Light) -> dict[str, Any]:
    """Numbers as lists; the environment as base64 of little-endian half floats."""
    out: dict[str, Any] = {
        "ambient": light.ambient.tolist(),
        "key_direction": light.key_direction.tolist(),
        "key_color": light.key_color.tolist(),
    }
    around = light.environment
    if around is not None:
        halves = np.ascontiguousarray(around.radiance, "<f2").tobytes()
        out["environment"] = {
            "radiance": base64.b64encode(halves).decode("ascii"),
            "key_size": around.key_size,
            "key_shape": around.key_shape,
        }
    return out


def _environment(values: Mapping[str, Any]) -> Environment:
    halves = np.frombuffer(base64.b64decode(values["radiance"], validate=True), "<f2")
    radiance = halves.reshape(32, 64, 3).astype(np.float16)
    size, shape = float(values["key_size"]), values["key_shape"]
    if not (np.isfinite(radiance).all() and 0.0 < size < 10.0 and shape in get_args(KeyShape)):
        raise AvatarError("The avatar file is damaged: its light's environment is impossible.")
    return Environment(radiance, size, shape)


def finite_array(values: Any, shape: tuple[int, ...]) -> ndarray:
    """Numbers of a record. Raises AvatarError unless they have the shape and are finite."""
    array = np.array(values, np.float64)
    if array.shape != shape or not np.isfinite(array).all():
        raise AvatarError(f"The avatar file is damaged: expected {shape} finite numbers.")
    return array
