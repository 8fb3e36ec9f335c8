"""The head of a concept: smooth bends of space, and ears drawn out to tips."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray

from portraiture.engine.concepts.concept import Bend, Ears
from portraiture.engine.head import HeadModel
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape, Warp, shape_head
from portraiture.engine.skin.layout import EYE_X_MM
from portraiture.ops.vectors import smooth
from portraiture.types import Segment


class Frame(NamedTuple):
    """A similarity between canonical millimetres and one head. origin: (3,) metres, midway between
    the eyes. unit: metres for a canonical millimetre."""

    origin: Float[ndarray, "3"]
    unit: float

    def to_head(self, points: Float[ndarray, "*n 3"]) -> Float[ndarray, "*n 3"]:
        """Canonical millimetres to metres."""
        return self.origin + self.unit * np.asarray(points, np.float64)

    def to_canonical(self, points: Float[ndarray, "*n 3"]) -> Float[ndarray, "*n 3"]:
        """Metres to canonical millimetres."""
        return (np.asarray(points, np.float64) - self.origin) / self.unit


def frame_of(shape: HeadShape) -> Frame:
    """The frame of a head, by its eyes."""
    left, right = (shape.group(f"helper-{side}-eye").mean(0).astype(np.float64) for side in "lr")
    return Frame(0.5 * (left + right), float(np.linalg.norm(left - right)) / (2e0 * EYE_X_MM))


def reshaped(shape: HeadShape, bends: tuple[Bend, ...], ears: Ears | None) -> HeadShape:
    """The head with these changes after a style's own warp; expressions follow."""
    if not bends and ears is None:
        return shape
    frame = frame_of(shape)
    offset = 0.0 if ears is None else frame.unit * _ear_offset(shape.model, ears)
    return shape.bent(_warp(frame, bends), offset)


def _warp(frame: Frame, bends: tuple[Bend, ...]) -> Warp:
    def warp(points: ndarray) -> ndarray:
        at = frame.to_canonical(points)
        for bend in bends:
            sides = (1.0, -1.0) if bend.at[0] > 0.0 else (1.0,)
            moved = np.zeros_like(at)
            for side in sides:
                moved += _moved(at, bend, np.array([side, 1.0, 1.0]))
            at = at + moved
        return frame.to_head(at)

    return warp


def _moved(points: Float[ndarray, "N 3"], bend: Bend, side: ndarray) -> Float[ndarray, "N 3"]:
    away = points - side * bend.at
    far = np.linalg.norm(away, axis=1, keepdims=True) / bend.radius
    return np.exp(-(far**3)) * (side * bend.by + (np.array(bend.scale) - 1.0) * away)


@lru_cache(maxsize=16)
def _ear_offset(model: HeadModel, ears: Ears) -> Float32[ndarray, "V 3"]:
    """Displacement of all baked vertices, canonical millimetres."""
    average = shape_head(AvatarParameters(), model)
    at = frame_of(average).to_canonical(average.vertices)
    rows, depth = _ear_rows(model)
    out = np.zeros_like(at)
    for side in (1.0, -1.0):
        here = at[rows, 0] * side > 0.0
        own, off = rows[here], depth[here]
        ear = at[own]
        low, high = np.percentile(ear[:, 1], [2.0, 99.5])
        height = np.clip((ear[:, 1] - low) / (high - low), 0.0, 1.2)
        root = ear[np.argsort(np.abs(ear[:, 0]))[: len(ear) // 4]].mean(0)
        free = smooth(off / 0.35)[:, None]
        moved = free * (ears.size - 1.0) * (ear - root)
        rise = (free[:, 0] * height**2.4)[:, None]
        moved += rise * np.array([side * ears.out, ears.up, -ears.back])
        top = ear[np.argsort(ear[:, 1])[-12:]].mean(0)
        narrow = ears.point * free[:, 0] * smooth((height - 0.45) / 0.55)
        moved[:, 2] += 0.8 * narrow * (top[2] - 2.0 - ear[:, 2])
        out[own] = moved
    return out.astype(np.float32)


@lru_cache(maxsize=2)
def _ear_rows(model: HeadModel) -> tuple[ndarray, ndarray]:
    """Baked vertices of the ears, and how far each stands off the head: 0 where they grow, 1 at the
    rim."""
    faces = model.arrays["skin_vertex"][model.arrays["skin_faces"]]
    ear = np.isin(model.arrays["skin_segment"], (Segment.LEFT_EAR, Segment.RIGHT_EAR))
    rows = np.setdiff1d(np.unique(faces[ear]), np.unique(faces[~ear]))
    template = model.arrays["template"]
    border = np.intersect1d(np.unique(faces[ear]), np.unique(faces[~ear]))
    far = np.empty(len(rows))
    for side in (1.0, -1.0):
        own = template[rows, 0] * side > 0.0
        edge = template[border[template[border, 0] * side > 0.0]]
        off = np.linalg.norm(template[rows[own]][:, None] - edge[None], axis=2).min(1)
        far[own] = off / off.max()
    return rows, far
