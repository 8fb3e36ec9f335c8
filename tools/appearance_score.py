"""How well the learned appearance explains held-out faces, for `learn_appearance.py`.

Shares of the variance of the details (mid frequencies of log albedo) of held-out portraits that the
model explains: of what it saw, with more and more components, and of what was hidden from it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from appearance_data import Samples
from numpy import ndarray

from portraiture.engine.skin.appearance import CHROMA, LUMA, Appearance, mirror

COUNTS = (0, 4, 8, 16, 24, 32, 48, 64)


def explained_by_count(model: Appearance, held: Samples) -> dict[int, float]:
    """Share of the variance about the mean face that so many components explain of faces whose
    every visible texel is given; 0: what sex, age and colouring explain."""
    out = {}
    for count in [c for c in COUNTS if c <= len(model.basis)]:
        left = total = 0.0
        for value, weight, known in _inside(model, held):
            expected = model.slopes @ (np.clip(known, model.low, model.high) - model.centre)
            found = model.solve(value, weight, expected) if count else expected
            found[count:] = expected[count:]
            rest = value - model.mean
            left += float((weight * (rest - found @ model.basis) ** 2).sum())
            total += float((weight * rest**2).sum())
        out[count] = 1.0 - left / total
    return out


def explained_when_hidden(model: Appearance, held: Samples) -> dict[str, dict[str, float]]:
    """Share of the variance about the mean face in hidden texels that is explained by what is
    expected of the person, by the mirrored half, and by the model given the other texels."""
    flip = mirror(model.luma, model.chroma)
    out = {}
    for name, hidden in _blocks(model).items():
        left = dict.fromkeys(("expected", "mirrored", "inferred"), 0.0)
        total = 0.0
        for value, weight, known in _inside(model, held):
            expected = model.slopes @ (np.clip(known, model.low, model.high) - model.centre)
            found = model.solve(value, weight * ~hidden, expected)
            rest, asked = value - model.mean, weight * hidden
            if name == "half":
                asked = asked * (weight[flip] > 0.5)
            total += float((asked * rest**2).sum())
            guesses = (expected @ model.basis, rest[flip], found @ model.basis)
            for key, guess in zip(left, guesses, strict=True):
                left[key] += float((asked * (rest - guess) ** 2).sum())
        out[name] = {key: 1.0 - value / total for key, value in left.items()}
        if name != "half":
            del out[name]["mirrored"]
    return out


def _inside(model: Appearance, held: Samples) -> Iterator[tuple[ndarray, ndarray, ndarray]]:
    """Values, weights and covariates of each sample."""
    inside = model.inside
    for row in range(len(held.names)):
        weight = held.weights[row, inside]
        yield (
            held.values[row, inside],
            weight / max(float(weight.max()), 1e-6),
            held.covariates[row],
        )


def _blocks(model: Appearance) -> dict[str, ndarray]:
    """Hidden numbers of a field: one half, the eyes and brows, mouth and chin."""
    out: dict[str, list[ndarray]] = {"half": [], "eyes": [], "mouth": []}
    for grid, mask in ((LUMA, model.luma), (CHROMA, model.chroma), (CHROMA, model.chroma)):
        rows, columns = np.nonzero(mask)
        y = (rows + 0.5) / grid.shape[0]
        out["half"].append(columns < grid.shape[1] // 2)
        out["eyes"].append((y > 0.25) & (y < 0.46))
        out["mouth"].append(y > 0.6)
    return {name: np.concatenate(parts) for name, parts in out.items()}


def print_scores(model: Appearance, held: Samples) -> None:
    """Print the scores."""
    for count, share in explained_by_count(model, held).items():
        print(f"{count:3d} components explain {share:.3f}")
    for name, shares in explained_when_hidden(model, held).items():
        print(f"hidden {name}:", ", ".join(f"{k} {v:.3f}" for k, v in shares.items()))
