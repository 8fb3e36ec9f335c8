"""Proportions of a style: exaggeration of what differs from the average person of the same sex and
age (Brennan 1985), then a smooth warp of space that expressions follow."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.prior import load_prior
from portraiture.engine.sample import PORTRAYED
from portraiture.engine.shape import HeadShape, Warp, shape_head
from portraiture.engine.shapes import SHAPES
from portraiture.engine.style.recipes import Recipe, recipe_of
from portraiture.ops.vectors import smooth
from portraiture.types import Style

EYE_KEPT = 0.75
"""Share of an eye's own difference from the mean that is not exaggerated."""

EYE_REACH = 0.62
"""Distance from an eye at which its enlargement has fallen to 1/e, distances between the eyes."""


def bend_head(shape: HeadShape, parameters: AvatarParameters, style: Style) -> HeadShape:
    """Warp the head to the style's shape; for natural it is returned unchanged."""
    if style == "natural":
        return shape
    recipe = recipe_of(style, parameters)
    offset = np.float32(recipe.exaggeration - 1.0) * _difference(shape, parameters, recipe.limit)
    return shape.warped(_warp(shape, recipe), offset)


def _difference(
    shape: HeadShape, parameters: AvatarParameters, limit: float
) -> Float[ndarray, "V 3"]:
    """Difference of this head from the average one of its sex and age, faded out at the neck.

    Both heads are first aligned at the midpoint of the eyes, to remove translation. limit: length
    to which the difference saturates, metres.
    """
    average = {
        name: float(np.clip(0.5 + 0.5 * (value + PORTRAYED.get(name, 0.0)), 0.0, 1.0))
        for name, value in zip(SHAPES, load_prior().mean, strict=True)
    }
    person = AvatarParameters(sex=round(parameters.sex), age=parameters.age, shape=average)
    mean = shape_head(person, shape.model)
    middle = _eye_centres(shape).mean(0) - _eye_centres(mean).mean(0)
    difference = shape.vertices - mean.vertices - middle
    length = np.linalg.norm(difference, axis=1, keepdims=True)
    difference = difference * (limit / np.maximum(length, 1e-9)) * np.tanh(length / limit)
    neck_y = shape.joints[shape.model.joint_names.index("neck"), 1]
    head_y = shape.joints[shape.model.joint_names.index("head"), 1]
    fade = smooth((shape.vertices[:, 1:2] - neck_y) / (head_y - neck_y))
    return _eyes_kept(difference * fade, shape)


def _eyes_kept(difference: Float[ndarray, "V 3"], shape: HeadShape) -> Float[ndarray, "V 3"]:
    """The difference with that of the lids and eyes mostly replaced by their mean: eyes move as
    wholes, and small ones stay open."""
    eyes = _eye_centres(shape)
    apart = float(np.linalg.norm(eyes[0] - eyes[1]))
    out = difference.copy()
    for eye in eyes:
        weight = _ball(shape.vertices, eye, 0.24 * apart, 0.5 * apart)
        mean = (weight * difference).sum(0) / weight.sum()
        out += EYE_KEPT * weight * (mean - difference)
    return out


def _eye_centres(shape: HeadShape) -> Float[ndarray, "2 3"]:
    names = shape.model.joint_names
    return shape.joints[[names.index("leftEye"), names.index("rightEye")]]


def _warp(shape: HeadShape, recipe: Recipe) -> Warp:
    """Build the recipe's smooth warp in the frame of this head."""
    eyes = _eye_centres(shape)
    names = shape.model.joint_names
    head, neck = shape.joints[names.index("head")], shape.joints[names.index("neck")]
    apart = float(np.linalg.norm(eyes[0] - eyes[1]))
    middle = eyes.mean(0)
    nose = middle + apart * np.array([0.0, -0.6, 0.42])
    mouth = middle + apart * np.array([0.0, -1.08, 0.3])
    cheeks = [middle + apart * np.array([side, -0.78, -0.05]) for side in (-0.6, 0.6)]
    # In height nose and cheeks change less, for they would pull the mouth out of its expression.
    small = np.array([recipe.nose, 0.4 + 0.6 * recipe.nose, recipe.nose])
    round_cheek = np.array([recipe.cheeks, 1.0, recipe.cheeks])
    chin_y = eyes[0, 1] - 1.75 * apart

    def warp(points: ndarray) -> ndarray:
        p = points.astype(np.float64)
        p = _scale_ball(p, nose, small, 0.22 * apart, 0.62 * apart)
        p = _scale_ball(p, mouth, recipe.mouth, 0.3 * apart, 0.8 * apart)
        for cheek in cheeks:
            p = _scale_ball(p, cheek, round_cheek, 0.2 * apart, 0.75 * apart)
        p = p + sum(_widen(p, eye, recipe, apart) for eye in eyes)
        low = smooth((eyes[0, 1] - 0.4 * apart - p[:, 1]) / (eyes[0, 1] - chin_y))
        above_neck = smooth((p[:, 1] - neck[1]) / (head[1] - neck[1]))
        p[:, 0] *= 1.0 - recipe.chin * low * above_neck
        around = np.exp(-(((p[:, 1] - 0.5 * (neck[1] + head[1])) / 0.05) ** 2))
        girth = 1.0 + (recipe.neck - 1.0) * around * (1.0 - _face_front(p, head))
        p[:, 0] *= girth
        p[:, 2] = neck[2] + (p[:, 2] - neck[2]) * girth
        scale = 1.0 + (recipe.head - 1.0) * above_neck[:, None]
        base = np.array([0.0, neck[1], neck[2]])
        return base + (p - base) * scale

    return warp


def _face_front(p: ndarray, head: ndarray) -> ndarray:
    """1 on the face and chin, 0 on the neck."""
    return smooth((p[:, 2] - head[2] - 0.02) / 0.05)


def _widen(p: ndarray, eye: ndarray, recipe: Recipe, apart: float) -> Float[ndarray, "N 3"]:
    """Displacement that enlarges one eye, and moves it aside. It fades so
    slowly that it leaves no ring in the skin."""
    away = p - eye
    weight = np.exp(-((np.linalg.norm(away, axis=1, keepdims=True) / (EYE_REACH * apart)) ** 3))
    gain = recipe.eyes * np.array([1.0, recipe.eyes_tall, 1.0]) - 1.0
    aside = np.array([np.sign(eye[0]) * recipe.eyes_apart * apart, 0.0, 0.0])
    return weight * (gain * away + aside)


def _scale_ball(
    p: ndarray, centre: ndarray, factor: float | ndarray, inner: float, outer: float
) -> ndarray:
    """Scale around `centre` within radius `inner`, fading to the identity at `outer` (metres)."""
    return p + (factor - 1.0) * _ball(p, centre, inner, outer) * (p - centre)


def _ball(p: ndarray, centre: ndarray, inner: float, outer: float) -> Float[ndarray, "N 1"]:
    """1 within radius `inner` of `centre`, 0 beyond `outer`."""
    radius = np.linalg.norm(p - centre, axis=1, keepdims=True)
    return 1.0 - smooth((radius - inner) / (outer - inner))
