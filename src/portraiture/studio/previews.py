"""What the page needs to show an edit before the exact geometry comes: how the head's vertices move
along one parameter, and how the colours of parts change along another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

from portraiture.avatar import Avatar
from portraiture.engine.build import head_of
from portraiture.engine.hair.color import hair_rgb, to_linear
from portraiture.engine.head import PHENOTYPES
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shapes import SHAPES
from portraiture.engine.skin.retone import TONE, tone
from portraiture.engine.style.recipes import restyle_parameters
from portraiture.errors import AvatarError

KNOTS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Values between which the page interpolates. Shape changes are linear in between, to the bit; so
is the body but for the ancestries, whose weights are normalised."""
STILL_M = 1e-5
HAIR_PARTS = ("hair", "brows", "beard")
CLOTH_PARTS = {"cloth": "clothes", "shirt": "shirt", "tie": "tie", "hat": "hat"}
Tints = dict[str, list[list[float]]]


def shape_names() -> list[str]:
    """Names of edits that move the head's vertices."""
    return [*PHENOTYPES, *(f"shape:{name}" for name in SHAPES)]


def moved(avatar: Avatar, name: str) -> bytes:
    """How the head's vertices move along a parameter.

    Bytes: u32 number of rows R, u32 knots K - 1 (all `KNOTS` but the
    first), K - 1 f32 scales, R u16 rows padded to four bytes, then per knot R x 3 i16, the
    displacement from the first knot divided by its scale. Raises AvatarError on another name.
    """
    if name not in shape_names():
        raise AvatarError(f"{name[:40]!r} is not a parameter of the head's shape.")
    at = [_vertices(_with(avatar, name, value)) for value in KNOTS]
    deltas = np.stack([vertices - at[0] for vertices in at[1:]])
    rows = np.flatnonzero(np.abs(deltas).max((0, 2)) > STILL_M)
    deltas = deltas[:, rows]
    scales = np.maximum(np.abs(deltas).max((1, 2), initial=0.0), 1e-9) / 32767.0
    steps = np.rint(deltas / scales[:, None, None]).astype("<i2")
    index = rows.astype("<u2").tobytes()
    return b"".join([
        np.array([len(rows), len(deltas)], "<u4").tobytes(), scales.astype("<f4").tobytes(),
        index, b"\0" * (-len(index) % 4), steps.tobytes(),
    ])  # fmt: skip


def _vertices(avatar: Avatar) -> Float32[ndarray, "V 3"]:
    """Of the head, built anew: previews must not crowd the heads out that edits come back to."""
    restyled = restyle_parameters(avatar.parameters, avatar.style)
    return head_of(restyled, avatar.style, makeover=avatar.makeover).vertices


def _with(avatar: Avatar, name: str, value: float) -> Avatar:
    entry = name.removeprefix("shape:")
    if entry != name:
        return replace(avatar, parameters=avatar.parameters.with_shape(**{entry: value}))
    return replace(avatar, parameters=replace(avatar.parameters, **{name: value}))


def tints(avatar: Avatar, name: str) -> Tints:
    """Linear colours of parts at `KNOTS` of a parameter, the others as they are; the page shows a
    part in the ratio of two of them. Empty for parameters that change no colour of a whole part."""
    at = [replace(avatar.parameters, **{name: value}) for value in KNOTS] if _known(name) else []
    if name in ("hair_melanin", "hair_redness", "hair_grey"):
        colors = [_hair(parameters) for parameters in at]
        return dict.fromkeys(HAIR_PARTS, colors)
    if name in TONE:
        return {"skin": [tone(parameters).tolist() for parameters in at]}
    if name == "brow_darkness":
        return {"brows": [[1.6 - 1.2 * value] * 3 for value in KNOTS]}
    kind, _, channel = name.rpartition("_")
    if kind in CLOTH_PARTS and channel in ("red", "green", "blue"):
        return {CLOTH_PARTS[kind]: [_cloth(parameters, kind) for parameters in at]}
    return {}


def _known(name: str) -> bool:
    return name.isidentifier() and isinstance(getattr(AvatarParameters(), name, None), float)


def _hair(parameters: AvatarParameters) -> list[float]:
    rgb = hair_rgb(parameters.hair_melanin, parameters.hair_redness, parameters.hair_grey)
    return to_linear(rgb).tolist()


def _cloth(parameters: AvatarParameters, kind: str) -> list[float]:
    rgb: Float[ndarray, "3"] = np.array(
        [getattr(parameters, f"{kind}_{channel}") for channel in ("red", "green", "blue")]
    )
    return np.maximum(to_linear(rgb), 0.01).tolist()
