"""Sample how a person looks into the camera for a portrait: at rest, smiling, or showing teeth."""

from __future__ import annotations

import numpy as np

from portraiture.engine.population import MOOD_SHARES, MOODS, MOVED, PAIRED, Mood, load_population

EXPRESSION = 9
"""Second word of the seed of a person's expression, beside those of `engine.sample`."""
FURTHEST = 1.8
"""Bound on the factors, standard deviations (resampled beyond)."""
SIDES = 0.08
"""Standard deviation of the log ratio of either side to their mean."""
STRONGEST = 0.95


def portrait_expression(seed: int, *, mood: Mood | None = None) -> dict[str, float]:
    """ARKit weights in [0, 1] of the portrait of a seed's person, a Gaussian learned from portraits
    for each mood. mood: by default one of `MOODS`, by `MOOD_SHARES`."""
    people = load_population()
    rng = np.random.default_rng((seed, EXPRESSION))
    sampled = int(rng.choice(len(MOODS), p=MOOD_SHARES))
    kind = sampled if mood is None else MOODS.index(mood)
    factors = rng.standard_normal(people.factor.shape[1])
    while (far := np.abs(factors) > FURTHEST).any():
        factors[far] = rng.standard_normal(int(far.sum()))
    weights = people.mean[kind] + factors @ people.factor[kind]
    out: dict[str, float] = {}
    for name, weight in zip(MOVED, weights, strict=True):
        uneven = float(np.exp(rng.normal(0.0, SIDES)))
        sides = {f"{name}Left": uneven, f"{name}Right": 1.0 / uneven}
        for action, ratio in (sides if name in PAIRED else {name: 1.0}).items():
            value = float(np.clip(weight * ratio, 0.0, STRONGEST))
            if value > 0.01:
                out[action] = value
    return out
