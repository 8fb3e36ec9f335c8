"""A fringe: hair above the forehead combed down and cut, on any style that hangs or is short."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from portraiture.engine.hair.guides import Plan
from portraiture.engine.hair.patch import MM, Patch
from portraiture.engine.parameters import AvatarParameters
from portraiture.ops.vectors import smooth, unit

_BROWS = 0.9385
"""Height of a full fringe's cut on the average head, metres."""

FRINGE_HEM = 0.90
"""Height above which only a fringe is cut, metres."""

_RAISED = 0.016
"""How much higher the sparsest fringe is cut, metres."""


def cut_fringe(
    plan: Plan,
    patch: Patch,
    parameters: AvatarParameters,
    amount: float,
    *,
    wave: float = 2.5 * MM,
) -> Plan:
    """Comb the hair above the forehead down and cut it.

    amount: 0 none, then from a few short strands swept to the side, cut aslant, to 1, a full
    fringe to the brows. wave: largest radius of its waves, metres. At amount 0 the
    plan is returned unchanged.
    """
    if amount == 0.0:
        return plan
    reach = patch.roots.depth + 0.0006 * np.abs(patch.azimuth)
    near = (np.abs(patch.azimuth) < 50.0) & (reach < 0.046) & (patch.elevation > 8)
    near &= np.random.default_rng(97).random(patch.size) < amount
    swept = 0.7 * (1.0 - amount) * float(np.sign(parameters.hair_parting - 0.5))
    fan = patch.place[near] * [9.0, 0.0, 0.0] + [swept, -0.3, 1.0]
    comb, hem = plan.comb.copy(), plan.hem.copy()
    comb[near] = unit(fan) + patch.noise(0.04)[near]
    outer = smooth((np.abs(patch.place[near, 0]) - 0.035) / 0.03)
    ragged = patch.rng.normal(0, 0.0025, int(near.sum()))
    slant = np.clip(patch.place[near, 0] * np.sign(swept), -0.03, 0.045) * 0.4 * (1.0 - amount)
    hem[near] = (
        _BROWS + (1.0 - amount) * _RAISED - np.minimum(0.022 * outer + slant, 0.022) + ragged
    )
    clearance = np.where(near, (3 + 6 * parameters.hair_volume) * MM * patch.height, plan.clearance)
    return replace(
        plan,
        comb=comb,
        hem=hem,
        clearance=clearance,
        droop=np.where(near, 0.05, plan.droop),
        length=np.where(near, np.maximum(plan.length, 0.09), plan.length),
        clump=np.where(near, 0.0, plan.clump),
        curl_radius=np.where(near, np.minimum(plan.curl_radius, wave), plan.curl_radius),
        lift=np.where(near, np.minimum(plan.lift, 0.25), plan.lift),
    )
