"""Editing a neural head: along directions of w that change one thing about a person.

z ─mapping─▶ w, z ─score─▶ top and bottom 2 % ─linear SVM─▶ direction         (InterFaceGAN)
Head, amounts ─▶ w + Σ α d ─▶ F* + F of the edit - F ─mix─▶ planes ─▶ Head     (GOAE, Eq. 10)
InterFaceGAN: Shen et al., CVPR 2020. Letters: N rows of w+, D w dimension, M people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import radians
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from portraiture.checkpoints import cache_folder, fingerprint
from portraiture.data.attributes import Attribute, score_people
from portraiture.data.latent import CHOICE_GROUPS, LATENT_SIZE, draw_latents
from portraiture.errors import EditError
from portraiture.head import Head, rounded
from portraiture.media import atomic_path, staged_folder, write_image
from portraiture.models.eg3d import TriPlaneGenerator
from portraiture.models.refine import edited_features, planes_and_features, planes_of
from portraiture.render.visible import fuse_planes

PEOPLE, PEOPLE_SEED = 12_000, 0xED17
EXTREMES = 0.02
"""Share of the people at either end that the SVM tells apart (METHODS section 1)."""

MAX_AMOUNT = 4.0

STEADY: tuple[Attribute, ...] = ("sex", "age", "skin-tone")
"""What an edit of something else leaves alone."""

MEASURED = ("psnr_person_db", "loss")
"""Facts of a head that hold for what it was inverted from."""

VERSION = 1
"""To be raised when `find_directions` comes to find others."""

EDIT_FILES = ("head.safetensors", "front.png", "sheet.png")
VIEWS = (radians(-40.0), radians(-20.0), 0.0, radians(20.0), radians(40.0))


@dataclass(frozen=True)
class Direction:
    """normal: unit. length: along it, half the way between the means of the two extremes: an amount
    of 1 goes so far."""

    normal: Float[Tensor, "D"]
    length: float

    @property
    def step(self) -> Float[Tensor, "D"]:
        """What an amount of 1 adds to w."""
        return self.normal * self.length


def find_directions(
    generator: TriPlaneGenerator, *, people: int = PEOPLE, seed: int = PEOPLE_SEED
) -> dict[Attribute, Direction]:
    """A direction for each attribute, from people whose parameters are known. What the others say
    of a score is taken out first: bald people are men, but --set hair-length=-1 is not to make one.

    Raises EditError for a generator whose z does not stand for the engine's people.
    """
    config = generator.config
    if config.z_dim != LATENT_SIZE or config.choice_groups != CHOICE_GROUPS or config.c_dim:
        raise EditError("Only heads of generators that supervised-heads trained can be edited.")
    z = draw_latents(people, seed)
    with torch.no_grad():
        parts = torch.from_numpy(z).split(2_000)
        w = torch.cat([generator.mapping(part, None)[:, 0] for part in parts])
    scores = score_people(z)
    return {name: direction(w, unexplained(scores, name)) for name in scores}


def unexplained(
    scores: Mapping[Attribute, Float[ndarray, "M"]], name: Attribute
) -> Float[ndarray, "M"]:
    """What of a score the other scores don't say, by least squares."""
    others = [values for other, values in scores.items() if other != name]
    x = np.stack([*others, np.ones_like(scores[name])], 1)
    return scores[name] - x @ np.linalg.lstsq(x, scores[name], rcond=None)[0]


def known_directions(generator: TriPlaneGenerator) -> dict[Attribute, Direction]:
    """`find_directions`, kept in the user's cache by the generator's fingerprint."""
    folder = cache_folder().parent / f"directions-{VERSION}"
    path = folder / f"{fingerprint(generator)[:32]}.safetensors"
    kept = _read_directions(path, generator.config.w_dim)
    if kept is not None:
        return kept
    found = find_directions(generator)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as partial:
        save_file({name: one.step.contiguous() for name, one in found.items()}, partial)
    return found


def _read_directions(path: Path, width: int) -> dict[Attribute, Direction] | None:
    """None where there are none, or they are damaged."""
    try:
        kept = load_file(path)
    except (OSError, SafetensorError):
        return None
    names = get_args(Attribute)
    if kept.keys() != set(names) or any(v.shape != (width,) for v in kept.values()):
        return None
    return {
        name: Direction(kept[name] / kept[name].norm(), float(kept[name].norm())) for name in names
    }


def direction(w: Float[Tensor, "M D"], score: Float[ndarray, "M"]) -> Direction:
    """The direction in which a score rises: the normal of the hyperplane that best parts the
    people with the highest scores from those with the lowest."""
    from sklearn.svm import LinearSVC

    order = np.argsort(score, kind="stable")
    count = max(2, round(EXTREMES * len(order)))
    low, high = w[order[:count].copy()], w[order[-count:].copy()]
    both = torch.cat([low, high]).double().numpy()
    labels = np.repeat([0, 1], count)
    scale = both.std()
    machine = LinearSVC(C=1.0, dual="auto", max_iter=20_000, random_state=0)
    machine.fit(both / scale, labels)
    normal = torch.from_numpy(machine.coef_[0])
    normal = (normal / normal.norm()).to(w)
    return Direction(normal, float(((high - low).mean(0) @ normal) / 2.0))


def kept_apart(chosen: Direction, others: Sequence[Direction]) -> Direction:
    """The part of a direction that leaves others unchanged (InterFaceGAN, section 3.2): orthogonal
    to their normals. Raises EditError if nothing is left."""
    if not others:
        return chosen
    basis, _ = torch.linalg.qr(torch.stack([other.normal for other in others], 1))
    rest = chosen.normal - basis @ (basis.T @ chosen.normal)
    if rest.norm() < 1e-3:
        raise EditError("The direction is the same as those that it is to leave unchanged.")
    normal = rest / rest.norm()
    return Direction(normal, chosen.length / float(rest.norm()))


def read_amounts(settings: Sequence[str]) -> dict[Attribute, float]:
    """ "smile=1.0" → {"smile": 1.0}. Raises EditError in one sentence."""
    amounts: dict[Attribute, float] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if name not in get_args(Attribute):
            known = ", ".join(get_args(Attribute))
            raise EditError(f"There is no attribute {name[:40]!r}; there are {known}.")
        try:
            amount = float(text)
        except ValueError:
            amount = float("nan")
        if not equals or not abs(amount) <= MAX_AMOUNT:
            raise EditError(f"Write {name}=NUMBER, from -{MAX_AMOUNT:g} to {MAX_AMOUNT:g}.")
        amounts[name] = amount  # type: ignore[index]
    return amounts


def edit_files(
    head: Head, amounts: Mapping[Attribute, float], out: Path, *, overwrite: bool
) -> Head:
    """Edit a head and write `EDIT_FILES` into `out`, all of them or none: the head, its front, and
    a picture of it before and after from several sides. Raises EditError, HeadError, OutputError.
    """
    with staged_folder(out, EDIT_FILES, overwrite=overwrite) as folder:
        edited = edit(head, amounts)
        edited.save(folder / "head.safetensors")
        rows = [np.concatenate([one.render(yaw) for yaw in VIEWS], 1) for one in (head, edited)]
        write_image(folder / "sheet.png", np.concatenate(rows))
        write_image(folder / "front.png", edited.render())
    return edited


@torch.no_grad()
def edit(
    head: Head,
    amounts: Mapping[Attribute, float],
    *,
    directions: Mapping[Attribute, Direction] | None = None,
) -> Head:
    """The head changed by these amounts of `Direction.step`.

    directions: as `find_directions` gives them, found for the head's generator by default. Those of
    `STEADY` attributes that are not set stay as they are. What was refined for the photo is kept
    (Eq. 10); a tuned head stays tuned. Raises EditError, HeadError.
    """
    generator = head.network
    found = known_directions(generator) if directions is None else directions
    missing = [name for name in amounts if name not in found]
    if missing:
        raise EditError(f"There is no direction for {missing[0]}.")
    steady = [found[name] for name in STEADY if name in found and name not in amounts]
    steps = [amount * kept_apart(found[name], steady).step for name, amount in amounts.items()]
    ws = head.ws + torch.stack([*steps, torch.zeros_like(head.ws[0, 0])]).sum(0)
    facts = _edited_facts(head.facts, amounts)
    if head.features is None or head.visible is None:
        return rounded(replace(head, ws=ws, planes=generator.planes(ws), facts=facts))
    size = head.features.shape[-1]
    _, plain = planes_and_features(generator, head.ws, size)
    planes, edited = planes_and_features(generator, ws, size)
    features = edited_features(head.features, plain, edited)
    refined = planes_of(generator, ws.expand(len(features), -1, -1), features)
    mixed = fuse_planes(refined, planes, head.visible)
    return rounded(replace(head, ws=ws, features=features, planes=mixed, facts=facts))


def _edited_facts(facts: Mapping[str, Any], amounts: Mapping[Attribute, float]) -> dict[str, Any]:
    """What was measured on the head before no longer holds; amounts of several edits add up."""
    kept = {name: value for name, value in facts.items() if name not in MEASURED}
    for name, amount in amounts.items():
        kept[f"edit_{name}"] = kept.get(f"edit_{name}", 0.0) + amount
    return kept
