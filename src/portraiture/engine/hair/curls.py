"""Curls that hang: curly to the jaw or the shoulders.

Each style is one function from parameters and head to its pieces of hair.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from portraiture.engine.hair.fringe import cut_fringe
from portraiture.engine.hair.guides import nearest_clump
from portraiture.engine.hair.long import hanging
from portraiture.engine.hair.patch import MM, Patch, Piece, along_part, mix, sow
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape
from portraiture.ops.vectors import smooth

_LOCK = 4
"""Roots that share one lock."""


def curly_medium(parameters: AvatarParameters, shape: HeadShape) -> list[Piece]:
    """Curls around the head, cut between ear and jaw."""
    hem = mix(0.88, 0.785, parameters.hair_length)
    return _curls(parameters, shape, hem=hem, ragged=0.045, segments=19, count=640, seed=127)


def curly_long(parameters: AvatarParameters, shape: HeadShape) -> list[Piece]:
    """Curls that fall over the shoulders."""
    hem = mix(0.765, 0.66, parameters.hair_length)
    return _curls(parameters, shape, hem=hem, ragged=0.06, segments=30, count=345, seed=131)


def _curls(
    parameters: AvatarParameters,
    shape: HeadShape,
    *,
    hem: float | np.ndarray,
    ragged: float,
    segments: int,
    count: int,
    seed: int,
) -> list[Piece]:
    """Locks wound around their own axis, each cut at its own height; `ragged`: the range of those
    heights, metres."""
    layers = (0.26, 0.36, 0.3, 0.08)
    pieces = []
    for patch in (
        sow(parameters, shape, count, seed=seed, layers=layers),
        along_part(parameters, shape, parameters.hair_parting, seed=seed + 100),
    ):
        lock = nearest_clump(patch.start, _LOCK)
        own = patch.rng.random(patch.size)[lock]
        plan = hanging(patch, parameters, hem=hem, wave=0.0, backward=0.8)
        curl, volume = parameters.hair_curl, parameters.hair_volume
        radius = mix(9.5, 7.0, curl) * MM * (0.7 + 0.6 * own) * patch.vary(0.85, 1.1)
        plan = replace(
            plan,
            hem=plan.hem + ragged * own**1.5,
            clearance=_body(patch, parameters, own),
            lift=np.full(patch.size, 0.25 + 0.35 * volume),
            rise=np.full(patch.size, 0.04),
            stick=np.full(patch.size, 0.05),
            clump=np.full(patch.size, 0.7),
            clump_of=lock,
            curl_radius=radius,
            curl_wave=mix(0.078, 0.052, curl) * (0.85 + 0.3 * own),
            width=8.5 * MM * patch.vary(0.75, 1.2),
            segments=segments,
            aside=2.0,
            onset=0.1,
            side=np.where(plan.comb[:, 0] < 0.0, -1.0, 1.0),
            crowding=1.0,
        )
        plan = cut_fringe(plan, patch, parameters, parameters.hair_fringe, wave=5 * MM)
        pieces.append(
            Piece(
                plan,
                twist=0.3,
                roundness=0.4,
                root_width=0.8,
                tip_width=0.5,
                bare_face=True,
            )
        )
    return pieces


def _body(patch: Patch, parameters: AvatarParameters, own: np.ndarray) -> np.ndarray:
    """How far each lock stands off the head, metres: more at the sides than at the parting."""
    volume = parameters.hair_volume
    off_part = patch.off_part(parameters.hair_parting)
    parted = smooth(1.0 - off_part / 0.025) * smooth((patch.place[:, 2] - 0.01) / 0.03)
    return (10 + 26 * volume) * MM * (0.55 + 0.75 * own) * patch.height * (1.0 - 0.4 * parted)
