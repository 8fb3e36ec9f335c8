"""Infer the learned details of a person's skin from the texels that a photo shows.

blended texture ─less its blur─▶ detail ─visible texels, ridge─▶ coefficients ─▶ `parameters.detail`

The procedural skin painted with them continues the face where the photo does not show it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray

from portraiture.engine.details import DETAIL_RANGE, DETAILS
from portraiture.engine.head import HeadModel
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.skin.appearance import (
    CHROMA,
    LUMA,
    TO_CHANNELS,
    gather,
    load_appearance,
    split_detail,
    window_of,
)
from portraiture.engine.skin.layout import MASKS, anatomy
from portraiture.engine.skin.texels import texel_map
from portraiture.fit.light import decode

BEARD_MARGIN = 0.05
"""Strength of the beard's mask from which texels of a bearded face count as hidden."""


def infer_details(
    parameters: AvatarParameters,
    albedo: UInt8[ndarray, "s s 3"],
    mask: Float[ndarray, "s s"],
    model: HeadModel,
) -> AvatarParameters:
    """A copy of the parameters with the details of the face in a texture.

    albedo: sRGB, complete. mask: in [0, 1], where it is the photo's.
    """
    appearance = load_appearance()
    weight = mask[window_of(albedo.shape[0])]
    if parameters.beard_style != "none":
        weight = weight * (beard_zone(model, albedo.shape[0]) < BEARD_MARGIN)
    values, weights = skin_detail(albedo, weight.astype(np.float32), model)
    inside = appearance.inside
    expected = appearance.expected(parameters)
    found = appearance.solve(values[inside], weights[inside], expected)
    details = np.clip(0.5 + 0.5 * (found - expected) / DETAIL_RANGE, 0.0, 1.0)
    named = zip(DETAILS, details.tolist(), strict=True)
    return replace(parameters, detail=dict(named))


def skin_detail(
    albedo: UInt8[ndarray, "s s 3"], weight: Float32[ndarray, "h w"], model: HeadModel
) -> tuple[Float32[ndarray, "D"], Float32[ndarray, "D"]]:
    """Mid frequencies of an sRGB texture and the weight of each number, on both grids of
    `skin.appearance`, over their whole windows.

    weight: visibility in the window of the texture, in [0, 1].
    """
    size = albedo.shape[0]
    usable = usable_skin(model, size)
    log_rgb = np.log(np.maximum(decode(albedo), 4e-3))
    detail = split_detail(log_rgb, usable)[1] @ TO_CHANNELS.T
    weight = np.clip(2.0 * weight - 1.0, 0.0, 1.0) * usable[window_of(size)]
    values, weights = [], []
    for grid, channels in ((LUMA, slice(0, 1)), (CHROMA, slice(1, 3))):
        share = gather(weight[..., None], grid, size)
        mean = gather(detail[..., channels] * weight[..., None], grid, size)
        mean /= np.maximum(share, 1e-3)
        values += [mean[..., c].ravel() for c in range(mean.shape[2])]
        weights += [share.ravel()] * mean.shape[2]
    return np.concatenate(values), np.concatenate(weights)


@lru_cache(maxsize=2)
def usable_skin(model: HeadModel, size: int) -> Float32[ndarray, "s s"]:
    """Skin that is neither the mouth's inside nor an eye socket, in [0, 1]."""
    masks = anatomy(model, size).masks
    openings = masks[..., [MASKS.index("mouth"), MASKS.index("socket")]].max(2) / 255.0
    return (texel_map(model, size).inside * (1.0 - openings)).astype(np.float32)


def beard_zone(model: HeadModel, size: int) -> Float[ndarray, "h w"]:
    """The mask of the beard in the window, in [0, 1]."""
    return anatomy(model, size).masks[(*window_of(size), MASKS.index("beard"))] / 255.0
