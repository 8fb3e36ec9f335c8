"""Building blocks of hair styles: patches of roots, growth plans and combing directions.

Directions and heights refer to the average head (metres, y up, the face along +z).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from portraiture.engine.hair.guides import Plan, nearest_clump
from portraiture.engine.hair.scalp import CENTRE, Roots, chart, grow_roots, sideburn_share
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape
from portraiture.ops.vectors import smooth, unit

MM = 1e-3

WHORL = np.array([0.006, 1.012, -0.005])
"""The crown's whorl, from which hair radiates."""

_SWELLS = np.array([[74.0, -41.0, 108.0], [33.0, 66.0, -52.0], [-47.0, 88.0, 61.0]])
_UNEVEN = 0.3
"""Wave vectors on the average head, radians per metre, and amplitude of swells of the hair, without
which it is as even and symmetric as a wig."""

SPARSE = 0.006
"""Metres inside the hairline where cards begin to be dense."""

LAYER_HEIGHT = np.array([0.46, 0.84, 0.97, 1.02])


@dataclass(frozen=True)
class Piece:
    """Strands that share ribbon options (see `cards.ribbons`). bare_face: drop those that end up
    on the face and do not belong to a fringe."""

    plan: Plan
    twist: float = 0.35
    roundness: float = 0.65
    root_width: float = 0.75
    tip_width: float = 0.55
    bare_face: bool = False


@dataclass(frozen=True)
class Patch:
    """Roots of one piece, with the attributes that styles query.

    azimuth, elevation: degrees in the chart of the average head. top: 1 on the crown, 0 at the
    sides and nape. layer: 0 inner to 2 outer, 3 wisps.
    """

    roots: Roots
    start: Float[ndarray, "P 3"]
    normal: Float[ndarray, "P 3"]
    azimuth: Float[ndarray, "P"]
    elevation: Float[ndarray, "P"]
    top: Float[ndarray, "P"]
    layer: ndarray
    rng: np.random.Generator

    @property
    def place(self) -> Float[ndarray, "P 3"]:
        """Root positions on the average head."""
        return self.roots.canonical

    def take(self, chosen: ndarray) -> Patch:
        """Select roots by index or mask."""
        return Patch(
            self.roots.take(chosen),
            self.start[chosen],
            self.normal[chosen],
            self.azimuth[chosen],
            self.elevation[chosen],
            self.top[chosen],
            self.layer[chosen],
            self.rng,
        )

    def off_part(self, parting: float) -> Float[ndarray, "P"]:
        """Distance of each root from the plane of the parting, metres on the average head."""
        return np.abs(self.place[:, 0] - part_at(parting))

    @property
    def size(self) -> int:
        """Number of roots, P."""
        return len(self.roots.face)

    @property
    def height(self) -> Float[ndarray, "P"]:
        """Fraction of the clearance for each root's layer, with random variation."""
        return LAYER_HEIGHT[self.layer] * self.rng.uniform(0.92, 1.08, self.size)

    def vary(self, low: float, high: float) -> Float[ndarray, "P"]:
        """Sample uniform factors in [low, high]."""
        return self.rng.uniform(low, high, self.size)

    def noise(self, scale: float) -> Float[ndarray, "P 3"]:
        """Sample normal vectors: half smooth over the scalp, half independent per strand."""
        waves = np.sin(self.place @ self.rng.normal(0, 90.0, (3, 3)) + self.rng.uniform(0, 6, 3))
        return scale * (0.6 * waves + 0.6 * self.rng.normal(size=(self.size, 3)))


def sow(
    parameters: AvatarParameters,
    shape: HeadShape,
    count: int,
    *,
    seed: int,
    edge: float = 0.011,
    layers: tuple[float, float, float, float] = (0.34, 0.36, 0.22, 0.08),
    recession: float | None = None,
) -> Patch:
    """Sample a patch of about `count` roots; `layers`: fractions of the layers, inner to outer,
    and of wisps. recession: of the hairline, `hair_line` if None."""
    recession = parameters.hair_line if recession is None else recession
    roots = grow_roots(count, recession, edge=edge, seed=seed, model=shape.model)
    rng = np.random.default_rng(seed + 1)
    azimuth, elevation = chart(roots.canonical)
    layer = rng.choice(4, len(roots.face), p=np.array(layers) / sum(layers))
    sparse = (roots.depth < 0.008) & (np.abs(azimuth) < 64.0) & (layer <= 1)
    layer = np.where(sparse | ((roots.depth < 0.005) & (layer == 0)), 3, layer)
    start, normal = roots.on(shape)
    front = smooth((60.0 - np.abs(azimuth)) / 30.0)
    top = smooth((elevation - mix(32.0, 6.0, front)) / 28.0)
    return Patch(roots, start, normal, azimuth, elevation, top, layer, rng)


def make_plan(
    patch: Patch,
    *,
    length: Float[ndarray, "P"] | float,
    comb: Float[ndarray, "P 3"],
    segments: int,
    droop: Float[ndarray, "P"] | float = 0.05,
    lift: Float[ndarray, "P"] | float = 0.3,
    clearance: Float[ndarray, "P"] | float = 0.008,
    rise: Float[ndarray, "P"] | float = 0.02,
    stick: Float[ndarray, "P"] | float = 0.2,
    curl_radius: Float[ndarray, "P"] | float = 0.0,
    curl_wave: Float[ndarray, "P"] | float = 0.05,
    hem: Float[ndarray, "P"] | float = -np.inf,
    clump: Float[ndarray, "P"] | float = 0.0,
    clump_every: int = 8,
    width: Float[ndarray, "P"] | float = 0.009,
    dodge: float = 0.0,
    crowding: float = 1.0,
    aside: float = 0.0,
) -> Plan:
    """Build a plan for a patch; scalars apply to every strand."""

    def each(value: Float[ndarray, "P"] | float) -> Float[ndarray, "P"]:
        return np.broadcast_to(np.asarray(value, np.float64), (patch.size,)).copy()

    tier = np.where(each(length) < 0.03, np.maximum(patch.layer, 1), patch.layer)
    tier = np.where(patch.roots.depth < SPARSE * patch.vary(0.3, 1.0), 3, tier)
    short = each(length) < patch.vary(0.008, 0.018)
    uneven = 1.0 + _UNEVEN * np.sin(patch.place @ _SWELLS + [0.4, 2.1, 4.4]).sum(1) / 3.0
    return Plan(
        start=patch.start,
        start_normal=patch.normal,
        length=each(length),
        comb=comb,
        droop=each(droop),
        lift=each(lift),
        clearance=each(clearance) * uneven,
        rise=each(rise),
        stick=each(stick),
        curl_radius=each(curl_radius),
        curl_wave=each(curl_wave),
        hem=each(hem),
        clump=each(clump),
        clump_of=nearest_clump(patch.start, clump_every),
        width=each(width),
        tier=np.where(short, 4, tier),
        segments=segments,
        dodge=dodge,
        crowding=crowding,
        aside=aside,
    )


def part_at(parting: float) -> float:
    """x of the parting on the average head, metres; parting: 0 the person's left, 1 the right."""
    return 0.045 * (1.0 - 2.0 * parting)


def mix(a: ndarray | float, b: ndarray | float, t: ndarray | float) -> ndarray:
    """Linear interpolation."""
    return np.asarray((1.0 - t) * a + t * b)


def away_from_whorl(patch: Patch) -> Float[ndarray, "P 3"]:
    """Natural growth direction: away from the crown's whorl, turning slightly."""
    out = unit(patch.place - WHORL)
    turn = np.cross(out, unit(patch.place - CENTRE))
    near = np.exp(-np.linalg.norm(patch.place - WHORL, axis=1, keepdims=True) / 0.03)
    return unit(out + 0.8 * near * turn)


def sideburn(patch: Patch) -> Float[ndarray, "P"]:
    """1 in front of the ears, 0 elsewhere."""
    return sideburn_share(patch.azimuth, patch.elevation)


def over_the_crown(patch: Patch, share: Float[ndarray, "P"] | None = None) -> Float[ndarray, "P 3"]:
    """Comb straight back: on top (or weighted by `share`) up the forehead and over the crown,
    elsewhere horizontally."""
    share = patch.top if share is None else share
    relative = patch.place - CENTRE
    over = unit(np.stack([0 * relative[:, 0], relative[:, 2], -relative[:, 1]], axis=1) + 1e-9)
    return mix(np.array([0.0, 0.0, -1.0]), over, share[:, None])


def along_part(
    parameters: AvatarParameters, shape: HeadShape, parting: float, *, seed: int
) -> Patch:
    """Extra roots within 8 mm of the parting, so that only a thin line of scalp is visible, and to
    where it ends behind the crown."""
    patch = sow(parameters, shape, 4000, seed=seed, layers=(0.0, 0.7, 0.3, 0.0))
    off = np.abs(patch.place[:, 0] - (1.0 - _behind(patch)) * part_at(parting))
    return patch.take((off < 0.008) & (patch.place[:, 2] > -0.035) & (patch.top > 0.3))


def _behind(patch: Patch) -> Float[ndarray, "P"]:
    """0 where the hair is parted, 1 behind the crown."""
    return smooth((0.02 - patch.place[:, 2]) / 0.05)


def away_from_part(
    patch: Patch, parting: float, *, sharpness: float = 0.002
) -> tuple[Float[ndarray, "P"], Float[ndarray, "P"]]:
    """Side of the parting on which each root lies, -1 to 1 (the person's left is positive), and
    how far behind the crown it is; there the parting ends and the midline divides the hair."""
    part = part_at(parting) + 0.001 * patch.rng.normal(size=patch.size)
    behind = _behind(patch)
    offset = patch.place[:, 0] - (1.0 - behind) * part
    return np.tanh(offset / mix(sharpness, 0.035, behind)), behind
