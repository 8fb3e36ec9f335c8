"""Hair colour from pigment concentrations."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

EUMELANIN = np.array([0.419, 0.697, 1.37])
"""Absorption per unit of eumelanin, linear RGB (d'Eon et al. 2011, section 6)."""

PHEOMELANIN = np.array([0.06, 0.50, 1.35])
"""Absorption per unit of pheomelanin, redder than d'Eon's fit so that ginger hair looks ginger."""

WHITE = np.array([0.56, 0.548, 0.53])
"""Linear RGB of a clump of hairs without pigment."""

SURFACE = 0.007
"""Linear reflectance of the cuticle, so that black hair is not pure black."""

_BETA = 5.888
"""The denominator of Chiang et al. 2016, equation 9, at azimuthal roughness 0.3."""


_ROOT_MELANIN, _TIP_MELANIN = 0.6, 0.12
"""Melanin of dark roots above that of the hair, as a share of what is missing to black, and of
their tips below it, as a share of the hair's."""


def hair_rgb(melanin: float, redness: float, grey: float) -> Float[ndarray, "3"]:
    """Mean sRGB colour of hair, in [0, 1].

    melanin: 0 white blond, 1 black (eumelanin on a logarithmic scale); redness: 0 ash, 1 ginger
    (pheomelanin); grey: fraction of hairs without pigment. All in [0, 1]; the colour darkens
    strictly with melanin. Absorption is converted to albedo by inverting equation 9 of Chiang et
    al. 2016, "A Practical and Controllable Hair and Fur Model for Production Path Tracing".
    """
    pigmented = pigment_rgb(melanin, redness)
    return to_srgb((1.0 - grey) * pigmented + grey * WHITE)


def pigment_rgb(melanin: float, redness: float) -> Float[ndarray, "3"]:
    """Linear RGB of one pigmented clump; see `hair_rgb`."""
    eumelanin = 0.018 * 130.0**melanin * (1.0 - 0.85 * redness * (1.0 - melanin))
    pheomelanin = 0.006 + redness * (0.05 + 0.45 * melanin)
    absorption = eumelanin * EUMELANIN + pheomelanin * PHEOMELANIN
    return SURFACE + (0.95 - SURFACE) * np.exp(-_BETA * np.sqrt(absorption))


def root_and_tip(
    melanin: Float[ndarray, "..."] | float, roots: float
) -> tuple[Float[ndarray, "..."], Float[ndarray, "..."]]:
    """Melanin near the skin and beyond of hair with `hair_roots`: 0 even, 1 dark roots."""
    melanin = np.asarray(melanin)
    return melanin + _ROOT_MELANIN * roots * (1.0 - melanin), melanin * (1.0 - _TIP_MELANIN * roots)


def to_srgb(linear: Float[ndarray, "..."]) -> Float[ndarray, "..."]:
    """Linear [0, 1] to sRGB (IEC 61966-2-1)."""
    linear = np.clip(linear, 0.0, 1.0)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def to_linear(srgb: Float[ndarray, "..."]) -> Float[ndarray, "..."]:
    """sRGB [0, 1] to linear (IEC 61966-2-1)."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
