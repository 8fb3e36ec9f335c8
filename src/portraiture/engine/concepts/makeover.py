"""`Makeover`: what several concepts together change as a bust is built, and its steps.

names ─▶ Makeover ─┬─ reshape: the head ─▶ parts of `build` ─┐
                   └─ substance, paint, eyes, dye, grade ────┴─▶ parts, and growths
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache

import numpy as np
from numpy import ndarray

from portraiture.engine.concepts.color import LUMA, codes_of, floats, graded, tinted
from portraiture.engine.concepts.concept import (
    Bend,
    Concept,
    Ears,
    EyeLook,
    Grade,
    Growth,
    Paint,
    Rgb,
    Substance,
)
from portraiture.engine.concepts.eyes import painted_eye
from portraiture.engine.concepts.growths import make_growth
from portraiture.engine.concepts.reshape import reshaped
from portraiture.engine.concepts.skin import dyed_scalp, painted_skin
from portraiture.engine.concepts.substances import in_substance
from portraiture.engine.concepts.table import find_concepts
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape
from portraiture.types import Finish, Part, Style

HAIRY = ("hair", "brows", "beard")
BARE = ("brows", "lashes")


@dataclass(frozen=True, eq=False)
class Makeover:
    """The concepts' fields of these names, together; see `Concept`."""

    names: tuple[str, ...]
    bends: tuple[Bend, ...] = ()
    ears: Ears | None = None
    paints: tuple[Paint, ...] = ()
    eyes: EyeLook | None = None
    hair: Rgb | None = None
    substance: Substance | None = None
    growths: tuple[Growth, ...] = ()
    grade: Grade | None = None
    bare: bool = False

    @property
    def sculpted(self) -> bool:
        """Whether hair, brows and beard are solid."""
        return self.substance is not None and self.substance.whole

    def reshape(self, shape: HeadShape) -> HeadShape:
        """The head after bends and ears."""
        return reshaped(shape, self.bends, self.ears)


@lru_cache(maxsize=64)
def makeover_of(names: tuple[str, ...]) -> Makeover | None:
    """What concepts of these names change together, later ones before earlier ones; None for no
    change. Equal names give the same object. Raises ConceptError."""
    concepts = find_concepts(names)
    if not any(concept.built for concept in concepts):
        return None
    return Makeover(
        names=names,
        bends=tuple(bend for concept in concepts for bend in concept.bends),
        ears=_last([concept.ears for concept in concepts]),
        paints=tuple(paint for concept in concepts for paint in concept.paints),
        eyes=_eyes(concepts),
        hair=_dye(concepts),
        substance=_last([concept.substance for concept in concepts]),
        growths=tuple(growth for concept in concepts for growth in concept.growths),
        grade=_last([concept.grade for concept in concepts]),
        bare=any(concept.bare for concept in concepts),
    )


def _last(values: Sequence):
    return next((value for value in reversed(values) if value is not None), None)


def _dye(concepts: Sequence[Concept]) -> Rgb | None:
    """The last dye, unless a natural colour comes after it."""
    dye: Rgb | None = None
    for concept in concepts:
        dye = None if concept.undyed else concept.hair or dye
    return dye


def _eyes(concepts: Sequence[Concept]) -> EyeLook | None:
    """What later ones say of the eyes, and else what earlier ones do."""
    merged: EyeLook | None = None
    for look in (concept.eyes for concept in concepts):
        if look is None:
            continue
        if merged is None:
            merged = look
            continue
        usual = EyeLook()
        own = {f.name: getattr(look, f.name) for f in fields(EyeLook)}
        merged = replace(merged, **{k: v for k, v in own.items() if v != getattr(usual, k)})
    return merged


def made_over(
    parameters: AvatarParameters,
    parts: tuple[Part, ...],
    shape: HeadShape,
    style: Style,
    makeover: Makeover,
    photographed: bool,
) -> tuple[Part, ...]:
    """The parts after the makeover, and its growths. shape: the reshaped head. photographed: the
    skin is a photo's."""
    made = [part for part in parts if not (makeover.bare and part.name in BARE)]
    if makeover.hair is not None:
        made = [_dyed(part, makeover.hair, parameters, shape) for part in made]
    finish = _finish(parts)
    growths = [make_growth(growth, shape, finish=finish) for growth in makeover.growths]
    if makeover.substance is not None:
        made = in_substance(
            [*made, *growths] if makeover.sculpted else made, makeover.substance, shape
        )
        growths = [] if makeover.sculpted else growths
    if makeover.paints:
        made = [_painted(part, makeover, shape, photographed) for part in made]
    if makeover.eyes is not None and not makeover.sculpted:
        made = [_looking(part, makeover.eyes, parameters, style) for part in made]
    made += growths
    if makeover.grade is not None:
        made = [_graded(part, makeover.grade) for part in made]
    return tuple(made)


def _finish(parts: Sequence[Part]) -> Finish:
    return next(part.material.finish for part in parts if part.name == "skin")


def _with_texture(part: Part, texture: ndarray) -> Part:
    return replace(part, material=replace(part.material, base_color=texture))


def _painted(part: Part, makeover: Makeover, shape: HeadShape, photographed: bool) -> Part:
    if part.name != "skin":
        return part
    texture = part.material.base_color
    return _with_texture(
        part, painted_skin(texture, makeover.paints, shape, photographed=photographed)
    )


def _looking(part: Part, look: EyeLook, parameters: AvatarParameters, style: Style) -> Part:
    if part.material.kind != "eye":
        return part
    return _with_texture(part, painted_eye(part.material.base_color, look, parameters, style))


def _dyed(part: Part, rgb: Rgb, parameters: AvatarParameters, shape: HeadShape) -> Part:
    texture = part.material.base_color
    if part.name == "skin":
        return _with_texture(part, dyed_scalp(texture, rgb, parameters, shape))
    if part.name not in HAIRY:
        return part
    color = floats(texture)
    shown = texture[..., 3] > 128
    level = float(np.percentile((color @ LUMA)[shown], 70)) if shown.any() else 0.5
    share = 0.55 if part.name == "brows" else 1.0
    aim = tinted(color, rgb, level, 0.8)
    return _with_texture(part, codes_of(color + share * (aim - color), texture))


def _graded(part: Part, grade: Grade) -> Part:
    texture = part.material.base_color
    return _with_texture(part, codes_of(graded(floats(texture), grade), texture))
