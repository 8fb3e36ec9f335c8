"""How a person looks into the camera for a portrait: at rest, smiling, showing teeth; the gaze."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from numpy.random import Generator

from portraiture.engine.population import MOOD_SHARES, MOODS, MOVED, PAIRED, Mood, load_population

EXPRESSION = 9
"""Second word of the seed of a person's expression, beside those of `engine.sample`."""
FURTHEST = 1.8
"""Bound on the factors, standard deviations (resampled beyond)."""
SIDES = 0.08
"""Standard deviation of the log ratio of either side to their mean."""
STRONGEST = 0.95
SQUINT = 0.26
"""Most of `eyeSquint`, the mean of both eyes: whoever looks into a camera keeps the eyes open."""
WITH_SMILE = {"cheekSquint": 0.4, "eyeSquint": 0.04, "mouthDimple": 0.12}
"""What is added for each unit of `mouthSmile`: zygomaticus smiles lift the cheeks and narrow the
eyes (Ekman, Davidson and Friesen 1990, "The Duchenne smile"), of which landmarks tell too little.
Eyes of portraits open by 0.29 of their width, those of sampled people by 0.28."""
TOOTHY = {"mouthSmile": 0.2, "mouthUpperUp": -0.3, "mouthLowerDown": 0.1, "jawOpen": 0.06}
"""What is added where teeth show: the fits, which prefer small weights, open the lips evenly. In
portraits the corners are 0.12 inter-ocular distances above the middle of the mouth and 0.34 above
the lower lip's edge."""
SIDEWAYS, UP, DOWN = np.radians((13.4, 9.0, 10.2))
"""Turn of an eye by an action's full weight (measured on the average face)."""


def portrait_expression(seed: int, *, mood: Mood | None = None) -> dict[str, float]:
    """ARKit weights in [0, 1] of the portrait of a seed's person, a Gaussian learned from portraits
    for each mood. mood: by default one of `MOODS`, by `MOOD_SHARES`."""
    return sample_portrait(np.random.default_rng((seed, EXPRESSION)), mood=mood)


def sample_portrait(rng: Generator, *, mood: Mood | None = None) -> dict[str, float]:
    """The same from a generator."""
    people = load_population()
    sampled = int(rng.choice(len(MOODS), p=MOOD_SHARES))
    kind = sampled if mood is None else MOODS.index(mood)
    factors = rng.standard_normal(people.factor.shape[1])
    while (far := np.abs(factors) > FURTHEST).any():
        factors[far] = rng.standard_normal(int(far.sum()))
    weights = people.mean[kind] + factors @ people.factor[kind]
    if MOODS[kind] == "teeth":
        for name, more in TOOTHY.items():
            weights[MOVED.index(name)] += more
    smile = max(float(weights[MOVED.index("mouthSmile")]), 0.0)
    for name, share in WITH_SMILE.items():
        weights[MOVED.index(name)] += share * smile
    squint = MOVED.index("eyeSquint")
    weights[squint] = min(weights[squint], SQUINT)
    out: dict[str, float] = {}
    for name, weight in zip(MOVED, weights, strict=True):
        uneven = float(np.exp(rng.normal(0.0, SIDES)))
        sides = {f"{name}Left": uneven, f"{name}Right": 1.0 / uneven}
        for action, ratio in (sides if name in PAIRED else {name: 1.0}).items():
            value = float(np.clip(weight * ratio, 0.0, STRONGEST))
            if value > 0.01:
                out[action] = value
    return out


def gaze_towards(direction: Float[ndarray, "3"]) -> dict[str, float]:
    """ARKit weights with which both eyes look along a direction (x to the person's left, y up, z
    forward), as far as they turn."""
    x, y, z = np.asarray(direction, np.float64)
    side, up = np.arctan2(x, z) / SIDEWAYS, np.arctan2(y, np.hypot(x, z))
    out: dict[str, float] = {}
    for eye, outward in (("Left", side), ("Right", -side)):
        out[f"eyeLookOut{eye}"], out[f"eyeLookIn{eye}"] = max(outward, 0.0), max(-outward, 0.0)
        out[f"eyeLookUp{eye}"], out[f"eyeLookDown{eye}"] = max(up, 0.0) / UP, max(-up, 0.0) / DOWN
    return {name: float(min(weight, 1.0)) for name, weight in out.items() if weight > 0.0}
