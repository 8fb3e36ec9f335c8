"""A fringe: hair above the forehead combed down and cut, on any style that hangs or is short."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from portraiture.engine.hair.guides import Plan
from portraiture.engine.hair.patch import MM, Patch, mix
from portraiture.engine.parameters import AvatarParameters
from portraiture.ops.vectors import smooth, unit

_BROWS = 0.9385
"""Height of a full fringe's cut on the average head, metres."""

FRINGE_HEM = 0.90
"""Height above which only a fringe is cut, metres."""

_DEEP = 0.052
"""How far behind the hairline its roots are, metres; there it is as high as the hair behind it."""

_RAISED = 0.016
"""How much higher the sparsest fringe is cut, metres."""


def cut_fringe(
    plan: Plan,
    patch: Patch,
    parameters: AvatarParameters,
    amount: float,
    *,
    wave: float = 2.5 * MM,
    soft: float = 0.0,
    sweep: float = 0.9,
) -> Plan:
    """Comb the hair above the forehead down and cut it.

    amount: 0 none, then from a few short strands swept to the side, cut aslant, to 1, a full
    fringe to the brows. wave: largest radius of its waves, metres. soft: 0 a full fringe is cut
    straight, to 1, in layers and swept to the side. sweep: sideways over forward, where it is. At
    amount 0 the plan is returned unchanged.
    """
    if amount == 0.0:
        return plan
    reach = patch.roots.depth + 0.0006 * np.abs(patch.azimuth)
    beside = smooth((np.abs(patch.azimuth) - 50.0) / 16.0)
    near = (np.abs(patch.azimuth) < 72.0) & (reach < _DEEP + 0.008 * beside)
    near &= patch.elevation > 8.0 - 12.0 * beside
    near &= np.random.default_rng(97).random(patch.size) < amount
    aslant = max(1.0 - amount, 0.75 * soft)
    swept = aslant * float(np.sign(parameters.hair_parting - 0.5))
    fan = patch.place[near] * [11.0, 0.0, 0.0] + [sweep * swept, -0.3, 1.0]
    fan[:, 1:] += beside[near, None] * [-0.6, -0.5]
    comb, hem = plan.comb.copy(), plan.hem.copy()
    ahead = 1.0 - soft * smooth((reach[near] - 0.5 * _DEEP) / (0.6 * _DEEP))[:, None]
    comb[near] = mix(plan.comb[near], unit(fan), ahead) + patch.noise(0.04)[near]
    outer = smooth((np.abs(patch.place[near, 0]) - 0.035) / 0.03)
    ragged = patch.rng.normal(0, 0.0025 + 0.0025 * soft, int(near.sum()))
    ragged += 0.018 * soft * patch.rng.random(int(near.sum())) ** 2
    slant = np.clip(patch.place[near, 0] * np.sign(swept), -0.03, 0.045) * 0.4 * aslant
    hem[near] = _BROWS + (1.0 - amount) * _RAISED - np.minimum(0.022 * outer + slant, 0.022)
    hem[near] += ragged - 0.011 * beside[near]
    volume = parameters.hair_volume
    behind = smooth(reach / _DEEP)
    low = (3 + 6 * volume) * MM * patch.height
    raised = low + 0.8 * behind * np.maximum(plan.clearance - low, 0.0)
    clearance = np.where(near, raised, plan.clearance)
    return replace(
        plan,
        comb=comb,
        hem=hem,
        clearance=clearance,
        droop=np.where(near, 0.05 + 0.035 * soft, plan.droop),
        length=np.where(near, np.maximum(plan.length, 0.09), plan.length),
        clump=np.where(near, 0.0, plan.clump),
        curl_radius=np.where(near, np.minimum(plan.curl_radius, wave), plan.curl_radius),
        tuck=None if plan.tuck is None else np.where(near, 0.0, plan.tuck),
        lift=np.where(near, np.minimum(plan.lift, 0.25 + 0.4 * behind), plan.lift),
    )
