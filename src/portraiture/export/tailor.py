"""A bust as `GlbOptions` ask for it: whatever of them is done to geometry and images before a
document is written.

bust ─pose─▶ ─lod─▶ ─morphs─▶ ─outlines─▶ ─texture size─▶ ─atlas─▶ bust
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from portraiture.export.atlas import packed
from portraiture.export.flat import outlined
from portraiture.export.lod import with_lod
from portraiture.export.options import GlbOptions, Pose
from portraiture.export.skeleton import A_POSE, t_posed
from portraiture.export.texture_size import limited
from portraiture.export.visemes import MIXTURES
from portraiture.types import Bust, Morph, Part


def tailored(bust: Bust, options: GlbOptions) -> Bust:
    """`bust` with the pose, triangles, morph targets, texture sizes and atlas of `options`, and
    with the outlines that its materials ask for as parts of their own."""
    bust = with_lod(_posed(bust, options.pose), options.lod)
    if options.morphs is not None:
        names = options.morphs
        bust = replace(bust, parts=tuple(with_morphs(part, names) for part in bust.parts))
    parts = outlined(bust.parts)
    if options.texture_size is not None:
        side = options.texture_size
        parts = tuple(replace(part, material=limited(part.material, side)) for part in parts)
    if options.texture_atlas is not None:
        side = min(options.texture_atlas, options.texture_size or options.texture_atlas)
        parts = packed(parts, side, channels=options.texture_channels)
    return replace(bust, parts=parts)


def _posed(bust: Bust, pose: Pose) -> Bust:
    match pose:
        case "rest":
            return bust
        case "A":
            return t_posed(bust, down=A_POSE)
        case "T":
            return t_posed(bust)


def with_morphs(part: Part, names: Sequence[str]) -> Part:
    """The part with the morph targets `names`, of which some are mixtures of others."""
    morphs = {name: mixed(part, MIXTURES.get(name, {name: 1.0})) for name in names}
    return replace(
        part, morphs={name: morph for name, morph in morphs.items() if len(morph.indices)}
    )


def mixed(part: Part, weights: Mapping[str, float]) -> Morph:
    """The displacement by several of the part's morph targets at once; rows may repeat."""
    used = [(part.morphs[name], weight) for name, weight in weights.items() if name in part.morphs]
    if not used:
        return Morph(np.zeros(0, np.int64), np.zeros((0, 3), np.float32))
    return Morph(
        np.concatenate([morph.indices for morph, _ in used]),
        np.concatenate([np.float32(weight) * morph.deltas for morph, weight in used]),
    )
