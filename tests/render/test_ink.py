"""Ink lines, halftone and brush strokes on images whose outcome is known."""

from __future__ import annotations

import numpy as np
import pytest

from portraiture.render.ink import draw_ink

LIGHT = np.array([0.0, 0.0, 1.0])


def _drawn(
    depth: np.ndarray,
    group: np.ndarray | None = None,
    normal: np.ndarray | None = None,
    *,
    hair: np.ndarray | None = None,
    light: np.ndarray = LIGHT,
    radius: float = 2.0,
) -> np.ndarray:
    """Where ink lies, (H, W) in [0, 1], on a white image."""
    image = np.ones((*depth.shape, 4), np.float32)
    facing = np.broadcast_to(np.float32([0, 0, 1]), (*depth.shape, 3)).copy()
    regions = np.where(depth < np.inf, 5, -1) if group is None else group
    strands = np.zeros(depth.shape, bool) if hair is None else hair
    draw_ink(image, depth, facing if normal is None else normal, regions, strands, light, radius)
    return (1.0 - image[..., 0]) / 0.99


def test_a_silhouette_is_twice_its_radius_wide() -> None:
    depth = np.full((40, 60), np.inf)
    depth[:, 30:] = 1.0
    for radius in (1.5, 3.0):
        width = _drawn(depth, radius=radius)[20].sum()
        assert width == pytest.approx(2 * radius, abs=1.2)


def test_a_plane_has_no_lines_however_steep() -> None:
    slope = np.tile(1.0 + 0.004 * np.arange(60.0) * 3.0, (40, 1))
    assert _drawn(slope)[5:-5, 5:-5].max() == 0.0


def test_a_fold_and_a_border_are_thinner_than_a_silhouette() -> None:
    flat = np.ones((40, 60))
    fold = flat.copy()
    fold[:, 30:] += 0.008
    regions = np.where(np.arange(60) < 30, 5, 6) * np.ones((40, 1), int)
    outside = np.where(np.arange(60) < 30, np.inf, 1.0) * np.ones((40, 1))
    border, step, silhouette = (
        image[20].sum() for image in (_drawn(flat, regions), _drawn(fold), _drawn(outside))
    )
    assert 0.0 < border < step < silhouette


def test_valleys_are_drawn_and_ridges_not() -> None:
    x = np.arange(60) - 29.5
    for sign, inked in ((-1.0, True), (1.0, False)):
        depth = np.tile(1.0 + sign * 0.002 * np.abs(x), (40, 1))
        normal = np.zeros((40, 60, 3), np.float32)
        normal[..., 0] = sign * np.sign(x)
        normal[..., 2] = 1.0
        normal /= np.sqrt(2.0)
        assert (_drawn(depth, normal=normal)[20, 20:40].max() > 0.5) == inked


def test_lines_are_wider_on_the_side_away_from_the_light() -> None:
    depth = np.full((60, 60), np.inf)
    y, x = np.mgrid[:60, :60] - 29.5
    inside = np.hypot(x, y) < 20
    depth[inside] = 1.0
    normal = np.zeros((60, 60, 3), np.float32)
    normal[inside] = np.stack([x, -y, 0 * x], -1)[inside] / 20.0
    ink = _drawn(depth, normal=normal, light=np.array([-1.0, 0.0, 0.0]), radius=3.0)
    assert ink[30, 40:].sum() > 1.3 * ink[30, :20].sum() > 0.0


def test_single_strands_have_no_lines() -> None:
    depth = np.full((40, 60), np.inf)
    depth[:, 30] = 1.0
    group = np.where(depth < np.inf, 0, -1)
    assert _drawn(depth, group, hair=depth < np.inf).max() == 0.0
