"""Skin colour from melanin and haemoglobin, as a table of linear RGB albedo.

Two layers, as in Donner and Jensen 2006 ("A Spectral BSSRDF for Shading Human Skin", section 4) and
Jimenez et al. 2010 ("A Practical Appearance Model for Dynamic Facial Color"), in closed form:

    light ──▶ epidermis (melanin absorbs, Beer-Lambert, crossed twice)
          ──▶ dermis (blood absorbs, collagen scatters, Kubelka-Munk, infinitely deep) ──▶ albedo

The surface reflection (Fresnel) is not part of albedo; the renderer adds it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

WAVELENGTHS_NM = np.arange(400.0, 701.0, 10.0)

_OXY = np.array([
    266232, 466840, 480360, 246072, 102580, 62816, 44480, 33209, 26629, 23684, 20933, 20035,
    24202, 39957, 53236, 43016, 32613, 44496, 50104, 14401, 3200, 1506, 942, 610, 442, 368,
    320, 294, 278, 276, 290,
])  # fmt: skip
"""Molar extinction of oxygenated haemoglobin, 1/(cm mol/l) (Prahl 1999, public tabulation)."""

_DEOXY = np.array([
    223296, 303956, 407560, 528600, 413280, 103292, 23389, 16157, 14550, 16684, 20862, 25774,
    31590, 39036, 46592, 53412, 53788, 45072, 37020, 28324, 14677, 9444, 6510, 5149, 4345, 3750,
    3227, 2795, 2408, 2052, 1794,
])  # fmt: skip

_D65 = np.array([
    82.75, 91.49, 93.43, 86.68, 104.86, 117.01, 117.81, 114.86, 115.92, 108.81, 109.35, 107.80,
    104.79, 107.69, 104.41, 104.05, 100.00, 96.33, 95.79, 88.69, 90.01, 89.60, 87.70, 83.29,
    83.70, 80.03, 80.21, 82.28, 78.28, 69.72, 71.61,
])  # fmt: skip
"""Relative power of CIE standard illuminant D65."""

_XYZ_TO_RGB = np.array(
    [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]
)
"""IEC 61966-2-1."""

TABLE_SIZE = 48
"""Entries along each axis of `tone_table`."""

OXYGENATION = 0.72
HAEMOGLOBIN_GRAM_PER_LITRE = 150.0
EPIDERMIS_MM = 0.06
EPIDERMIS_BACKSCATTER = 0.045
"""Albedo added by light scattered above the pigment, which makes dark skin brown, not orange."""

IN_VIVO_FLATTENING = 1.2
"""Exponent by which melanin's spectrum is flatter in skin than in solution, since strongly absorbed
light takes the shortest paths."""


def _lobe(centre: float, below: float, above: float) -> ndarray:
    t = (WAVELENGTHS_NM - centre) * np.where(centre > WAVELENGTHS_NM, below, above)
    return np.exp(-0.5 * t * t)


def _matching_functions() -> Float[ndarray, "W 3"]:
    """CIE 1931 observer by the fit of Wyman, Sloan and Shirley 2013 (JCGT 2.2, listing 1)."""
    x = (
        0.362 * _lobe(442.0, 0.0624, 0.0374)
        + 1.056 * _lobe(599.8, 0.0264, 0.0323)
        - 0.065 * _lobe(501.1, 0.0490, 0.0382)
    )
    y = 0.821 * _lobe(568.8, 0.0213, 0.0247) + 0.286 * _lobe(530.9, 0.0613, 0.0322)
    z = 1.217 * _lobe(437.0, 0.0845, 0.0278) + 0.681 * _lobe(459.0, 0.0385, 0.0725)
    return np.stack([x, y, z], axis=1)


def spectral_albedo(
    melanin: Float[ndarray, "*n"], blood: Float[ndarray, "*n"], *, warmth: float = 0.5
) -> Float[ndarray, "*n W"]:
    """Diffuse reflectance at `WAVELENGTHS_NM`.

    melanin: volume fraction of melanosomes in the epidermis (0.01 pale to 0.45 dark).
    blood: volume fraction of blood in the dermis (0.002 to 0.07).
    warmth: in [0, 1]; amount of pheomelanin and of yellow carotenoids and bilirubin.
    """
    nm = WAVELENGTHS_NM
    melanin, blood = np.asarray(melanin)[..., None], np.asarray(blood)[..., None]
    eumelanin = 6.6e10 * nm**-3.33
    pheomelanin = 2.9e14 * nm**-4.75
    baseline = 0.0244 + 8.53 * np.exp(-(nm - 154.0) / 66.2)
    pheo_share = 0.08 + 0.30 * warmth
    pigment = (1.0 - pheo_share) * eumelanin + pheo_share * pheomelanin
    pigment = pigment * (nm / 620.0) ** IN_VIVO_FLATTENING
    epidermis = melanin * pigment + (1.0 - melanin) * baseline
    carotene = (0.10 + 0.55 * warmth) * np.exp(-0.5 * ((nm - 455.0) / 30.0) ** 2)
    transmitted = np.exp(-2.0 * EPIDERMIS_MM * 1.35 * (epidermis + carotene * 1.6))

    per_mm = np.log(10.0) * HAEMOGLOBIN_GRAM_PER_LITRE / 64500.0 / 10.0
    haemoglobin = per_mm * (OXYGENATION * _OXY + (1.0 - OXYGENATION) * _DEOXY)
    absorbed = blood * haemoglobin + (1.0 - blood) * baseline * 0.35
    scattered = 1.474 * nm**-0.22 + 2.2e10 * nm**-4.0
    ratio = absorbed / (0.75 * scattered)
    dermis = 1.0 + ratio - np.sqrt(ratio * ratio + 2.0 * ratio)
    dark = np.clip(melanin / 0.4, 0.0, 1.0)
    return transmitted * dermis * 1.06 + EPIDERMIS_BACKSCATTER * (1.0 - 0.2 * dark)


@lru_cache(maxsize=1)
def _spectrum_to_rgb() -> Float[ndarray, "W 3"]:
    weighted = _matching_functions() * _D65[:, None]
    return weighted / weighted[:, 1].sum() @ _XYZ_TO_RGB.T


def melanin_fraction(unit: Float[ndarray, "*n"] | float) -> Float[ndarray, "*n"]:
    """Convert 0 (palest) to 1 (darkest) to a volume fraction, nearly uniform perceptually."""
    return 0.006 + 0.50 * np.clip(np.asarray(unit, np.float64), 0.0, 1.2) ** 2.0


def blood_fraction(unit: Float[ndarray, "*n"] | float) -> Float[ndarray, "*n"]:
    """Convert 0 (sallow) to 1 (flushed lips) to a volume fraction."""
    return 0.0015 + 0.075 * np.clip(np.asarray(unit, np.float64), 0.0, 1.0) ** 1.6


@lru_cache(maxsize=32)
def tone_table(undertone: float) -> Float32[ndarray, "T T 3"]:
    """Linear-light RGB albedo; axis 0 is melanin in [0, 1], axis 1 haemoglobin in [0, 1].

    undertone: 0 cool, 1 warm. The array is shared: do not modify it.
    """
    unit = np.linspace(0.0, 1.0, TABLE_SIZE)
    spectrum = spectral_albedo(
        melanin_fraction(unit)[:, None], blood_fraction(unit)[None, :], warmth=undertone
    )
    return np.clip(spectrum @ _spectrum_to_rgb(), 0.002, 1.0).astype(np.float32)


def encode_srgb(linear: Float[ndarray, "*n"]) -> Float[ndarray, "*n"]:
    """Linear light in [0, 1] to sRGB in [0, 1] (IEC 61966-2-1)."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
