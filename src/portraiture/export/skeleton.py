"""The skeleton's rest pose for export: feet on the ground, and arms as T- or A-pose."""

from __future__ import annotations

from dataclasses import replace
from math import cos, pi, sin

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from portraiture.types import Bust, Morph, Part, Skeleton

ANKLE_HEIGHT_M = 0.08
"""The lowest joints are the ankles; the soles are this far below them."""

SIDES = {"left": 1.0, "right": -1.0}
"""Direction of each arm along x in the T-pose."""


def grounded(bust: Bust) -> Bust:
    """The same bust, raised so that the ground under its feet is y = 0."""
    rise = np.float32(ANKLE_HEIGHT_M - bust.skeleton.heads[:, 1].min())
    up = np.array([0.0, rise, 0.0], np.float32)
    return replace(
        bust,
        parts=tuple(replace(part, vertices=part.vertices + up) for part in bust.parts),
        skeleton=replace(bust.skeleton, heads=bust.skeleton.heads + up),
        landmarks=bust.landmarks + up,
    )


A_POSE = pi / 4
"""Radians by which the arms of an A-pose hang below the level."""


def t_posed(bust: Bust, *, down: float = 0.0) -> Bust:
    """The same bust with both arms straight and level along x, as VRM's rest pose; or `down`
    radians below the level.

    Joints: upper arm, lower arm and hand come to lie on a line from the shoulder; bone
    lengths stay. Skin: `v_T` is the solution of ``sum_j w_j G_j v_T = v``, where `G_j` takes joint
    j from the T-pose back to the built pose; so a program that lowers the arms again by linear
    blend skinning gets the built surface back exactly. Landmarks are on the head and stay.
    """
    skeleton, rotation = _straight_arms(bust.skeleton, down)
    return replace(
        bust,
        parts=tuple(_follow(part, bust.skeleton, skeleton, rotation) for part in bust.parts),
        skeleton=skeleton,
    )


def _straight_arms(skeleton: Skeleton, down: float) -> tuple[Skeleton, Float[ndarray, "J 3 3"]]:
    """The posed skeleton and the rotation that took each joint there."""
    heads = skeleton.heads.astype(np.float64)
    rotation = np.tile(np.eye(3), (len(heads), 1, 1))
    for side, direction in SIDES.items():
        names = (f"{side}UpperArm", f"{side}LowerArm", f"{side}Hand")
        if any(name not in skeleton.names for name in names):
            continue
        upper, lower, hand = (skeleton.names.index(name) for name in names)
        along = np.array([direction * cos(down), -sin(down), 0.0])
        for start, end in ((upper, lower), (lower, hand)):
            bone = skeleton.heads[end].astype(np.float64) - skeleton.heads[start]
            rotation[start] = _rotation_between(bone, along)
            heads[end] = heads[start] + np.linalg.norm(bone) * along
        rotation[hand] = rotation[lower]
    return replace(skeleton, heads=heads.astype(np.float32)), rotation


def _follow(part: Part, built: Skeleton, posed: Skeleton, rotation: ndarray) -> Part:
    """`part` moved so that undoing `rotation` at the posed joints restores it."""
    back = rotation.transpose(0, 2, 1)
    offset = built.heads - np.einsum("jkl,jl->jk", back, posed.heads.astype(np.float64))
    weights = part.weights.astype(np.float64)
    linear = np.einsum("vs,vskl->vkl", weights, back[part.joints])
    shift = np.einsum("vs,vsk->vk", weights, offset[part.joints])
    moves = np.abs(linear - np.eye(3)).max((1, 2)) > 1e-7
    if not moves.any():
        return part
    inverse = np.linalg.inv(linear[moves])
    vertices, normals = part.vertices.copy(), part.normals.copy()
    relative = part.vertices[moves] - shift[moves]
    vertices[moves] = np.einsum("vkl,vl->vk", inverse, relative)
    turned = np.einsum("vlk,vl->vk", linear[moves], part.normals[moves])
    normals[moves] = turned / np.linalg.norm(turned, axis=1, keepdims=True)
    every = np.tile(np.eye(3), (len(vertices), 1, 1))
    every[moves] = inverse
    morphs = {name: _turn(morph, every) for name, morph in part.morphs.items()}
    return replace(part, vertices=vertices, normals=normals, morphs=morphs)


def _turn(morph: Morph, matrices: ndarray) -> Morph:
    deltas = np.einsum("vkl,vl->vk", matrices[morph.indices], morph.deltas)
    return replace(morph, deltas=deltas.astype(np.float32))


def _rotation_between(source: ndarray, target: ndarray) -> Float[ndarray, "3 3"]:
    """The smallest rotation that takes the direction of `source` to that of `target`.

    Rodrigues' formula; raises ValueError for opposite directions, where it is not unique.
    """
    a, b = source / np.linalg.norm(source), target / np.linalg.norm(target)
    v, c = np.cross(a, b), float(a @ b)
    if c < -0.999999:
        raise ValueError("an arm points into the body; the skeleton is not a person's")
    cross = np.array([[0.0, -v[2], v[1]], [v[2], 0.0, -v[0]], [-v[1], v[0], 0.0]])
    return np.eye(3) + cross + cross @ cross / (1.0 + c)
