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
from typing import get_args

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from portraiture.data.attributes import Attribute, score_people
from portraiture.data.latent import CHOICE_GROUPS, LATENT_SIZE, draw_latents
from portraiture.errors import EditError
from portraiture.head import Head, rounded
from portraiture.invert.refine import edited_features, planes_and_features, planes_of
from portraiture.invert.visible import mix_planes
from portraiture.media import staged_folder, write_image
from portraiture.models.eg3d import TriPlaneGenerator

PEOPLE, PEOPLE_SEED = 12_000, 0xED17
EXTREMES = 0.02
"""Share of the people at either end that the SVM tells apart (METHODS section 1)."""

MAX_AMOUNT = 4.0

EDIT_FILES = ("head.safetensors", "front.png", "sheet.png")
VIEWS = (radians(-40.0), radians(-20.0), 0.0, radians(20.0), radians(40.0))


@dataclass(frozen=True)
class Direction:
    """normal: unit. length: along it, from the mean person to the mean of either extreme: an amount
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
    """A direction for each attribute, from people whose parameters are known. Raises EditError for
    a generator whose z does not stand for the engine's people."""
    config = generator.config
    if config.z_dim != LATENT_SIZE or config.choice_groups != CHOICE_GROUPS:
        raise EditError(
            "Directions are found for generators of supervised-heads only; convert published ones."
        )
    z = draw_latents(people, seed)
    with torch.no_grad():
        parts = torch.from_numpy(z).split(2_000)
        w = torch.cat([generator.mapping(part, None)[:, 0] for part in parts])
    return {name: direction(w, score) for name, score in score_people(z).items()}


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
    """The head changed by these amounts, 1 being as far as the people at the extreme.

    directions: as `find_directions` gives them, found for the head's generator by default. What was
    refined for the photo is kept (Eq. 10); a tuned head stays tuned. Raises EditError, HeadError.
    """
    generator = head.network
    found = find_directions(generator) if directions is None else directions
    missing = [name for name in amounts if name not in found]
    if missing:
        raise EditError(f"There is no direction for {missing[0]}.")
    steps = [amount * found[name].step for name, amount in amounts.items()]
    ws = head.ws + torch.stack([*steps, torch.zeros_like(head.ws[0, 0])]).sum(0)
    facts = {**head.facts, **{f"edit_{name}": amount for name, amount in amounts.items()}}
    if head.features is None or head.visible is None:
        return rounded(replace(head, ws=ws, planes=generator.planes(ws), facts=facts))
    size = head.features.shape[-1]
    _, plain = planes_and_features(generator, head.ws, size)
    planes, edited = planes_and_features(generator, ws, size)
    features = edited_features(head.features, plain, edited)
    refined = planes_of(generator, ws, features)
    mixed = mix_planes(refined, planes, head.visible)
    return rounded(replace(head, ws=ws, features=features, planes=mixed, facts=facts))
