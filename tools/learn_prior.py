"""Learn the natural prior over the engine's local shape changes from a scan-based face model.

    python tools/learn_prior.py FOLDER_OF_ICT_FACEKIT [--samples 400] [--out prior.npz]

mean scan ──register──▶ correspondence ┐
scans ~ N(0, 1) ───────────────────────┴─▶ targets ──fit──▶ phenotypes, local changes
                                                      ▲                    │
                                                      └── mean, covariance ◀┘  (EM)

All scans of ICT-FaceKit share one topology, so the engine is registered once, to the mean scan.
Each sampled scan is then a set of targets for the engine's face vertices, and its local changes
minimise  n/2 mean|r|^2/noise^2 + 1/2 |whitening (local - mean)|^2 + the same for the phenotypes.
The covariance of the maximum plus the mean posterior covariance is the M-step of factor analysis:
changes that scans do not constrain keep the standard deviation they were given by hand.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from prior_fit import (
    EFFECTIVE_POINTS,
    NOISE_M,
    PHENOTYPE_MEAN,
    Fit,
    basis_of,
    fit,
    rigid_align,
)
from prior_register import Correspondence, Scans, load_scans, register
from rich.console import Console
from rich.progress import Progress

from portraiture.engine.actions import ACTIONS
from portraiture.engine.head import HeadModel, load_head
from portraiture.engine.prior import PRIOR_PATH, Prior, prior_from_moments, save_prior
from portraiture.engine.shapes import SHAPES

SHAPE_NAMES = tuple(SHAPES)
SIDEWAYS = ("mouth_trans_out", "nose_trans_out")
FACE_DEVIATION = 0.25
HAND_SET = {
    **dict.fromkeys(SIDEWAYS, 0.05),
    "head_age": 0.12, "head_fat": 0.12, "head_trans_forward": 0.05, "head_trans_up": 0.05,
    "head_back_scale_depth": 0.15, "chin_cleft": 0.2, "eye_bag": 0.15, "eye_bag_height": 0.15,
    "eye_bag_out": 0.15, "mouth_dimples_out": 0.15, "mouth_laugh_lines_out": 0.12,
    "ear_wing": 0.18, "ear_flap": 0.15, "ear_scale": 0.2, "ear_scale_vert": 0.18,
    "ear_scale_depth": 0.15, "ear_lobe": 0.22, "ear_shape_round": 0.18,
    "ear_shape_triangle": 0.15, "ear_rot_forward": 0.1, "ear_trans_forward": 0.06,
    "ear_trans_up": 0.08, "neck_double": 0.12, "neck_scale_vert": 0.1, "neck_scale_horiz": 0.12,
    "neck_scale_depth": 0.12, "neck_trans_forward": 0.08, "neck_trans_up": 0.05,
    "neck_back_scale_depth": 0.12, "measure_neck_circ": 0.12, "measure_neck_height": 0.08,
}  # fmt: skip
"""Standard deviations before any scan is seen; it is `FACE_DEVIATION` for the rest of the face."""

LIMIT = 3.0
"""Natural limits, in standard deviations from the mean."""
HELD_OUT = 100


def hand_set_prior() -> Prior:
    deviation = np.array([HAND_SET.get(name, FACE_DEVIATION) for name in SHAPES])
    return _limited(np.zeros(len(SHAPES)), np.diag(deviation**2))


def _limited(mean: np.ndarray, covariance: np.ndarray) -> Prior:
    reach = LIMIT * np.sqrt(np.diag(covariance))
    return prior_from_moments(
        mean, covariance, np.maximum(mean - reach, -0.95), np.minimum(mean + reach, 0.95)
    )


def slopes(model: HeadModel, basis: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """(N, P, 3) displacement by each local change, the mean of both signs."""
    first = model.shape_names.index(f"local+:{SHAPE_NAMES[0]}")
    pair = basis[1][first : first + 2 * len(SHAPES)].reshape(len(SHAPES), 2, -1, 3)
    return 0.5 * (pair[:, 0] - pair[:, 1])


def posterior_covariance(slope: np.ndarray, weight: np.ndarray, prior: Prior) -> np.ndarray:
    """(N, N) of local changes given one scan."""
    information = np.einsum("ipc,p,jpc->ij", slope, weight, slope, optimize=True)
    precision = EFFECTIVE_POINTS / NOISE_M**2 * information + prior.whitening.T @ prior.whitening
    return np.linalg.inv(precision)


def feminine_axis(model: HeadModel, match: Correspondence, prior: Prior) -> np.ndarray:
    """(N,) unit vector in whitened coordinates, from masculine to feminine.

    A face's score is its inner product with the difference between MakeHuman's average woman and
    man, rotation, place and size aside. Given the score, the mean of the whitened coordinates moves
    along this axis (linear regression under the prior), one unit per standard deviation of it.
    """
    man, woman = np.tile(PHENOTYPE_MEAN, (2, 1))
    man[0], woman[0] = 0.05, 0.95
    faces = [faces_of(model, match, prior.mean[None] * 0, sex)[0] for sex in (man, woman)]
    man_face, woman_face = (torch.from_numpy(face)[None].double() for face in faces)
    moved = rigid_align(woman_face, man_face, torch.from_numpy(match.weight))
    difference = moved[0].numpy() - faces[0]
    weight = np.where(match.face, match.weight, 0.0)
    spread = faces[0] - np.average(faces[0], axis=0, weights=weight)
    size = np.einsum("p,pc,pc->", weight, spread, difference)
    difference -= size / np.einsum("p,pc,pc->", weight, spread, spread) * spread
    slope = slopes(model, basis_of(model, match.rows))
    axis = prior.factor.T @ np.einsum("ipc,p,pc->i", slope, weight, difference)
    return axis / np.linalg.norm(axis)


def learn(
    model: HeadModel, scans: Scans, match: Correspondence, samples: int, rounds: int, seed: int
) -> Prior:
    """Expectation and maximisation `rounds` times over `samples` random scans."""
    rng = np.random.default_rng(seed)
    targets = match.targets(scans.sample(rng, samples))
    basis = basis_of(model, match.rows)
    slope = slopes(model, basis)
    start = prior = hand_set_prior()
    middle = [SHAPE_NAMES.index(name) for name in SIDEWAYS]
    with Progress(transient=True) as bar:
        task = bar.add_task("Fitting the engine to scans", total=rounds)
        for _ in range(rounds):
            found = fit(model, basis, targets, match.weight, prior)
            mean = found.local.mean(0)
            mean[middle] = 0.0
            centred = found.local - found.local.mean(0)
            covariance = centred.T @ centred / (samples - 1)
            covariance += posterior_covariance(slope, match.weight, prior)
            prior = _limited(mean, 0.97 * covariance + 0.03 * start.factor @ start.factor.T)
            bar.advance(task)
    return replace(prior, feminine=feminine_axis(model, match, prior))


def report(found: Fit, match: Correspondence, title: str, console: Console) -> None:
    error = 1000.0 * found.error[:, match.face]
    console.print(
        f"{title}: face error mean {error.mean():.2f} mm, median {np.median(error):.2f}, "
        f"95 % {np.percentile(error, 95):.2f}; worst person {error.mean(1).max():.2f}"
    )


def faces_of(
    model: HeadModel,
    match: Correspondence,
    local: np.ndarray,
    phenotypes: np.ndarray = PHENOTYPE_MEAN,
) -> np.ndarray:
    """(B, P, 3) registered vertices of heads with local changes (B, N) and phenotypes (7,)."""
    count = len(local)
    coefficients = model.coefficients(
        torch.as_tensor(phenotypes, dtype=torch.float32).expand(count, -1),
        torch.as_tensor(local, dtype=torch.float32),
        torch.zeros(count, len(ACTIONS)),
    )
    return model.vertices(coefficients, match.rows.tolist()).numpy()


def naturalness(scans: Scans, match: Correspondence, heads: np.ndarray) -> tuple[float, float]:
    """How far engine faces (B, P, 3) are from scans: of the most probable scan, the mean square
    of its mode weights (1 for scans), and the mean distance to it in millimetres."""
    modes = match.targets(scans.modes)[:, match.face].reshape(len(scans.modes), -1)
    mean = match.targets(scans.mean)[match.face]
    strength = EFFECTIVE_POINTS / (match.face.sum() * NOISE_M**2)
    solve = np.linalg.inv(strength * modes @ modes.T + np.eye(len(modes))) @ (strength * modes)
    goal = torch.from_numpy(mean).expand(len(heads), -1, -1)
    aligned = rigid_align(
        torch.from_numpy(heads[:, match.face]).double(), goal, torch.ones(len(mean))
    )
    residual = aligned.numpy() - mean
    weights = residual.reshape(len(heads), -1) @ solve.T
    left = residual - (weights @ modes).reshape(residual.shape)
    return float((weights**2).mean()), 1000.0 * float(np.linalg.norm(left, axis=2).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="folder with ICT-FaceKit's ict.npz")
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=PRIOR_PATH)
    options = parser.parse_args()
    console = Console()
    model, scans = load_head(), load_scans(options.folder)
    match = register(model, scans, hand_set_prior())
    console.print(f"{match.face.sum()} face and {(~match.face).sum()} cranium vertices registered")
    prior = learn(model, scans, match, options.samples, options.rounds, options.seed)
    save_prior(prior, options.out)
    basis = basis_of(model, match.rows)
    held_out = match.targets(scans.sample(np.random.default_rng(options.seed + 1), HELD_OUT))
    report(fit(model, basis, held_out, match.weight, prior), match, "held-out scans", console)
    rng = np.random.default_rng(options.seed + 2)
    samples = {
        "the prior": np.array([prior.sample(rng) for _ in range(HELD_OUT)]),
        "uniform in +-0.6": rng.uniform(-0.6, 0.6, (HELD_OUT, len(SHAPES))),
    }
    for title, local in samples.items():
        square, distance = naturalness(scans, match, faces_of(model, match, local))
        console.print(f"{title}: scan modes {square:.2f} (scans 1), {distance:.2f} mm from a scan")
    console.print(f"wrote {options.out} ({options.out.stat().st_size / 1000:.0f} kB)")


if __name__ == "__main__":
    main()
