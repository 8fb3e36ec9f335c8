"""Choose assets of MakeHuman packs that suit a person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from portraiture.engine.packs.assets import Asset
from portraiture.engine.parameters import LONG_HAIR, AvatarParameters

LONG_WORDS = ("long", "bob", "ponytail", "braid")
"""Words in an asset's name that indicate hair reaching below the ears."""

KEPT = ("bald", "buzz", "receding", "horseshoe")
"""Procedural styles that no asset replaces."""


def dress(parameters: AvatarParameters, assets: Sequence[Asset], seed: int) -> list[Asset]:
    """Choose at most one asset of each kind: hair, brows, clothes and skin.

    Hair matches the length of the person's procedural style; skins and suits whose names state a
    sex, age or tone match the parameters. Bald and balding people stay so. Deterministic in `seed`.
    """
    rng = np.random.default_rng([seed, 7])
    chosen: list[Asset] = []
    for kind in ("skin", "hair", "brows", "clothes"):
        fitting = [a for a in assets if a.kind == kind and _suits(a.name.lower(), parameters)]
        if kind == "hair":
            if parameters.hair_style in KEPT or parameters.hat_style != "none":
                continue
            fitting = [a for a in fitting if _is_long(a.name) == _wears_long(parameters)]
            fitting = [a for a in fitting if _has_texture(a)] or fitting
        if fitting:
            chosen.append(fitting[int(rng.integers(len(fitting)))])
    return chosen


def _has_texture(asset: Asset) -> bool:
    """Whether hair has its own texture; without one it looks like plastic."""
    return any(asset.path.parent.glob("*.png"))


def _is_long(name: str) -> bool:
    return any(word in name.lower() for word in LONG_WORDS)


def _wears_long(parameters: AvatarParameters) -> bool:
    return parameters.hair_style in LONG_HAIR


def _suits(name: str, parameters: AvatarParameters) -> bool:
    """Whether the sex, age and tone in the name, if any, match the person."""
    female = parameters.sex > 0.5
    if ("female" in name) if not female else ("male" in name.replace("female", "")):
        return False
    if "darkskinned" in name and parameters.skin_melanin < 0.55:
        return False
    if "lightskinned" in name and parameters.skin_melanin >= 0.55:
        return False
    ages = {"young": (0.0, 0.68), "middleage": (0.6, 0.85), "old": (0.78, 1.0)}
    for word, (low, high) in ages.items():
        if name.startswith(word) and not low <= parameters.age <= high:
            return False
    return not (name.startswith("afro") and parameters.african < 0.4)
