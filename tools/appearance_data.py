"""Read the fits of `learn_appearance.py` as samples: details of the skin and their visibility.

Dimension letters: N samples, D numbers of a field over the whole window of both grids (luminance,
then two of chroma).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32
from numpy import ndarray
from scipy.ndimage import gaussian_filter

from portraiture.engine.head import HeadModel
from portraiture.engine.skin.appearance import (
    CHROMA,
    COVARIATES,
    LUMA,
    TO_CHANNELS,
    gather,
    split_detail,
    window_of,
)
from portraiture.engine.skin.layout import MASKS, anatomy
from portraiture.engine.skin.texels import texel_map
from portraiture.fit.light import decode

SIZE = 1024
SHARP_PX = 110.0
"""Distance of the outer corners of the eyes that resolves the finer grid, pixels."""

SEX = {"m": 0.12, "f": 0.88}
HAIR = {
    "black": 0.97, "dark_brown": 0.88, "brown": 0.76, "light_brown": 0.6, "blond": 0.4, "red": 0.55,
}  # fmt: skip
GREY = {"grey": 0.7, "white": 1.0}
AGE = {"grey": 0.77, "white": 0.85}
DARK_HAIR = 0.8
MIDDLE_AGE = 0.66
"""Labels as the engine's parameters. The age is a guess from the hair: nobody noted it."""


@dataclass(frozen=True)
class Samples:
    """names: of the portraits. values, weights: (N, D). covariates: (N, P), see `COVARIATES`."""

    names: tuple[str, ...]
    values: Float32[ndarray, "N D"]
    weights: Float32[ndarray, "N D"]
    covariates: Float32[ndarray, "N P"]


def usable_skin(model: HeadModel, size: int = SIZE) -> Float32[ndarray, "s s"]:
    """Skin that is neither the mouth's inside nor an eye socket, in [0, 1]."""
    masks = anatomy(model, size).masks
    openings = masks[..., [MASKS.index("mouth"), MASKS.index("socket")]].max(2) / 255.0
    return (texel_map(model, size).inside * (1.0 - openings)).astype(np.float32)


def read_fits(paths: list[Path], model: HeadModel) -> Samples:
    """Read fits; beards are taken as hidden skin."""
    usable = usable_skin(model)
    rows = [_sample(path, model, usable) for path in paths]
    return Samples(
        tuple(path.stem for path in paths),
        *(np.stack([row[k] for row in rows]).astype(np.float32) for k in range(3)),
    )


def _sample(path: Path, model: HeadModel, usable: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    with np.load(path, allow_pickle=False) as file:
        albedo, mask, about = file["albedo"], file["mask"], json.loads(str(file["about"]))
    window = window_of(SIZE)
    weight = np.clip(2.0 * mask[window] / 255.0 - 1.0, 0.0, 1.0) * usable[window]
    if about["seen"].get("beard", "none") != "none":
        zone = anatomy(model, SIZE).masks[(*window, MASKS.index("beard"))] / 255.0
        weight = weight * (1.0 - np.clip(3.0 * gaussian_filter(zone, 12.0), 0.0, 1.0))
    values, weights = flatten(albedo, weight.astype(np.float32), usable)
    sharp = min(1.0, about["eyes_px"] / SHARP_PX) ** 2
    return values, sharp * weights, covariates(about["parameters"], about["seen"])


def flatten(
    albedo: ndarray, weight: Float32[ndarray, "h w"], usable: Float32[ndarray, "s s"]
) -> tuple[Float32[ndarray, "D"], Float32[ndarray, "D"]]:
    """The detail of an sRGB texture and the weight of each number, on both grids."""
    log_rgb = np.log(np.maximum(decode(albedo), 4e-3))
    detail = split_detail(log_rgb, usable)[1] @ TO_CHANNELS.T
    values, weights = [], []
    for grid, channels in ((LUMA, slice(0, 1)), (CHROMA, slice(1, 3))):
        share = gather(weight[..., None], grid, SIZE)
        mean = gather(detail[..., channels] * weight[..., None], grid, SIZE)
        mean /= np.maximum(share, 1e-3)
        values += [mean[..., c].ravel() for c in range(mean.shape[2])]
        weights += [share.ravel()] * mean.shape[2]
    return np.concatenate(values), np.concatenate(weights)


def covariates(parameters: Mapping[str, Any], seen: Mapping[str, str]) -> ndarray:
    """The covariates of a labelled portrait."""
    colour = seen.get("colour", "")
    known = {
        "sex": SEX[seen["sex"]],
        "age": AGE.get(colour, MIDDLE_AGE),
        "skin_melanin": parameters["skin_melanin"],
        "hair_melanin": HAIR.get(colour, DARK_HAIR),
        "hair_grey": GREY.get(colour, 0.0),
    }
    return np.array([known[name] for name in COVARIATES], np.float32)
