"""Materials of glasses: black, tortoiseshell or honey acetate, metal, clear or dark lenses."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.ndimage import gaussian_filter

from portraiture.types import Material

_SIZE = 128
_METALS = ((0.05, 0.05, 0.055), (0.55, 0.55, 0.57), (0.86, 0.68, 0.38))
_DARK, _AMBER, _HONEY = (0.085, 0.042, 0.022), (0.50, 0.255, 0.085), (0.86, 0.72, 0.53)
_BLACK = (0.022, 0.022, 0.026)


def frame_material(tone: float, *, metal: bool) -> Material:
    """tone 0: black; 0.5: tortoiseshell, or steel if `metal`; 1: honey, or gold if `metal`."""
    if metal:
        rgb = np.broadcast_to(_between(tone, _METALS), (_SIZE, _SIZE, 3))
        return Material(
            kind="plain",
            base_color=_opaque(rgb),
            roughness_factor=0.28,
            metallic=0.95,
        )
    shell = _tortoiseshell()
    plain = np.broadcast_to(_between(tone, (_BLACK, _DARK, _HONEY)), shell.shape)
    pattern = max(0.0, 1.0 - abs(tone - 0.5) / 0.35)
    return Material(
        kind="plain",
        base_color=_opaque((1.0 - pattern) * plain + pattern * shell),
        roughness_factor=0.22,
    )


def lens_material(tint: float) -> Material:
    """tint 0: clear; 1: sunglasses, slightly lighter towards the lower edge."""
    down = np.linspace(0.0, 1.0, 64)[:, None]
    strength = tint * (1.0 - 0.25 * down * (1.0 - 0.5 * tint))
    alpha = 0.03 + 0.89 * strength
    clear, dark = np.array([0.30, 0.33, 0.34]), np.array([0.075, 0.065, 0.06])
    rgb = clear + np.clip(strength * 6.0, 0.0, 1.0)[..., None] * (dark - clear)
    rgba = np.concatenate([rgb, alpha[..., None]], axis=2)
    rgba = np.broadcast_to(rgba, (64, 64, 4))
    return Material(
        kind="glass",
        base_color=(np.clip(rgba, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8),
        roughness_factor=0.05,
        alpha_mode="blend",
        double_sided=True,
    )


def _between(tone: float, colors: tuple[tuple[float, ...], ...]) -> Float[ndarray, "3"]:
    knots = np.linspace(0.0, 1.0, len(colors))
    return np.array([np.interp(tone, knots, channel) for channel in zip(*colors, strict=True)])


def _tortoiseshell() -> Float[ndarray, "s s 3"]:
    """Dark clouds in amber. The texture tiles in both directions."""
    noise = np.random.default_rng(41).normal(size=(_SIZE, _SIZE))
    cloud = gaussian_filter(noise, (9.0, 6.0), mode="wrap")
    cloud += 0.35 * gaussian_filter(noise[::-1], (3.0, 2.5), mode="wrap") * 0.4
    cloud /= cloud.std()
    share = 1.0 / (1.0 + np.exp(-(cloud - 0.1) * 3.0))
    return np.array(_DARK) + share[..., None] * (np.array(_AMBER) - np.array(_DARK))


def _opaque(rgb: ndarray) -> ndarray:
    rgba = np.concatenate([rgb, np.ones((*rgb.shape[:2], 1))], axis=2)
    return (np.clip(rgba, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
