"""Directions in w space and in style space that change one attribute of a person.

z ─mapping─▶ w, z ─score─┬─▶ slope of w's regression on the score               [ours]
                         └─▶ top and bottom 2 % ─linear SVM─▶ direction        (InterFaceGAN)
w ─principal axes─▶ pc1, pc2 …                                                (GANSpace)
w ─affine─▶ S ─channels in which the top 2 % differ from the mean─▶ change    (StyleSpace)
InterFaceGAN: Shen et al., CVPR 2020. GANSpace: Härkönen et al., NeurIPS 2020. StyleSpace: Wu et
al., CVPR 2021. Letters: D w dimension, M people, S style channels of all convolutions in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from portraiture.cache import cache_path
from portraiture.checkpoints import fingerprint
from portraiture.errors import EditError
from portraiture.media import atomic_path
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.people.attributes import Attribute, score_people
from portraiture.people.glasses import uses_people_latents
from portraiture.people.latent import sample_latents
from portraiture.progress import SILENT, Progress, raise_if_cancelled

PEOPLE, PEOPLE_SEED = 12_000, 0xED17
CHUNK = 500
"""Number of people scored between two progress updates."""
EXTREMES = 0.02
"""Share of the people at either end of a score that the SVM separates."""

STEADY: tuple[Attribute, ...] = ("sex", "age", "skin-tone")
"""Attributes that InterFaceGAN's directions of other attributes leave unchanged."""

Way = Literal["regression", "svm"]
"""How directions of attributes are found. A hyperplane's normal, fitted in 512 dimensions to a few
hundred people, also changes other visible attributes, above all skin; a regression over all people
hardly does."""

NEWTON_STEPS = 100

PRINCIPAL = 20
"""Number of principal axes kept."""
TELLING = 20
"""Number of style channels that one attribute changes: those in which the means of its extremes
differ most, in standard deviations (StyleSpace, section 5, takes the single best)."""

VERSION = 3
"""Increase it when the directions found for the same generator change."""
FOLDER = f"directions-{VERSION}"
"""Folder of files named by generator fingerprint, in the package and in the user's cache."""


@dataclass(frozen=True)
class Direction:
    """normal: unit vector. length: half the distance between the means of the two extremes along
    it, the step of an amount of 1."""

    normal: Float[Tensor, "D"]
    length: float

    @staticmethod
    def along(step: Float[Tensor, "D"]) -> Direction:
        """Return the direction in which an amount of 1 adds `step`."""
        return Direction(step / step.norm().clamp_min(1e-12), float(step.norm()))

    @property
    def step(self) -> Float[Tensor, "D"]:
        """What an amount of 1 adds to w."""
        return self.normal * self.length


@dataclass(frozen=True)
class Directions:
    """of_w: attributes and principal axes by name. of_styles: change of the styles for an amount of
    1, by attribute. spread: standard deviations of the styles."""

    of_w: Mapping[str, Direction]
    of_styles: Mapping[str, Float[Tensor, "S"]]
    spread: Float[Tensor, "S"]

    def to(self, device: torch.device) -> Directions:
        """The same directions on another device."""
        return Directions(
            {name: Direction(one.normal.to(device), one.length) for name, one in self.of_w.items()},
            {name: change.to(device) for name, change in self.of_styles.items()},
            self.spread.to(device),
        )

    def style(self, name: str) -> Float[Tensor, "S"] | None:
        """Change of the styles for an amount of 1 of an attribute or a channel number; None for any
        other name."""
        if name in self.of_styles:
            return self.of_styles[name]
        if not name.isdecimal() or len(name) > 6 or int(name) >= len(self.spread):
            return None
        change = torch.zeros_like(self.spread)
        change[int(name)] = self.spread[int(name)]
        return change


W, STYLE, SPREAD = "w.", "style.", "spread"
"""Prefixes and name of the tensors in the cache."""


def find_directions(
    generator: TriPlaneGenerator, *, people: int = PEOPLE, seed: int = PEOPLE_SEED,
    way: Way = "regression", progress: Progress = SILENT,
) -> Directions:  # fmt: skip
    """Find a direction for each attribute, from people whose parameters are known.

    What the other scores explain of a score is removed first: bald people are mostly men, but
    --set hair-length=-1 should not change the sex. Raises EditError for a generator whose z does
    not encode the engine's people, and CancelledError.
    """
    if not uses_people_latents(generator):
        raise EditError("Only heads of generators that supervised-heads trained can be edited.")
    z = sample_latents(people, seed)
    with torch.no_grad():
        parts = torch.from_numpy(z).to(next(generator.parameters())).split(2_000)
        w = torch.cat([generator.mapping(part, None)[:, 0] for part in parts])
        styles = torch.cat([conv_styles(generator, part) for part in w.split(2_000)]).cpu()
    w, scores = w.cpu(), _scored(z, progress)
    rest = {name: unexplained(scores, name) for name in scores}
    along: dict[str, Direction]
    if way == "regression":
        along = {name: regression(w, score) for name, score in rest.items()}
    else:
        along = steadied({name: hyperplane(w, score) for name, score in rest.items()})
    along |= principal_axes(w)
    return Directions(
        along, {name: telling(styles, score) for name, score in rest.items()}, styles.std(0)
    )


def _scored(z: Float[ndarray, "M Z"], progress: Progress) -> dict[Attribute, Float[ndarray, "M"]]:
    """`score_people` in chunks."""
    progress.stage("Find directions", len(z))
    parts: list[dict[Attribute, ndarray]] = []
    for first in range(0, len(z), CHUNK):
        part = z[first : first + CHUNK]
        parts.append(score_people(part))
        progress.step(len(part))
        raise_if_cancelled(progress)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def principal_names() -> list[str]:
    """Names of the principal axes, by decreasing variance."""
    return [f"pc{k + 1}" for k in range(PRINCIPAL)]


def principal_axes(w: Float[Tensor, "M D"]) -> dict[str, Direction]:
    """The principal axes of w (GANSpace, section 2); an amount of 1 is one standard deviation. The
    sign is chosen so that the largest component is positive."""
    variance, axes = torch.linalg.eigh(torch.cov(w.T.double()))
    found: dict[str, Direction] = {}
    for k, name in enumerate(principal_names()):
        at = min(k, len(variance) - 1)
        axis = axes[:, -1 - at]
        axis = axis * torch.sign(axis[axis.abs().argmax()])
        length = float(variance[-1 - at].clamp_min(0.0).sqrt())
        found[name] = Direction(axis.to(w), length)
    return found


def style_widths(generator: TriPlaneGenerator) -> list[int]:
    """Number of style channels of each convolution, in the order of `conv_styles`."""
    ws = generator.backbone.mapping.w_avg.expand(1, generator.num_ws, -1)
    with torch.no_grad():
        each = generator.backbone.synthesis.styles(ws)
    return [style.shape[1] for block in each.values() for style in block[:-1]]


def conv_styles(generator: TriPlaneGenerator, w: Float[Tensor, "M D"]) -> Float[Tensor, "M S"]:
    """Styles of all convolutions of the backbone, without toRGB's, which StyleSpace excludes."""
    each = generator.backbone.synthesis.styles(w[:, None].expand(-1, generator.num_ws, -1))
    return torch.cat([style for block in each.values() for style in block[:-1]], 1)


def telling(styles: Float[Tensor, "M S"], score: Float[ndarray, "M"]) -> Float[Tensor, "S"]:
    """Difference between the mean of the people with the highest scores and the mean of all, in the
    `TELLING` channels where it is largest in standard deviations (StyleSpace, section 5)."""
    _, top = extremes(score)
    change = styles[top].mean(0) - styles.mean(0)
    strength = change.abs() / styles.std(0).clamp_min(1e-6)
    chosen = strength.topk(min(TELLING, len(strength))).indices
    return torch.zeros_like(change).index_put((chosen,), change[chosen])


def unexplained(
    scores: Mapping[Attribute, Float[ndarray, "M"]], name: Attribute
) -> Float[ndarray, "M"]:
    """The part of a score that the other scores don't explain, by least squares."""
    others = [values for other, values in scores.items() if other != name]
    x = np.stack([*others, np.ones_like(scores[name])], 1)
    return scores[name] - x @ np.linalg.lstsq(x, scores[name], rcond=None)[0]


def known_directions(generator: TriPlaneGenerator, progress: Progress = SILENT) -> Directions:
    """Directions of a generator, on the CPU: shipped with the package, read from the user's cache,
    or else found by `find_directions`, which takes minutes, and cached by fingerprint."""
    name = f"{fingerprint(generator)[:32]}.safetensors"
    for path in (shipped_directions() / name, cache_path(FOLDER, name)):
        kept = _read_directions(path, generator)
        if kept is not None:
            return kept
    found = find_directions(generator, progress=progress)
    save_directions(found, cache_path(FOLDER, name))
    return found


def shipped_directions() -> Path:
    """The folder of the directions in the package (`tools/pack_directions.py`)."""
    return Path(str(files("portraiture"))) / "assets" / FOLDER


def save_directions(found: Directions, path: Path) -> None:
    """Write directions to a file for `known_directions`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {W + name: one.step for name, one in found.of_w.items()}
    tensors |= {STYLE + name: change for name, change in found.of_styles.items()}
    tensors[SPREAD] = found.spread
    with atomic_path(path) as partial:
        save_file({name: value.contiguous() for name, value in tensors.items()}, partial)


def _read_directions(path: Path, generator: TriPlaneGenerator) -> Directions | None:
    """Read directions; None if the file is missing or damaged."""
    try:
        kept = load_file(path)
    except (OSError, SafetensorError):
        return None
    names = get_args(Attribute)
    channels = sum(style_widths(generator))
    sizes = {W + name: generator.config.w_dim for name in (*names, *principal_names())}
    sizes |= {STYLE + name: channels for name in names} | {SPREAD: channels}
    if kept.keys() != sizes.keys() or any(kept[k].shape != (n,) for k, n in sizes.items()):
        return None
    return Directions(
        {n: Direction.along(kept[W + n]) for n in (*names, *principal_names())},
        {n: kept[STYLE + n] for n in names},
        kept[SPREAD],
    )


def extremes(score: Float[ndarray, "M"]) -> tuple[Int[ndarray, "K"], Int[ndarray, "K"]]:
    """Indices of the people with the lowest scores, and of as many with the highest."""
    order = np.argsort(score, kind="stable")
    count = max(2, round(EXTREMES * len(order)))
    return order[:count].copy(), order[-count:].copy()


def regression(w: Float[Tensor, "M D"], score: Float[ndarray, "M"]) -> Direction:
    """How w changes with a score on average: the slope of w's linear regression on it. An amount of
    1 is half the difference between the extremes' mean scores. [ours]"""
    low, high = extremes(score)
    centred = torch.from_numpy(score - score.mean()).to(w)
    slope = (w - w.mean(0)).T @ centred / (centred @ centred)
    return Direction.along(slope * float(score[high].mean() - score[low].mean()) / 2.0)


def hyperplane(w: Float[Tensor, "M D"], score: Float[ndarray, "M"]) -> Direction:
    """The direction in which a score increases: the normal of the hyperplane that best separates
    the people with the highest scores from those with the lowest."""
    low, high = (w[who] for who in extremes(score))
    both = torch.cat([low, high]).double().numpy()
    sides = np.repeat([-1.0, 1.0], len(low))
    normal = torch.from_numpy(linear_svm(both / both.std(), sides)[0])
    normal = (normal / normal.norm()).to(w)
    return Direction(normal, float(((high - low).mean(0) @ normal) / 2.0))


def linear_svm(
    points: Float[ndarray, "M D"], sides: Float[ndarray, "M"], *, penalty: float = 1.0
) -> tuple[Float[ndarray, "D"], float]:
    """Normal n and offset b of a linear support vector machine with squared hinge loss: they
    minimise |(n, b)|² / 2 + penalty · Σ max(0, 1 − side · (n · point + b))².

    sides: -1 or 1. (Fan et al., LIBLINEAR, JMLR 2008, equation 2, with b as a further weight;
    solved by Newton's method on the points within the margin: Mangasarian, 2002.)
    """
    rows = sides[:, None] * np.column_stack([points, np.ones(len(points))])

    def loss(weights: ndarray) -> float:
        short = np.maximum(1.0 - rows @ weights, 0.0)
        return float(weights @ weights / 2.0 + penalty * short @ short)

    weights = np.zeros(rows.shape[1])
    for _ in range(NEWTON_STEPS):
        active = rows[rows @ weights < 1.0]
        curvature = np.eye(len(weights)) + 2.0 * penalty * active.T @ active
        step = np.linalg.solve(curvature, 2.0 * penalty * active.sum(0)) - weights
        length = 1.0
        while length > 1e-6 and loss(weights + length * step) > loss(weights):
            length /= 2.0
        weights = weights + length * step
        if length * np.abs(step).max() <= 1e-10 * np.abs(weights).max():
            break
    return weights[:-1], float(weights[-1])


def steadied(found: Mapping[str, Direction]) -> dict[str, Direction]:
    """Directions that leave the `STEADY` attributes unchanged."""
    steady = [found[name] for name in STEADY]
    return {name: one if name in STEADY else kept_apart(one, steady) for name, one in found.items()}


def kept_apart(chosen: Direction, others: Sequence[Direction]) -> Direction:
    """The part of a direction that leaves others unchanged (InterFaceGAN, section 3.2): its
    projection orthogonal to their normals. Raises EditError if nothing is left."""
    if not others:
        return chosen
    basis, _ = torch.linalg.qr(torch.stack([other.normal for other in others], 1))
    rest = chosen.normal - basis @ (basis.T @ chosen.normal)
    if rest.norm() < 1e-3:
        raise EditError("The direction is the same as those that it must leave unchanged.")
    normal = rest / rest.norm()
    return Direction(normal, chosen.length / float(rest.norm()))
