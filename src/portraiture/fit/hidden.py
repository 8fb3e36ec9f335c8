"""Find texels of the face that are occluded, over-exposed or in hard shadow.

projection ─▶ log luminance, log chroma ─▶ reference skin: the most plausible of eight patches
   ├─ chroma far from it, or black, in one mass that reaches bare skin: mask, sunglasses
   ├─ beyond a hard edge of luminance on bare skin: a cast shadow
   └─ no longer measured by the sensor, and the glow around that: over-exposed

The portrait parser (`fit.parse`) adds coverings of the face's own colour, hands above all, and
overrules the colours where it sees the face itself: a flushed cheek, warm light, paint.

Dimension letters: h, w: half the texels of the texture's window that holds the face
(`projection.WINDOW`); H, W: all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32
from numpy import ndarray
from scipy.ndimage import (
    binary_dilation,
    binary_erosion,
    binary_opening,
    binary_propagation,
    distance_transform_edt,
    gaussian_filter,
)
from scipy.spatial import KDTree
from skimage import measure

from portraiture.engine.skin.tone import tone_table
from portraiture.fit.parse import ParsedTexels
from portraiture.fit.projection import Projection, disk
from portraiture.fit.regions import WINDOW_PX, Regions, window_transform

FAR_CHROMA, BLACK = 0.3, -2.2
"""Log chroma and log luminance from the reference at which a texel is not the face's skin."""
SHADE_REDNESS = 0.5
"""Log chroma that skin gains in shade towards red, for each unit of log luminance that it loses."""
PLAUSIBLE = 0.25
"""How much farther from every skin than the best patch a patch of skin may be, log chroma."""
EDGE, EDGE_REACH = 1.15, 4
"""Log luminance that a hard shadow's edge spans, and half its width in halved texels."""
LEAST_EDGE, LEAST_STEPPED = 60, 0.75
"""Halved texels on hard edges, and the share of a shadow's border that must be hard."""
MOST_SHADOW = 0.6
"""Share of the face from which on a shadow is the face's light, and the rest lit too much."""
BLOWN = 1.05
"""`light.radiance` above which a channel is at the sensor's end."""
GLOW, GLOW_REACH = 0.3, 20
"""Log luminance over the reference that belongs to an over-exposed patch, within so many halved
texels of it."""
LEAST_BARE, LEAST_SHADOW = 0.05, 0.08
"""Share of the bare skin that a mass, and a shadow, must hide: less is a feature or a spot."""
BESIDE, LEAST_BESIDE = 12.0, 0.004
"""Halved texels within which a piece belongs to a mass, and the share of bare skin it hides."""
LEAST_FOREIGN = 0.015
"""Share of the face that something seen by the parser hides at least."""
MOST_SKIN = 0.6
"""Mean probability of the face itself from which on odd colours are the face's own,"""
MOST_FLUSH = 0.6
"""unless their log chroma lies this far from the reference in the median."""
AROUND_IOD = 0.4
"""How far from skin that is seen its covering reaches, inter-ocular distances."""
TRUSTED = 0.3
GUESSED = "completed from the other half of the face and from usual skin"


@dataclass(frozen=True)
class Hidden:
    """covered: (H, W) in [0, 1], something before the skin. blown: over-exposed. shadow: behind a
    hard edge of light. Shares: of the face's texels, in [0, 1]; spoilt is blown or in shadow."""

    covered: Float32[ndarray, "H W"]
    blown: Float32[ndarray, "H W"]
    shadow: Float32[ndarray, "H W"]
    covered_share: float
    spoilt_share: float

    def everything(self) -> Float32[ndarray, "H W"]:
        """Texels that must not be used for skin colour."""
        return np.maximum(self.unlit(), self.shadow)

    def unlit(self) -> Float32[ndarray, "H W"]:
        """Texels that must not be used for light."""
        return np.maximum(self.covered, self.blown)

    def notes(self) -> list[str]:
        """Plain sentences for the user."""
        notes = []
        if self.covered_share > LEAST_BARE:
            notes.append(
                f"{100 * self.covered_share:.0f} % of the face is covered; its skin is {GUESSED}, "
                "and no beard, brow or iris is read there."
            )
        if self.spoilt_share > LEAST_BARE:
            notes.append(
                f"{100 * self.spoilt_share:.0f} % of the face lies in hard shadow or is "
                f"over-exposed; its skin is {GUESSED}."
            )
        return notes


def find_hidden(
    projection: Projection, hair: Float[ndarray, "H W"], parsed: ParsedTexels | None = None
) -> Hidden:
    """Find the parts of the projected face that must not be used. hair: where hair is before the
    skin. parsed: what the portrait parser sees; without it colours alone decide."""
    colour, position = halved(projection.colour), halved(projection.position)
    may_be_hair = (position[..., 1] > 10.0) | (np.abs(position[..., 0]) > 48.0)
    face = (halved(projection.weight) > TRUSTED) & ~((halved(hair) > 0.5) & may_be_hair)
    bare = bare_skin(position) & face
    if bare.sum() < 200:
        nothing = np.zeros(projection.weight.shape, np.float32)
        return Hidden(nothing, nothing, nothing, 0.0, 0.0)
    ended = _ended(colour, face)
    near_end = np.asarray(binary_dilation(ended, disk(6)), bool)
    log = gaussian_filter(np.log(np.clip(colour, 4e-3, 4.0)), (1.3, 1.3, 0))
    light, chroma = log.mean(-1), _chroma(log)
    reference = _reference(log, face & ~near_end, position)
    gap = chroma - _chroma(reference)
    darker = np.clip(reference.mean() - light, 0.0, -BLACK)
    far = np.linalg.norm(gap, axis=-1) > FAR_CHROMA + SHADE_REDNESS * darker * (gap[..., 0] > 0)
    far |= darker >= -BLACK
    odd = np.where(darker >= -BLACK, np.inf, np.linalg.norm(gap, axis=-1))
    near = np.asarray(distance_transform_edt(~ended)) < GLOW_REACH
    glow = ended | (face & near & (light > reference.mean() + GLOW))
    blown = np.asarray(binary_propagation(ended, mask=glow), bool)
    left = face & ~np.asarray(binary_dilation(blown, disk(EDGE_REACH)), bool)
    covered = _masses(far & left, bare)
    if parsed is not None:
        covered = _confirmed(covered, halved(parsed.skin), odd) | _solid(
            face & (halved(parsed.foreign) > 0.5), LEAST_FOREIGN * face.sum()
        )
    left &= ~np.asarray(binary_dilation(covered, disk(EDGE_REACH)), bool)
    shadow = _shadow(light, left, bare)
    shares = [float(mask[face].mean()) for mask in (covered, blown | shadow)]
    return Hidden(_soft(covered), _soft(blown), _soft(shadow), *shares)


@lru_cache(maxsize=1)
def _skin_chroma() -> KDTree:
    """Log R/G and G/B of every natural skin."""
    table = np.concatenate([tone_table(u).reshape(-1, 3) for u in (0.2, 0.5, 0.8)])
    return KDTree(_chroma(np.log(np.maximum(table, 1e-4))))


def _chroma(log: Float[ndarray, "*n 3"]) -> Float[ndarray, "*n 2"]:
    return np.stack([log[..., 0] - log[..., 1], log[..., 1] - log[..., 2]], -1)


def bare_skin(position: Float[ndarray, "h w 3"]) -> Bool[ndarray, "h w"]:
    """Texels on which no face has brows, lashes, lips or a beard: lower forehead, nose, cheeks."""
    x, y, z = np.abs(position[..., 0]), position[..., 1], position[..., 2]
    cheeks = (y < -13) & (y > -40) & (x < 44)
    forehead = (y > 26) & (y < 46) & (x < 34)
    nose = (y > -42) & (y < 14) & (x < 11)
    return (cheeks | forehead | nose) & (z > -40)


def _patches(position: Float[ndarray, "h w 3"]) -> list[Bool[ndarray, "h w"]]:
    """Forehead, bridge, below both eyes, both cheeks, nose and chin."""
    x, y, z = np.moveaxis(position, -1, 0)
    boxes = (
        (-34, 34, 26, 46), (-9, 9, -6, 14), (-40, -12, -21, -12), (12, 40, -21, -12),
        (-44, -18, -44, -22), (18, 44, -44, -22), (-9, 9, -38, -12), (-18, 18, -102, -84),
    )  # fmt: skip
    return [(x > a) & (x < b) & (y > c) & (y < d) & (z > -40) for a, b, c, d in boxes]


def _reference(
    log: Float[ndarray, "h w 3"], face: Bool[ndarray, "h w"], position: Float[ndarray, "h w 3"]
) -> Float[ndarray, "3"]:
    """Log colour of the face's skin: the median over the patches that may be skin."""
    inside = [patch & face for patch in _patches(position)]
    inside = [patch for patch in inside if patch.sum() > 20] or [face]
    middles = np.array([np.median(log[patch], axis=0) for patch in inside])
    gap = _skin_chroma().query(_chroma(middles))[0]
    return np.median(middles[gap < gap.min() + PLAUSIBLE], axis=0)


def _masses(
    odd: Bool[ndarray, "h w"], bare: Bool[ndarray, "h w"], least: float = LEAST_BARE
) -> Bool[ndarray, "h w"]:
    """Connected components of outlier texels that cover enough bare skin, and smaller ones beside
    them: nostrils part the tip of a covered nose from the rest."""
    solid = np.asarray(binary_opening(odd, disk(3)), bool)
    pieces = np.asarray(measure.label(solid, connectivity=1))
    hidden = np.bincount(pieces[bare], minlength=int(pieces.max()) + 1) / bare.sum()
    hidden[0] = 0.0
    kept = np.isin(pieces, np.flatnonzero(hidden > least))
    if not kept.any():
        return kept
    beside = np.unique(pieces[np.asarray(distance_transform_edt(~kept)) < BESIDE])
    return np.isin(pieces, beside[hidden[beside] > LEAST_BESIDE])


def _confirmed(
    covered: Bool[ndarray, "h w"], skin: Float[ndarray, "h w"], odd: Float[ndarray, "h w"]
) -> Bool[ndarray, "h w"]:
    """The connected components but those in which the parser sees the face itself and whose colour
    a flush or warm light may explain. odd: log chroma from the reference, infinite for black."""
    pieces = np.asarray(measure.label(covered, connectivity=1))
    masks = [pieces == k for k in range(1, pieces.max() + 1)]
    kept = [m for m in masks if skin[m].mean() < MOST_SKIN or np.median(odd[m]) > MOST_FLUSH]
    return np.any(kept, axis=0) if kept else np.zeros_like(covered)


def _solid(mask: Bool[ndarray, "h w"], least: float) -> Bool[ndarray, "h w"]:
    """The connected components of at least so many texels, without thin rims."""
    pieces = np.asarray(measure.label(binary_opening(mask, disk(2)), connectivity=1))
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return np.isin(pieces, np.flatnonzero(sizes > least))


def _shadow(
    light: Float[ndarray, "h w"], face: Bool[ndarray, "h w"], bare: Bool[ndarray, "h w"]
) -> Bool[ndarray, "h w"]:
    """The dark side of hard edges of luminance on bare skin, where most of its border is hard: the
    shade of a form fades."""
    r = EDGE_REACH
    steps = [np.roll(light, -r, k) - np.roll(light, r, k) for k in (0, 1)]
    slope = np.hypot(*steps)
    inner = np.asarray(binary_erosion(face, disk(r)), bool)
    edges = inner & bare & (slope > EDGE)
    if edges.sum() < LEAST_EDGE:
        return np.zeros_like(face)
    dark = face & (light < np.median(light[edges]))
    if dark.sum() > MOST_SHADOW * face.sum():
        return np.zeros_like(face)
    pieces = np.asarray(measure.label(_masses(dark, bare, LEAST_SHADOW), connectivity=1))
    kept = [k for k in range(1, pieces.max() + 1) if _stepped(pieces == k, inner, slope)]
    return np.isin(pieces, kept)


def _stepped(mass: Bool[ndarray, "h w"], inner: Bool[ndarray, "h w"], slope: ndarray) -> bool:
    """Whether most of the mass's border within the face is a hard edge."""
    border = mass & inner & np.asarray(binary_dilation(~mass), bool)
    hard = slope[border] > 0.6 * EDGE
    return bool(hard.sum() > LEAST_EDGE // 2 and hard.mean() > LEAST_STEPPED)


def _ended(colour: Float[ndarray, "h w 3"], face: Bool[ndarray, "h w"]) -> Bool[ndarray, "h w"]:
    """Patches where two channels are clipped."""
    ended = np.sort(colour, axis=-1)[..., 1] > BLOWN
    return np.asarray(binary_opening(ended & face, disk(2)), bool)


def halved(field: Float[ndarray, "H W *c"]) -> Float32[ndarray, "h w *c"]:
    """Means of blocks of 2×2 texels."""
    h, w = field.shape[:2]
    return field.reshape(h // 2, 2, w // 2, 2, *field.shape[2:]).mean((1, 3)).astype(np.float32)


def _soft(mask: Bool[ndarray, "h w"]) -> Float32[ndarray, "H W"]:
    """`mask` of halved texels grown over its blurred edge, soft in [0, 1], on whole texels."""
    grown = np.asarray(binary_dilation(mask, disk(3)), bool)
    return gaussian_filter(grown.repeat(2, 0).repeat(2, 1).astype(np.float32), 3.0)


def covered_in_window(
    hidden: Hidden, projection: Projection, landmarks: Float[ndarray, "478 2"], regions: Regions
) -> Bool[ndarray, "n n"]:
    """Pixels of the window in which the face is hidden: eyes, mouth and outline, which no texel
    shows, as the nearest skin is."""
    to_window = np.linalg.inv(window_transform(landmarks))
    seen = projection.weight > TRUSTED
    at = projection.pixels[seen] @ to_window[:2, :2].T + to_window[:2, 2]
    column, row = np.clip(at.astype(int), 0, WINDOW_PX - 1).T
    counts = np.zeros((2, *regions.skin.shape))
    np.add.at(counts[0], (row, column), 1.0)
    np.add.at(counts[1], (row, column), hidden.everything()[seen] > 0.5)
    found: Any = distance_transform_edt(counts[0] == 0, return_indices=True)
    distance, nearest = found
    covered = counts[1] > 0.5 * np.maximum(counts[0], 1.0)
    return covered[tuple(nearest)] & (distance < AROUND_IOD * regions.iod)
