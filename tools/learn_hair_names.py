"""Learn what people call the colour of hair from portraits that were annotated by looking.

    python tools/learn_hair_names.py PORTRAITS [--penalty 5]

PORTRAITS is laid out as `data.portrait_folder` reads it; every tenth by id is kept out. Prints the
share named right in five-fold cross-validation and writes assets/hair_names.npz (3 kB).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tyro
from numpy import ndarray
from rich.progress import track
from scipy.optimize import minimize
from tyro.conf import Positional

from portraiture.data.portrait_folder import held_out, read_portraits
from portraiture.errors import PhotoError
from portraiture.fit.hair_name import NAMES_PATH, NameModel, name_features, save_names
from portraiture.fit.regions import read_photo
from portraiture.media import atomic_path
from portraiture.perception.looks import LOOKS
from portraiture.photo.align import align

NAMES = LOOKS["colour"]
FOLDS = 5


def main(folder: Positional[Path], *, penalty: float = 5.0, limit: int = 10_000) -> None:
    """penalty: on half the squared weights of standardised features. limit: portraits at most."""
    features, labels = [], []
    for portrait in track(held_out(read_portraits(folder))[0][:limit], "portraits"):
        name = portrait.seen.get("colour")
        if name not in NAMES or portrait.seen.get("hair") == "bald":
            continue
        try:
            regions, parsed = read_photo(align(portrait.photo))
        except PhotoError:
            continue
        features.append(name_features(regions, parsed.looks))
        labels.append(NAMES.index(name))
    x, y = np.array(features), np.array(labels)
    fold = np.random.default_rng(0).permutation(len(y)) % FOLDS
    found = np.empty_like(y)
    for k in range(FOLDS):
        model = learned(x[fold != k], y[fold != k], penalty)
        found[fold == k] = [int(model.chances(one).argmax()) for one in x[fold == k]]
    print(f"{len(y)} portraits, {100 * (found == y).mean():.1f} % named right out of fold")
    with atomic_path(NAMES_PATH) as part:
        save_names(learned(x, y, penalty), part)


def learned(x: ndarray, y: ndarray, penalty: float) -> NameModel:
    """Multinomial logistic regression, (N, F) features to N labels, by L-BFGS."""
    mean, scale = x.mean(0), x.std(0) + 1e-6
    z, truth = (x - mean) / scale, np.eye(len(NAMES))[y]

    def loss(flat: ndarray) -> tuple[float, ndarray]:
        weight = flat.reshape(len(NAMES), -1)
        logits = z @ weight[:, :-1].T + weight[:, -1]
        top = logits.max(1, keepdims=True)
        log = logits - top - np.log(np.exp(logits - top).sum(1, keepdims=True))
        gap = np.exp(log) - truth
        slope = np.concatenate([gap.T @ z + penalty * weight[:, :-1], gap.sum(0)[:, None]], 1)
        size = 0.5 * penalty * (weight[:, :-1] ** 2).sum()
        return float(size - (truth * log).sum()), slope.ravel()

    start = np.zeros(len(NAMES) * (z.shape[1] + 1))
    best = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 2000}).x
    weight = best.reshape(len(NAMES), -1)
    return NameModel(mean, scale, weight[:, :-1], weight[:, -1])


if __name__ == "__main__":
    tyro.cli(main)
