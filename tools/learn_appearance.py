"""Learn the appearance of skin (`portraiture.engine.skin.appearance`) from portraits.

    python tools/learn_appearance.py fit PORTRAITS FITS
    python tools/learn_appearance.py learn PORTRAITS FITS [--out FILE]
    python tools/learn_appearance.py score PORTRAITS FITS

FITS holds one file a portrait (skin texture, visibility, parameters): data, not a result to hand
on. Rerunning `fit` goes on where it stopped; some seconds a portrait. Every tenth portrait is
fitted but never learned from (`data.portrait_folder.held_out`).

albedo ─log, less blur─▶ detail, visibility ─▶ and mirrored, clipped ─EM─▶ mean, components
coefficients ─regress on sex, age, colouring─▶ expected + residual ─whiten─▶ details
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from appearance_data import Samples, read_fits
from appearance_em import Learned, learn_components
from appearance_score import print_scores
from numpy import ndarray
from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter
from tyro.conf import Positional

from portraiture.data.portrait_folder import Portrait, held_out, read_portraits
from portraiture.engine.details import DETAILS
from portraiture.engine.head import load_head
from portraiture.engine.skin.appearance import (
    APPEARANCE_PATH,
    CHROMA,
    LUMA,
    Appearance,
    load_appearance,
    mirror,
    save_appearance,
)
from portraiture.engine.skin.layout import BLUR
from portraiture.errors import PortraitureError
from portraiture.fit.run import fit_photo
from portraiture.media import atomic_path
from portraiture.photo.align import align

FEWEST_PX = 92
"""Smallest width of a face with detail to learn from; fewer where such people are rare."""
FEWEST_RARE_PX = 76

COVERED = 0.06
"""Least share of the portraits that show a texel of the model."""
ROBUST = 3.0
INDEPENDENT = 0.05
"""Share of a face's texels that err independently, for learning; less for inference, where the
components themselves are uncertain (`skin.appearance`)."""
RIDGE = 0.05
"""Ridge of the regression, relative to the covariates' variance."""
LOW = np.array([1.0, 0.56, 1.0, 1.0])
"""The covariates are extrapolated down to here, in the order of `COVARIATES`: members of Congress
are hardly ever young, so that the effect of age has to reach beyond the data."""
FADE_OUTER, FADE_INNER = 14.0, 2.0
"""Widths of the border on the finer grid, cells."""


@dataclass(frozen=True)
class Fit:
    """Fit the engine to the portraits that are large enough, without glasses."""

    portraits: Positional[Path]
    out: Positional[Path]

    def run(self) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        for portrait in _chosen(self.portraits):
            path = self.out / f"{portrait.name}.npz"
            if not path.exists():
                _fit(portrait, path)


def _chosen(folder: Path) -> list[Portrait]:
    """Portraits to fit: the larger photos first, held-out ones among them, then small ones of
    sitters who are rare, then the others."""
    with (folder / "index.csv").open(newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    everyone = [p for p in read_portraits(folder) if p.seen.get("glasses", "none") == "none"]
    training = {p.name for p in held_out(read_portraits(folder))[0]}
    large = [p for p in everyone if rows[p.name]["folder"] == "photos"]
    small = [p for p in everyone if rows[p.name]["folder"] == "small" and p.name in training]
    width = {p.name: float(rows[p.name]["face_px"]) for p in everyone}
    rare = [p for p in small if _rare(p.seen) and width[p.name] >= FEWEST_RARE_PX]
    others = [p for p in small if not _rare(p.seen) and width[p.name] >= FEWEST_PX]
    shaven = [p for p in others if p.seen.get("beard", "none") == "none"]
    return large + sorted(rare, key=lambda p: -width[p.name]) + shaven


def _rare(seen: Mapping[str, str]) -> bool:
    return seen.get("sex") == "f" or int(seen.get("skin") or 0) >= 4


def _fit(portrait: Portrait, path: Path) -> None:
    try:
        photo = align(portrait.photo)
        fitted = fit_photo(photo)
    except PortraitureError as error:
        print(portrait.name, error, flush=True)
        return
    eyes = photo.landmarks[[33, 263]]
    about = {
        "name": portrait.name,
        "seen": dict(portrait.seen),
        "parameters": fitted.parameters.to_dict(),
        "expression": dict(fitted.expression),
        "eyes_px": float(np.linalg.norm(eyes[1] - eyes[0])),
        "residual": fitted.residual,
    }
    with atomic_path(path) as partial, partial.open("wb") as file:
        np.savez_compressed(
            file,
            albedo=fitted.albedo,
            mask=(fitted.mask * 255.0 + 0.5).astype(np.uint8),
            about=np.array(json.dumps(about)),
        )
    print(portrait.name, f"{about['eyes_px']:.0f} px", flush=True)


@dataclass(frozen=True)
class Learn:
    """Learn the model from the fits of portraits that are not held out."""

    portraits: Positional[Path]
    fits: Positional[Path]
    out: Path = APPEARANCE_PATH
    components: int = len(DETAILS)
    steps: int = 30

    def run(self) -> None:
        training = {p.name for p in held_out(read_portraits(self.portraits))[0]}
        paths = [p for p in sorted(self.fits.glob("*.npz")) if p.stem in training]
        samples = read_fits(paths, load_head())
        model = learn(samples, components=self.components, steps=self.steps)
        save_appearance(model, self.out)
        print(
            f"{len(paths)} faces, {self.out.stat().st_size / 1e6:.2f} MB, noise {model.noise:.3f}"
        )


@dataclass(frozen=True)
class Score:
    """Print how well a model explains held-out portraits."""

    portraits: Positional[Path]
    fits: Positional[Path]
    model: Path = APPEARANCE_PATH

    def run(self) -> None:
        names = {p.name for p in held_out(read_portraits(self.portraits))[1]}
        paths = [p for p in sorted(self.fits.glob("*.npz")) if p.stem in names]
        print_scores(load_appearance(self.model), read_fits(paths, load_head()))


def learn(samples: Samples, *, components: int, steps: int) -> Appearance:
    """Learn the model; see the module."""
    luma, chroma = _covered(samples)
    inside = np.concatenate([luma.ravel(), chroma.ravel(), chroma.ravel()])
    flip = mirror(luma, chroma)
    values, weights = samples.values[:, inside], samples.weights[:, inside]
    values = _clipped(values, weights, flip)
    learned = learn_components(
        np.concatenate([values, values[:, flip]]),
        np.concatenate([weights, weights[:, flip]]),
        components,
        independent=INDEPENDENT,
        steps=steps,
    )
    basis, even, turn = _symmetric(learned.basis, flip)
    inferred = learned.coefficients[: len(values)] @ turn.T
    return _assemble(learned, inferred, basis, even, samples.covariates, (luma, chroma), flip)


def _covered(samples: Samples) -> tuple[ndarray, ndarray]:
    """Symmetric masks of both grids where enough portraits show the skin."""
    share = samples.weights.sum(0) / samples.weights.max(1).sum()
    parts = np.split(share, np.cumsum([np.prod(LUMA.shape), np.prod(CHROMA.shape)]))
    masks = []
    for part, grid in zip(parts[:2], (LUMA, CHROMA), strict=True):
        plane = part.reshape(grid.shape)
        masks.append(0.5 * (plane + plane[:, ::-1]) > COVERED)
    return masks[0], masks[1]


def _clipped(values: ndarray, weights: ndarray, flip: ndarray) -> ndarray:
    """Values clipped to robust standard deviations about the median of both halves: shadows,
    strands of hair and reflections are not details of the skin."""
    out = np.empty_like(values)
    for first in range(0, values.shape[1], 2048):
        part = slice(first, first + 2048)
        both = np.concatenate([values[:, part], values[:, flip[part]]])
        seen = np.concatenate([weights[:, part], weights[:, flip[part]]]) > 0.1
        both = np.where(seen, both, np.nan)
        middle = np.nan_to_num(np.nanmedian(both, axis=0))
        spread = 1.48 * np.nan_to_num(np.nanmedian(np.abs(both - middle), axis=0))
        out[:, part] = np.clip(values[:, part], middle - ROBUST * spread, middle + ROBUST * spread)
    return out


def _symmetric(basis: ndarray, flip: ndarray) -> tuple[ndarray, ndarray, ndarray]:
    """Turn the components so that each is symmetric or antisymmetric: those learned from mirrored
    samples are so up to a rotation. Returns them, which are symmetric, and the rotation."""
    mirrored = np.linalg.solve(basis @ basis.T, basis @ basis[:, flip].T).T
    sign, axes = np.linalg.eigh(0.5 * (mirrored + mirrored.T).astype(np.float64))
    turn = axes.T.astype(np.float32)
    even = sign > 0.0
    turned = turn @ basis
    return 0.5 * (turned + np.where(even, 1, -1)[:, None] * turned[:, flip]), even, turn


def _assemble(
    learned: Learned, inferred: ndarray, basis: ndarray, even: ndarray, known: ndarray,
    masks: tuple[ndarray, ndarray], flip: ndarray,
) -> Appearance:  # fmt: skip
    """Regress the symmetric coefficients on the covariates, and scale the components so that the
    residuals are standard normal, in order of decreasing variance."""
    centre = known.mean(0)
    away = known - centre
    ridge = RIDGE * len(away) * np.diag(away.var(0) + 1e-6)
    slopes = np.linalg.solve(away.T @ away + ridge, away.T @ inferred).T * even[:, None]
    left = inferred - away @ slopes.T
    unseen = np.clip(1.0 - (inferred**2).mean(0), 0.0, 1.0)
    scaled, turned, parity = [], [], []
    for kind in (True, False):
        of = even == kind
        if not of.any():
            continue
        spread = left[:, of].T @ left[:, of] / len(left) + np.diag(unseen[of])
        root = np.linalg.cholesky(spread.astype(np.float64))
        u, s, v = np.linalg.svd(root.T @ basis[of], full_matrices=False)
        scaled.append(s[:, None] * v)
        turned.append(u.T @ np.linalg.solve(root, slopes[of]))
        parity.append(np.full(len(s), kind))
    full, turned = np.concatenate(scaled), np.concatenate(turned)
    mean = 0.5 * (learned.mean + learned.mean[flip])
    mean, full = (_without_low(fields, masks) for fields in (mean[None], full))
    order = np.argsort(-(full**2).sum(1))
    return Appearance(
        *masks, fade=_fade(masks[0]), mean=mean[0].astype(np.float32),
        basis=full[order].astype(np.float32), even=np.concatenate(parity)[order],
        slopes=turned[order].astype(np.float32), centre=centre.astype(np.float32),
        low=np.minimum(np.quantile(known, 0.02, axis=0), LOW).astype(np.float32),
        high=np.quantile(known, 0.98, axis=0).astype(np.float32), noise=learned.noise,
    )  # fmt: skip


def _without_low(fields: ndarray, masks: tuple[ndarray, ndarray]) -> ndarray:
    """Fields less their blur, twice as wide as that of the samples: clipping lets some low
    frequencies in, which would tint the skin."""
    luma, chroma = masks
    planes = ((luma, LUMA), (chroma, CHROMA), (chroma, CHROMA))
    parts = np.split(fields, np.cumsum([luma.sum(), chroma.sum()]), axis=1)
    out = []
    for part, (mask, grid) in zip(parts, planes, strict=True):
        sigma = 2.0 * BLUR * grid.size
        share = gaussian_filter(mask.astype(np.float64), sigma)[mask]
        for row in part:
            plane = np.zeros(mask.shape)
            plane[mask] = row
            row -= gaussian_filter(plane, sigma)[mask] / share
        out.append(part)
    return np.concatenate(out, axis=1)


def _fade(mask: ndarray) -> ndarray:
    """Strength of the model: widely faded at the face's outline, narrowly at eyes and mouth."""
    solid = binary_fill_holes(mask)
    outer = np.clip(distance_transform_edt(solid) / FADE_OUTER, 0.0, 1.0)
    inner = np.clip(distance_transform_edt(mask | ~solid) / FADE_INNER, 0.0, 1.0)
    smooth = outer * outer * (3.0 - 2.0 * outer) * inner
    return (smooth * mask).astype(np.float32)


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"fit": Fit, "learn": Learn, "score": Score}).run()
