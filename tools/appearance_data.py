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

from portraiture.engine.classes import HAIR_COLOURS
from portraiture.engine.head import HeadModel
from portraiture.engine.skin.appearance import COVARIATES, window_of
from portraiture.fit.detail import BEARD_MARGIN, beard_zone, skin_detail

SIZE = 1024
SHARP_PX = 110.0
"""Distance of the outer corners of the eyes that resolves the finer grid, pixels."""

SEX = {"m": 0.12, "f": 0.88}
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


def read_fits(paths: list[Path], model: HeadModel) -> Samples:
    """Read fits; beards are taken as hidden skin."""
    rows = [_sample(path, model) for path in paths]
    return Samples(
        tuple(path.stem for path in paths),
        *(np.stack([row[k] for row in rows]).astype(np.float32) for k in range(3)),
    )


def _sample(path: Path, model: HeadModel) -> tuple[ndarray, ndarray, ndarray]:
    with np.load(path, allow_pickle=False) as file:
        albedo, mask, about = file["albedo"], file["mask"], json.loads(str(file["about"]))
    weight = mask[window_of(SIZE)].astype(np.float32) / 255.0
    if about["seen"].get("beard", "none") != "none":
        weight = weight * (beard_zone(model, SIZE) < BEARD_MARGIN)
    values, weights = skin_detail(albedo, weight, model)
    sharp = min(1.0, about["eyes_px"] / SHARP_PX) ** 2
    return values, sharp * weights, covariates(about["parameters"], about["seen"])


def covariates(parameters: Mapping[str, Any], seen: Mapping[str, str]) -> ndarray:
    """The covariates of a labelled portrait."""
    colour = seen.get("colour", "")
    known = {
        "sex": SEX[seen["sex"]],
        "age": AGE.get(colour, MIDDLE_AGE),
        "skin_melanin": parameters["skin_melanin"],
        "hair_melanin": HAIR_COLOURS[colour][0]
        if colour in HAIR_COLOURS and colour not in AGE
        else DARK_HAIR,
    }
    return np.array([known[name] for name in COVARIATES], np.float32)
