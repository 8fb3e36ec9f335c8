"""Hats fitted to a person's skull: a knitted beanie with a cuff and a baseball cap.

fit_skull ──radius + allowance──▶ rings from rim to crown (+ visor, seams, button) ──▶ Part
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from portraiture.engine.hair.skull import Skull, fit_skull
from portraiture.engine.parameters import AvatarParameters, HatStyle
from portraiture.engine.shape import HeadShape, follow_head
from portraiture.engine.wear import sweep
from portraiture.engine.wear.hat_material import hat_material
from portraiture.engine.wear.sweep import Solid
from portraiture.types import Part, Segment

_AROUND = 84
_TILE_M = 0.06
"""Physical side length of the hat's tiling texture."""
_CUFF_RAD = 0.40
_MARGIN_RAD = 0.05


def make_hat(parameters: AvatarParameters, shape: HeadShape) -> Part | None:
    """Build the hat; None for "none"."""
    style = parameters.hat_style
    if style == "none":
        return None
    skull = fit_skull(shape)
    allowance = hair_allowance(parameters)
    solids = _beanie(skull, allowance) if style == "beanie" else _cap(skull, allowance)
    solid = sweep.merge(solids)
    joints, weights = follow_head(len(solid.vertices), shape)
    return Part(
        name="hat",
        vertices=solid.vertices.astype(np.float32),
        faces=solid.faces.astype(np.int32),
        normals=solid.normals.astype(np.float32),
        uv=(solid.uv / _TILE_M).astype(np.float32),
        material=hat_material(parameters),
        segment=np.full(len(solid.faces), Segment.HAT, np.uint8),
        joints=joints,
        weights=weights,
    )


def hair_hidden(
    points: Float[ndarray, "P 3"], shape: HeadShape, parameters: AvatarParameters
) -> Bool[ndarray, "P"]:
    """Whether each hair point is under the hat, or would protrude through it at its rim."""
    if parameters.hat_style == "none":
        return np.zeros(len(points), bool)
    skull = fit_skull(shape)
    azimuth, elevation, radius = skull.polar(points)
    above = elevation - _rim(azimuth, parameters.hat_style)
    inner = skull.radius(skull.directions(azimuth, elevation)) + hair_allowance(parameters)
    return (above > _MARGIN_RAD) | ((above > -0.5 * _MARGIN_RAD) & (radius > inner))


def hair_allowance(parameters: AvatarParameters) -> float:
    """Distance (metres) between the skull and the inside of the hat: the thickness of compressed
    hair."""
    if parameters.hair_style in ("bald", "buzz", "horseshoe"):
        return 0.0045
    return 0.0065 + 0.004 * parameters.hair_volume


def _rim(azimuth: ndarray, style: HatStyle) -> ndarray:
    """Elevation of the hat's lower edge, radians."""
    sides, ahead = np.sin(azimuth) ** 2, np.cos(azimuth)
    if style == "beanie":
        return 0.015 - 0.11 * sides + 0.075 * ahead
    return 0.075 - 0.115 * sides + 0.095 * ahead


def _surface(skull: Skull, azimuth: ndarray, elevation: ndarray, off: ndarray) -> ndarray:
    directions = skull.directions(azimuth, elevation)
    radius = skull.radius(directions.reshape(-1, 3)).reshape(elevation.shape) + off
    return skull.centre + radius[..., None] * directions


def _rings(skull: Skull, elevation: ndarray, off: ndarray) -> Solid:
    """Build a surface from rows (K, A) of elevations and distances off the skull; uv in metres."""
    azimuth = np.broadcast_to(_azimuths(), elevation.shape)
    points = _surface(skull, azimuth, elevation, off)
    solid = sweep.tube(points, capped=False)
    along = np.concatenate(
        [[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=2).mean(1))]
    )
    around = 2 * np.pi * 0.095 * np.arange(_AROUND + 1) / _AROUND
    turns = np.round(around[-1] / _TILE_M) * _TILE_M / around[-1]
    u = np.tile(around * turns, len(along))
    return Solid(
        solid.vertices, solid.faces, np.stack([u, np.repeat(along, _AROUND + 1)], 1), solid.normals
    )


def _azimuths() -> ndarray:
    return (np.arange(_AROUND) * 2 * np.pi / _AROUND)[None]


def _beanie(skull: Skull, allowance: float) -> list[Solid]:
    azimuth = _azimuths()
    rim = _rim(azimuth, "beanie")
    cuff = [
        (0.10, -0.0015), (0.02, -0.0010), (-0.022, 0.0015), (-0.030, 0.0045), (-0.018, 0.0078),
        (0.03, 0.0092), (0.12, 0.0098), (0.22, 0.0098), (0.32, 0.0092), (0.375, 0.0084),
        (_CUFF_RAD, 0.0066), (0.40, 0.0045), (0.375, 0.0030),
    ]  # fmt: skip
    wave = 0.006 * np.sin(3 * azimuth + 0.7) + 0.004 * np.sin(7 * azimuth)
    elevation = np.concatenate([rim + e + wave * (e > 0.2) for e, _ in cuff])
    off = np.concatenate([np.full_like(rim, allowance + o) for _, o in cuff])
    folded = _rings(skull, elevation, off)
    share = np.linspace(0.0, 1.0, 16)[:, None]
    start = rim + 0.34
    body = start + share * (0.5 * np.pi - 0.012 - start)
    rear = 0.5 - 0.5 * np.cos(azimuth)
    slack = 0.0035 + (0.022 + 0.006 * rear) * np.sin(0.6 * np.pi * share**1.4)
    gather = 0.0022 * np.clip((share - 0.55) / 0.4, 0.0, 1.0) * np.cos(9 * azimuth)
    sag = 0.003 * np.sin(2.0 * azimuth + 5.0 * share) * np.sin(np.pi * share)
    lifted = allowance + slack + gather * (1 - share**8) + sag + 0.0 * azimuth
    return [folded, _rings(skull, body, lifted)]


def _cap(skull: Skull, allowance: float) -> list[Solid]:
    azimuth = _azimuths()
    rim = _rim(azimuth, "cap")
    edge = [(0.10, -0.0015), (0.015, -0.001), (-0.012, 0.0), (-0.012, 0.0018), (0.0, 0.0028)]
    low_elevation = np.concatenate([rim + e for e, _ in edge])
    low_off = np.concatenate([np.full_like(rim, allowance + o) for _, o in edge])
    share = np.linspace(0.03, 1.0, 20)[:, None]
    crown = rim + share * (0.5 * np.pi - 0.01 - rim)
    off = _crown_off(azimuth, share, allowance)
    elevation, off = np.concatenate([low_elevation, crown]), np.concatenate([low_off, off])
    solids = [_rings(skull, elevation, off), _button(skull, allowance), _visor(skull, allowance)]
    solids += [_seam(skull, allowance, k * np.pi / 3) for k in range(6)]
    return solids


def _crown_off(azimuth: ndarray, share: ndarray, allowance: float) -> ndarray:
    """Distance of the cap's crown from the skull; the front panels stand upright."""
    front = (0.5 + 0.5 * np.cos(azimuth)) ** 1.5
    dome = np.sin(np.pi * np.clip(share, 0.0, 1.0) ** 0.9 * 0.60)
    panel = -0.0012 * np.cos(6 * azimuth) * np.sin(np.pi * share)
    return allowance + 0.0028 + dome * (0.010 + 0.012 * front) + panel


def _button(skull: Skull, allowance: float) -> Solid:
    top = np.array([[0.5 * np.pi - 0.001]])
    off = _crown_off(np.zeros((1, 1)), np.ones((1, 1)), allowance)
    centre = _surface(skull, np.zeros((1, 1)), top, off)[0, 0]
    up = skull.directions(np.zeros(1), np.array([0.5 * np.pi]))[0]
    right = np.array([1.0, 0.0, 0.0])
    axes = np.stack([0.0075 * right, 0.0075 * np.cross(up, right), 0.0040 * up])
    return sweep.ellipsoid(centre, axes, around=14, rows=9)


def _seam(skull: Skull, allowance: float, at: float) -> Solid:
    """Build the taped seam between two panels, a low flat ridge along a meridian."""
    share = np.linspace(0.02, 0.985, 22)[:, None]
    azimuth = np.full_like(share, at)
    rim = _rim(azimuth, "cap")
    elevation = rim + share * (0.5 * np.pi - 0.01 - rim)
    off = _crown_off(azimuth, share, allowance)
    middle = _surface(skull, azimuth, elevation, off)[:, 0]
    out = skull.directions(azimuth, elevation)[:, 0]
    direction = np.gradient(middle, axis=0)
    side = np.cross(out, direction)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    profile = ((0.0036, -0.0008), (0.0030, 0.0006), (0.0006, 0.0008), (0.0, 0.0003),
               (-0.0006, 0.0008), (-0.0030, 0.0006), (-0.0036, -0.0008))  # fmt: skip
    narrow = np.clip((1.0 - share[:, 0]) / 0.12, 0.25, 1.0)
    rings = np.stack([middle + narrow[:, None] * (x * side + h * out) for x, h in profile], axis=1)
    return sweep.tube(rings, capped=False)


def _visor(skull: Skull, allowance: float) -> Solid:
    """Build the visor: bent down at its sides, with thickness and a rounded edge."""
    across = np.linspace(-1.0, 1.0, 33)
    azimuth = 1.02 * across[:, None]
    rim = _rim(azimuth, "cap")
    base = _surface(skull, azimuth, rim + 0.012, np.full_like(rim, allowance - 0.0005))[:, 0]
    reach = 0.074 * np.clip(1.0 - np.abs(across) ** 2.4, 0.012, 1.0) ** 0.6
    ahead = np.stack([0.22 * across, -0.16 - 0.10 * across**2, np.ones_like(across)], axis=1)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    share = np.array([0.0, 0.25, 0.5, 0.75, 0.94, 1.0])
    thick = np.array([0.0034, 0.0032, 0.0030, 0.0028, 0.0024, 0.0010])
    arch = 0.016 * np.sin(np.pi * np.minimum(share, 0.97))[None] * (1.0 - across[:, None] ** 2)
    droop = 0.012 * share[None] ** 2 * across[:, None] ** 2
    middle = base[:, None] + (share[None] * reach[:, None])[..., None] * ahead[:, None]
    middle = middle + np.stack([0.0 * arch, 0.35 * arch - droop, 0.0 * arch], axis=2)
    half = 0.5 * thick[None, :, None] * np.array([0.0, 1.0, 0.12])
    tip = 0.5 * thick[-1] * ahead[:, None]
    rings = np.concatenate([middle + half, middle[:, -1:] + tip, (middle - half)[:, ::-1]], axis=1)
    solid = sweep.tube(rings)
    flat = np.stack([solid.vertices[:, 0], solid.vertices[:, 2]], axis=1)
    return Solid(solid.vertices, solid.faces, flat, solid.normals)
