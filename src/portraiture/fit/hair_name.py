"""Name the colour of hair, which says more than its pixels: light and gloss change those [ours].

pixels of hair, of cheeks and brows, length, form, skin's tone ─logistic regression─▶ chances ─┐
portrait parser ──────────────────────────────────────────────────────────────▶ chances ─×─────┴─▶

What people call grey, blond or brown depends on the skin beside it and on who wears it. The
regression (`tools/learn_hair_names.py`) sees colours and what the parser says of length, form, sex
and tone of skin; the parser sees the image. Of two annotators one names 77 % of heads as the other
does, and 99 % within a step.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from skimage.color import rgb2lab

from portraiture.fit.light import decode, encode
from portraiture.fit.parse import Looks
from portraiture.fit.regions import Regions
from portraiture.fit.zones import cheek_mask, disc, zone_colour
from portraiture.perception.looks import LOOKS, Look

NAMES_PATH = Path(__file__).parent.parent / "assets" / "hair_names.npz"
SHARES = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Quantiles of the hair's linear colour."""
BROW, BROW_POINTS = 0.05, (105, 66, 334, 296)
"""Radius, inter-ocular distances, and landmarks of the brows' thickest part."""
KNOWN: tuple[Look, ...] = ("hair", "form", "sex", "skin")
"""Looks that go with names."""
DOUBT_SEEN, DOUBT_PARSED = 0.02, 0.01
"""Added to the chances of both."""


class NameModel(NamedTuple):
    """Logistic regression on standardised features, F to the K names of `LOOKS["colour"]`."""

    mean: Float[ndarray, "F"]
    scale: Float[ndarray, "F"]
    weight: Float[ndarray, "K F"]
    bias: Float[ndarray, "K"]

    def chances(self, features: Float[ndarray, "F"]) -> Float[ndarray, "K"]:
        """Probability of each name."""
        logits = self.weight @ ((features - self.mean) / self.scale) + self.bias
        chances = np.exp(logits - logits.max())
        return chances / chances.sum()


def name_chances(regions: Regions, looks: Looks) -> Float[ndarray, "K"]:
    """Probability of each name of `LOOKS["colour"]`, by the hair's pixels and by the parser."""
    seen = _model().chances(name_features(regions, looks)) + DOUBT_SEEN
    both = seen * (np.asarray(looks.classes["colour"], np.float64) + DOUBT_PARSED)
    return both / both.sum()


def name_features(regions: Regions, looks: Looks) -> Float[ndarray, "F"]:
    """CIELAB of hair, cheeks, brows and the whole window, the hair's spread, and `KNOWN` looks."""
    hair = decode(regions.image[regions.hair])
    hair = hair if len(hair) else decode(regions.image.reshape(-1, 3))
    every = rgb2lab(encode(hair[:: max(1, len(hair) // 400)]))
    chroma = np.hypot(every[:, 1], every[:, 2])
    brow = np.any([disc(regions, k, BROW) for k in BROW_POINTS], axis=0)
    window = np.quantile(decode(regions.image.reshape(-1, 3)), (0.5, 0.98), axis=0)
    brows = np.quantile(decode(regions.image[brow]), (0.1, 0.5), axis=0)
    cheek = zone_colour(regions, cheek_mask(regions))
    colours = np.concatenate([np.quantile(hair, SHARES, axis=0), cheek[None], brows, window])
    spread = [chroma.mean(), np.median(chroma), chroma.std(), every[:, 0].std()]
    known = [np.asarray(looks.classes[name], np.float64) for name in KNOWN]
    return np.concatenate([rgb2lab(encode(colours)).ravel(), spread, *known])


def save_names(model: NameModel, path: Path) -> None:
    """Write single precision."""
    np.savez_compressed(path, **{k: v.astype(np.float32) for k, v in model._asdict().items()})


@lru_cache(maxsize=1)
def _model() -> NameModel:
    with np.load(NAMES_PATH) as arrays:
        model = NameModel(**{name: arrays[name].astype(np.float64) for name in NameModel._fields})
    if len(model.bias) != len(LOOKS["colour"]):
        raise ValueError("hair_names.npz is of other names; run tools/learn_hair_names.py.")
    return model
