"""Learn how people go together (`portraiture.engine.population`) from portraits and their fits.

    python tools/learn_people.py PORTRAITS FITS [--out FILE]

PORTRAITS is laid out as `data.portrait_folder` reads it, FITS are those of `learn_appearance.py
fit`. Held-out portraits are not learned from.

annotations ─▶ age band of each portrait, by its hair ─▶ counts ┐
usual frequencies (`people_rules`) ─────────────────────────────┴─▶ tables
fits ─▶ shape, details less what sex, age and colouring explain ─▶ pairs of directions

Nobody noted an age: each portrait counts for every band by the probability of its grey hair and
its hairline there (Bayes, with the ages of Congress). Those under 35 hardly occur; there the rules
speak.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from appearance_data import covariates, read_fits
from jaxtyping import Float
from numpy import ndarray
from people_rules import BIASED, CONGRESS, OLD_BY_BAND, rules
from rich.console import Console
from tyro.conf import Positional

from portraiture.data.portrait_folder import held_out, read_portraits
from portraiture.engine.actions import ACTIONS
from portraiture.engine.head import load_head
from portraiture.engine.population import (
    AXES,
    CLASSES,
    GIVEN,
    MOODS,
    MOVED,
    PAIRED,
    PEOPLE_PATH,
    SEXES,
    Population,
    save_population,
)
from portraiture.engine.prior import load_prior
from portraiture.engine.shapes import SHAPES
from portraiture.engine.skin.appearance import load_appearance

SMOOTHING = 30.0
"""Portraits that the rules weigh in each row of a table."""
BIAS = 0.35
"""Exponent of what portraits say of looks in which official portraits are unlike other photos."""
CERTAIN = 0.95
"""Quantile of permuted data above which a pair of directions counts."""
PERMUTATIONS = 200
AXES_OF_SHAPE = 40
"""Leading axes of the prior that are paired with details."""
FACTORS = 5
"""Of each mood's expressions."""
TEETH, SMILE = 0.55, 0.25
"""Mean of `mouthUpperUp` and `mouthLowerDown` from which teeth show, `mouthSmile` of a smile."""
ROOM = 0.9
"""Largest weight of an action, after fits that reach their bounds."""
PARTING = ("mouthUpperUp", "mouthLowerDown", "jawOpen", "mouthFunnel", "mouthClose")
"""Actions that part the lips, with which fits of closed mouths make lips thicker: moods without
teeth have none."""
SHAPING = ("noseSneer", "mouthRollUpper", "mouthRollLower", "browDown")
"""Actions with which fits shape nose, lips and brows even at rest: what they have there is
subtracted."""


def main(portraits: Positional[Path], fits: Positional[Path], *, out: Path = PEOPLE_PATH) -> None:
    """Learn and save the population."""
    training = held_out(read_portraits(portraits))[0]
    names = {portrait.name for portrait in training}
    paths = [path for path in sorted(fits.glob("*.npz")) if path.stem in names]
    abouts = [_about(path) for path in paths]
    known = np.array([covariates(a["parameters"], a["seen"]) for a in abouts])
    woman = np.array([a["seen"]["sex"] == "f" for a in abouts])
    shape = _explained(_whitened(abouts), known)
    model = load_appearance()
    samples = read_fits(paths, load_head())
    inside = model.inside
    details = np.array([
        model.solve(value[inside], weight[inside], expected) - expected
        for value, weight, expected in zip(
            samples.values, samples.weights,
            (np.clip(samples.covariates, model.low, model.high) - model.centre) @ model.slopes.T,
            strict=True,
        )
    ])  # fmt: skip
    face, skin, correlation = pairs(shape, _explained(details, known))
    mean, factor = moods([a["expression"] for a in abouts])
    population = Population(
        tables=tables([portrait.seen for portrait in training]),
        woman=_woman(_whitened(abouts), known, woman),
        face=face, skin=skin, correlation=correlation, mean=mean, factor=factor,
    )  # fmt: skip
    save_population(population, out)
    Console().print(
        f"{len(training)} portraits, {len(paths)} fits, pairs {np.round(correlation, 2)}, "
        f"woman {np.linalg.norm(population.woman):.2f}, {out.stat().st_size / 1e3:.0f} KB"
    )


def tables(seen: Sequence[Mapping[str, str]]) -> dict[str, Float[ndarray, "..."]]:
    """Probabilities of every look, see `GIVEN`: counts, smoothed towards the rules."""
    usual = rules()
    found = {}
    for look, given in GIVEN.items():
        counts = np.zeros(usual[look].shape)
        for row in seen:
            if row.get(look) in CLASSES[look]:
                _count(counts, row, given, CLASSES[look].index(row[look]))
        if look in BIASED:
            likely = (counts + SMOOTHING * usual[look]) / (
                counts.sum(-1, keepdims=True) + SMOOTHING
            )
            table = usual[look] ** (1.0 - BIAS) * likely**BIAS
        else:
            table = counts + SMOOTHING * usual[look]
        found[look] = table / table.sum(-1, keepdims=True)
    return found


def _count(counts: ndarray, row: Mapping[str, str], given: Sequence[str], index: int) -> None:
    """Add a portrait to a look's counts, shared among the bands of age."""
    at: list[Any] = []
    share: Any = 1.0
    for name in given:
        if name == "band":
            at.append(slice(None))
            share = bands_of(row)
            continue
        value = {"m": "man", "f": "woman"}[row["sex"]] if name == "sex" else row[_LABEL[name]]
        at.append(AXES[name].index(value))
    counts[(*at, index)] += share


_LABEL = {"tone": "skin", "hair": "hair"}


def bands_of(row: Mapping[str, str]) -> Float[ndarray, "4"]:
    """Probability of each band of age of a portrait, given its hair's colour and line."""
    sex = SEXES.index("woman" if row["sex"] == "f" else "man")
    chance = CONGRESS.copy()
    for name, classes in (("colour", ("grey", "white")), ("hair", ("receding", "bald"))):
        old = OLD_BY_BAND[name][sex]
        chance *= old if row.get(name) in classes else 1.0 - old
    return chance / chance.sum()


def _about(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as file:
        return json.loads(str(file["about"]))


def _whitened(abouts: Sequence[Mapping[str, Any]]) -> Float[ndarray, "P N"]:
    prior = load_prior()
    shapes = [[a["parameters"]["shape"].get(name, 0.5) for name in SHAPES] for a in abouts]
    return (2.0 * np.array(shapes) - 1.0 - prior.mean) @ prior.whitening.T


def _explained(values: Float[ndarray, "P C"], known: Float[ndarray, "P 4"]) -> ndarray:
    """Residuals of the linear regression on the covariates."""
    design = np.column_stack([np.ones(len(known)), known])
    return values - design @ np.linalg.lstsq(design, values, rcond=None)[0]


def _woman(shape: ndarray, known: ndarray, woman: ndarray) -> Float[ndarray, "N"]:
    """Women less men at equal age and colouring, across the prior's own axis; components that are
    not certain to two standard errors are shrunk (James and Stein 1961, positive part, one by one).
    """
    design = np.column_stack([np.ones(len(known)), woman, known[:, 1:]])
    weights, *_ = np.linalg.lstsq(design, shape, rcond=None)
    variance = (shape - design @ weights).var(0) * np.linalg.inv(design.T @ design)[1, 1]
    kept = np.clip(1.0 - variance / np.maximum(weights[1] ** 2, 1e-9), 0.0, 1.0)
    offset = kept * weights[1]
    along = load_prior().feminine
    return offset - (offset @ along) * along


def pairs(
    shape: Float[ndarray, "P N"], detail: Float[ndarray, "P K"]
) -> tuple[Float[ndarray, "R N"], Float[ndarray, "R K"], Float[ndarray, "R"]]:
    """Pairs of directions that vary together: the singular vectors of the cross-correlation whose
    singular values exceed those of permuted faces. The correlation of each is that of portraits
    left out of learning it (five folds)."""
    shape = shape[:, :AXES_OF_SHAPE] / shape[:, :AXES_OF_SHAPE].std(0)
    detail = detail / detail.std(0)
    rng = np.random.default_rng(0)
    count = len(shape)
    chance = [
        np.linalg.svd(shape[rng.permutation(count)].T @ detail / count, compute_uv=False)[0]
        for _ in range(PERMUTATIONS)
    ]
    u, s, vt = np.linalg.svd(shape.T @ detail / count, full_matrices=False)
    kept = int((s > np.quantile(chance, CERTAIN)).sum())
    fold = rng.permutation(count) % 5
    scores = np.zeros((2, count, kept))
    for k in range(5):
        here, rest = fold == k, fold != k
        a, _, bt = np.linalg.svd(shape[rest].T @ detail[rest], full_matrices=False)
        for r in range(kept):
            same = int(np.abs(a.T @ u[:, r] * (bt @ vt[r])).argmax())
            sign = np.sign(a[:, same] @ u[:, r])
            scores[0, here, r] = sign * shape[here] @ a[:, same]
            scores[1, here, r] = sign * detail[here] @ bt[same]
    found = [np.corrcoef(scores[0, :, r], scores[1, :, r])[0, 1] for r in range(kept)]
    face = np.zeros((kept, len(SHAPES)))
    face[:, :AXES_OF_SHAPE] = u[:, :kept].T
    return face, vt[:kept], np.clip(found, 0.0, 0.9)


def moods(expressions: Sequence[Mapping[str, float]]) -> tuple[ndarray, ndarray]:
    """Mean and leading factors of the actions of each mood; sides are averaged."""
    assert set(MOVED[len(PAIRED) :]) <= set(ACTIONS)
    values = np.array([
        [0.5 * (e[f"{n}Left"] + e[f"{n}Right"]) if n in PAIRED else e[n] for n in MOVED]
        for e in expressions
    ])  # fmt: skip
    at = MOVED.index
    parting, shaping = ([at(name) for name in names] for names in (PARTING, SHAPING))
    shown = 0.5 * (values[:, at("mouthUpperUp")] + values[:, at("mouthLowerDown")])
    teeth = shown >= TEETH
    smile = ~teeth & (values[:, at("mouthSmile")] >= SMILE)
    means, factors = [], []
    for members in (~teeth & ~smile, smile, teeth):
        print(int(members.sum()), "portraits of mood", MOODS[len(means)])
        mean = values[members].mean(0)
        away = values[members] - mean
        mean = np.minimum(mean, ROOM)
        mean[shaping] -= values[~teeth & ~smile][:, shaping].mean(0)
        if members is not teeth:
            mean[parting], away[:, parting] = 0.0, 0.0
        _, s, vt = np.linalg.svd(away, full_matrices=False)
        means.append(mean)
        factors.append(s[:FACTORS, None] / np.sqrt(members.sum()) * vt[:FACTORS])
    return np.array(means), np.array(factors)


if __name__ == "__main__":
    tyro.cli(main)
