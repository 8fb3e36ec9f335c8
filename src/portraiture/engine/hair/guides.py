"""Guide strands: a style's growth directions integrated outside the skin.

Dimension letters: P strands, K segments per strand.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.spatial import KDTree

from portraiture.engine.hair.surface import SkinField
from portraiture.ops.vectors import smooth, unit

GRAVITY = np.array([0.0, -1.0, 0.0])

NECK_Y = 0.80
"""Height on the average head below which hair also keeps clear of clothes."""


@dataclass(frozen=True)
class Plan:
    """A style's settings for each strand. Lengths in metres, positions on the average head.

    start, start_normal: (P, 3) roots on the person's head.
    comb: (P, 3) direction at the root; only its tangential component is used. droop: length over
        which gravity takes over from it.
    lift: elevation of the root, 0 flat to 1 upright. clearance: distance from the skin to which
        the strand rises over the length `rise`. stick: strength of the pull back to it, 0 to 1.
    curl_radius, curl_wave: radius and wavelength of the helix around the strand.
    hem: (P,) height on the average head below which the strand is cut (-inf never).
    clump: 0 separate, 1 tips converge to the tip of their clump's first strand; clump_of: (P,)
        index of that strand.
    width: maximum width of the card. tier: (P,) column group of the texture, see `hair.texture`.
    segments: K. dodge, aside: strength with which strands avoid the ears and the face, 0 to
        about 1.
    flat: remaining fraction of the helix's depth, 0 a flat wave. onset: fraction of the length
        over which its radius grows, at least 0.8 of a wave. crowding: above 1 concentrates
        the segments near the root.
    taut: rounds of smoothing along the strands, which draw them straight over ears and hollows.
    tuck: (P,) metres by which the tips turn in towards the neck, 0 none, negative outwards.
    side: (P,) side of the face, -1 or 1, to which `aside` pushes; that of the root if None.
    tie: (3,) point on the person's head to which all strands are pulled, or None.
    """

    start: Float[ndarray, "P 3"]
    start_normal: Float[ndarray, "P 3"]
    length: Float[ndarray, "P"]
    comb: Float[ndarray, "P 3"]
    droop: Float[ndarray, "P"]
    lift: Float[ndarray, "P"]
    clearance: Float[ndarray, "P"]
    rise: Float[ndarray, "P"]
    stick: Float[ndarray, "P"]
    curl_radius: Float[ndarray, "P"]
    curl_wave: Float[ndarray, "P"]
    hem: Float[ndarray, "P"]
    clump: Float[ndarray, "P"]
    clump_of: Int[ndarray, "P"]
    width: Float[ndarray, "P"]
    tier: Int[ndarray, "P"]
    segments: int = 8
    dodge: float = 0.0
    aside: float = 0.0
    flat: float = 1.0
    onset: float = 0.4
    crowding: float = 1.0
    taut: int = 0
    tuck: Float[ndarray, "P"] | None = None
    side: Float[ndarray, "P"] | None = None
    tie: Float[ndarray, "3"] | None = None


def scaled(plan: Plan, scale: float) -> Plan:
    """Rescale the plan to a head `scale` times as large as the average one."""
    lengths = ("length", "droop", "clearance", "rise", "curl_radius", "curl_wave", "width")
    tuck = None if plan.tuck is None else scale * plan.tuck
    return replace(plan, tuck=tuck, **{name: scale * getattr(plan, name) for name in lengths})


def grow(plan: Plan, field: SkinField, *, seed: int) -> Float[ndarray, "P K+1 3"]:
    """Integrate, cut, clump and curl the strands of a plan."""
    strands = _integrate(plan, field)
    strands = _cut(strands, plan, field)
    for _ in range(plan.taut):
        strands = _push_out(_smoothed(strands), plan, field)
    strands = _clump(strands, plan)
    strands = _curl(strands, plan, np.random.default_rng(seed))
    if plan.tuck is not None:
        strands = _tuck(strands, plan.tuck, field)
    return _push_out(strands, plan, field)


def over_face(strands: Float[ndarray, "P K+1 3"], field: SkinField) -> Bool[ndarray, "P"]:
    """Whether a strand lies on the cheeks or the throat below the brows, where locks would run
    through the skin."""
    flat = strands[:, 2:].reshape(-1, 3)
    x, y, z = field.canonical(flat).T
    distance, _ = field(flat)
    cheek = (z > 0.10) & (np.abs(x) < 0.07) & (y < 0.95) & (distance < 0.009)
    throat = (z > 0.045) & (np.abs(x) < 0.05) & (y < 0.80) & (distance < 0.03)
    return (cheek | throat).reshape(len(strands), -1).any(1)


def nearest_clump(points: Float[ndarray, "P 3"], every: int) -> Int[ndarray, "P"]:
    """Index of each clump's first strand: the nearest among every `every`-th point."""
    centres = np.arange(0, len(points), max(every, 1))
    _, index = KDTree(points[centres]).query(points)
    return centres[index]


def _integrate(plan: Plan, field: SkinField) -> Float[ndarray, "P N+1 3"]:
    """Euler steps of at most 7 mm along comb, gravity, inertia and the pull to the clearance."""
    steps = int(np.clip(np.ceil(plan.length.max() / 0.009), plan.segments, 40))
    step = (plan.length / steps)[:, None]
    position, normal = plan.start.copy(), plan.start_normal
    comb = plan.comb - (plan.comb * normal).sum(1, keepdims=True) * normal
    comb = unit(comb) * np.minimum(np.linalg.norm(plan.comb, axis=1, keepdims=True), 1.0)
    direction = unit(plan.lift[:, None] * normal + (1 - plan.lift[:, None]) * comb + 0.02 * normal)
    side = np.sign(plan.start[:, 0]) if plan.side is None else plan.side
    distance = np.zeros(len(position))
    track = [position.copy()]
    for k in range(steps):
        s = step * (k + 0.5)
        fade = np.exp(-((s / plan.droop[:, None]) ** 2))
        along = plan.comb - (plan.comb * normal).sum(1, keepdims=True) * normal
        wish = fade * along + (1.05 - fade) * GRAVITY
        stride = step
        if plan.tie is not None:
            wish = unit(plan.tie - position) + fade * plan.comb
            left = np.linalg.norm(plan.tie - position, axis=1, keepdims=True)
            stride = np.minimum(step, np.maximum(left - 0.004, 0.0))
        target = plan.clearance * smooth(s[:, 0] / plan.rise)
        target = target + 0.012 * smooth((NECK_Y - field.canonical(position)[:, 1]) / 0.04)
        if plan.dodge > 0:
            wish = wish + plan.dodge * _around_ears(position, field)
        if plan.aside > 0:
            wish = wish + plan.aside * _out_of_face(position, side, field)
        close = np.clip(2.0 - distance / np.maximum(target, 1e-3), 0.0, 1.0)[:, None]
        into = np.minimum((wish * normal).sum(1, keepdims=True), 0.0)
        wish = wish - close * into * normal
        wish = unit(_over_shoulders(unit(wish), position, close, field))
        climb = np.clip((target - distance) / step[:, 0], -plan.stick, 0.8)[:, None]
        inertia = 0.55 * np.exp(-s / 0.06) * plan.lift[:, None] + 0.35
        direction = unit(inertia * direction + (1 - inertia) * unit(wish + climb * normal))
        position = position + stride * direction
        distance, normal = field(position)
        least = 0.6 * target
        position = position + np.maximum(least - distance, 0.0)[:, None] * normal
        distance = np.maximum(distance, least)
        track.append(position.copy())
    return np.stack(track, axis=1)


def _over_shoulders(
    wish: ndarray, position: ndarray, close: ndarray, field: SkinField
) -> Float[ndarray, "P 3"]:
    """Steer strands that lie on a shoulder towards the chest or back instead of along the arm."""
    canonical = field.canonical(position)
    weight = close * smooth((NECK_Y - canonical[:, 1:2]) / 0.05)
    away = np.where(canonical[:, 2:] > 0.02, 0.5, -0.5)
    inward = -0.3 * np.sign(position[:, :1])
    turned = np.concatenate([inward, np.minimum(wish[:, 1:2], -0.5), away], axis=1)
    return (1 - weight) * wish + weight * turned


def _around_ears(position: ndarray, field: SkinField) -> Float[ndarray, "P 3"]:
    """Push away from the centre of the nearer ear, fading out at 48 mm."""
    ear = np.where(position[:, :1] > 0, field.ears[0], field.ears[1])
    offset = position - ear
    reach = np.linalg.norm(offset, axis=1, keepdims=True)
    return 2.0 * smooth((0.048 - reach) / 0.025) * unit(offset * [0.2, 1.0, 1.0])


def _out_of_face(position: ndarray, side: ndarray, field: SkinField) -> Float[ndarray, "P 3"]:
    """Push strands that hang in front of the face towards their side."""
    x, y, z = field.canonical(position).T
    weight = smooth((0.066 - np.abs(x)) / 0.02) * smooth((z - 0.08) / 0.02)
    push = weight * smooth((0.955 - y) / 0.02) * side
    return push[:, None] * np.array([1.0, 0.0, 0.0])


def _cut(strands: ndarray, plan: Plan, field: SkinField) -> Float[ndarray, "P K+1 3"]:
    """Cut at the hem and resample to K equal segments."""
    steps = strands.shape[1] - 1
    height = field.canonical(strands.reshape(-1, 3))[:, 1].reshape(strands.shape[:2])
    below = height < plan.hem[:, None]
    below[:, :2] = False
    last = np.where(below.any(1), below.argmax(1), steps)
    above = np.take_along_axis(height, last[:, None] - 1, 1)[:, 0]
    under = np.take_along_axis(height, last[:, None], 1)[:, 0]
    share = np.clip((above - plan.hem) / np.maximum(above - under, 1e-6), 0.05, 1.0)
    end = np.where(below.any(1), last - 1 + share, steps)
    at = end[:, None] * np.linspace(0.0, 1.0, plan.segments + 1) ** plan.crowding
    low = np.minimum(at.astype(int), steps - 1)
    rows = np.arange(len(strands))[:, None]
    t = (at - low)[..., None]
    return (1 - t) * strands[rows, low] + t * strands[rows, low + 1]


def _smoothed(strands: Float[ndarray, "P K+1 3"]) -> Float[ndarray, "P K+1 3"]:
    """Every point but the first two and the last drawn to the middle of its neighbours."""
    out = strands.copy()
    between = 0.5 * (strands[:, 1:-2] + strands[:, 3:])
    out[:, 2:-1] = 0.4 * strands[:, 2:-1] + 0.6 * between
    return out


def _clump(strands: ndarray, plan: Plan) -> ndarray:
    along = np.linspace(0.0, 1.0, strands.shape[1])[None, :, None]
    weight = plan.clump[:, None, None] * along**1.3
    return strands + weight * (strands[plan.clump_of] - strands)


def _tuck(strands: ndarray, tuck: Float[ndarray, "P"], field: SkinField) -> ndarray:
    """Bend the last half of each strand horizontally towards the vertical axis of the neck, those
    beside the face less."""
    ahead = field.canonical(strands[:, -1])[:, 2]
    depth = tuck * (1.0 - 0.6 * smooth((ahead - 0.06) / 0.035))
    along = smooth(2.0 * np.linspace(0.0, 1.0, strands.shape[1]) - 1.0)
    return strands + (depth[:, None] * along)[..., None] * unit(-strands * [1.0, 0.0, 1.0])


def _curl(strands: ndarray, plan: Plan, rng: np.random.Generator) -> ndarray:
    """Curl each strand into a helix around itself, with a radius that grows from the root."""
    if not (plan.curl_radius > 1e-4).any():
        return strands
    tangent = unit(np.gradient(strands, axis=1))
    side = unit(np.cross(tangent, plan.start_normal[:, None] + 1e-3))
    other = np.cross(tangent, side)
    length = np.linalg.norm(np.diff(strands, axis=1), axis=2).cumsum(1)
    length = np.concatenate([np.zeros((len(strands), 1)), length], axis=1)
    own = rng.uniform(0.0, 2 * np.pi, len(strands))
    phase = own[plan.clump_of] + 0.5 * rng.normal(size=len(strands))
    wave = plan.curl_wave * rng.uniform(0.85, 1.2, len(strands))
    angle = 2 * np.pi * length / wave[:, None] + phase[:, None]
    onset = np.maximum(0.8 * wave, plan.onset * length[:, -1])
    radius = plan.curl_radius[:, None] * smooth(length / onset[:, None])
    offset = np.cos(angle)[..., None] * side + plan.flat * np.sin(angle)[..., None] * other
    return strands + radius[..., None] * offset


def _push_out(strands: ndarray, plan: Plan, field: SkinField) -> ndarray:
    """Push out points that ended closer to the skin than a fraction of their clearance."""
    out = strands.copy()
    flat = out[:, 1:].reshape(-1, 3)
    along = np.linspace(0.0, 1.0, strands.shape[1])[1:]
    least = (0.0006 + np.minimum(0.35 * plan.clearance, 0.006)[:, None] * smooth(4 * along)).ravel()
    for _ in range(2):
        distance, normal = field(flat)
        flat = flat + np.maximum(least - distance, 0.0)[:, None] * normal
    out[:, 1:] = flat.reshape(len(strands), -1, 3)
    return out
