"""From one lifted person to another (Shi et al. 2021, figure 8): w in between, lifted.

w, w' ─lerp─▶ w between ─lift─▶ person ─▶ seen from the front and from a side
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import cos, radians

import numpy as np
import torch
from jaxtyping import UInt8
from numpy import ndarray

from portraiture.lift.estimate import Lifted, lift
from portraiture.lift.images import turned
from portraiture.lift.networks import LiftedNetworks
from portraiture.networks.faces2d import FacesGenerator

STEPS = 7
"""Columns of the sheet."""
SIDE = radians(30.0)
"""Yaw of the sheet's second row."""

Between = Callable[[float], Lifted]
"""Share of the second person, 0 to 1, to the person between."""


def between(
    faces: FacesGenerator, networks: LiftedNetworks, first: Lifted, second: Lifted
) -> Between:
    """People between two. Light and view are those of the w between, as everything else is."""

    @torch.no_grad()
    def person(share: float) -> Lifted:
        return lift(faces, networks, torch.lerp(first.w, second.w, share))

    return person


def interpolation_sheet(people: Between) -> UInt8[ndarray, "2n m 3"]:
    """`STEPS` people between two, both included: from the front, and from `SIDE`."""
    columns = [
        np.concatenate([turned(person, yaw) for yaw in (0.0, SIDE)])
        for person in (people(k / (STEPS - 1)) for k in range(STEPS))
    ]
    return np.concatenate(columns, 1)


def interpolation_frames(people: Between, frames: int) -> Iterator[UInt8[ndarray, "n n 3"]]:
    """There and back, so that the video can be looped: half of the frames each way, eased."""
    half = []
    for angle in np.linspace(0.0, np.pi, frames // 2 + 1).tolist():
        half.append(turned(people(0.5 - 0.5 * cos(angle)), 0.0))
        yield half[-1]
    yield from half[-2:0:-1]
