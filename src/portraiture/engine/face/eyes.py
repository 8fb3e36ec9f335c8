"""Eyeballs: a sphere with a corneal bulge, fitted to each socket and rotated with the gaze."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray

from portraiture.engine.face.iris import iris_angle, paint_eye, texture_radius
from portraiture.engine.head import HeadModel
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape, sparse_morph, vertex_normals
from portraiture.types import Material, Morph, Part, Segment

SECTORS = 36
BACK_ANGLE = np.radians(100.0)
BULGE = 0.045
"""Height of the cornea above the sphere, in radii. Its radius in front is 8.6 mm on the engine's
eyeball of 16.7 mm (real ones: 7.7 mm, Navarro, Santamaria and Bescos 1985)."""

GAZE = ("eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp")


def make_eyes(parameters: AvatarParameters, shape: HeadShape) -> list[Part]:
    """Parts ``"eye_left"`` and ``"eye_right"`` (the person's), 1.3k triangles each."""
    material = eye_material(paint_eye(parameters))
    limbus = iris_angle(parameters)
    return [make_eye(shape, side, material, limbus) for side in ("left", "right")]


def eye_material(texture: UInt8[ndarray, "s s 3"]) -> Material:
    """Of an eye with this texture, see `iris`."""
    opaque = np.full((*texture.shape[:2], 1), 255, np.uint8)
    return Material(
        kind="eye", base_color=np.concatenate([texture, opaque], axis=2), roughness_factor=0.06
    )


def make_eye(shape: HeadShape, side: str, material: Material, limbus: float) -> Part:
    """The eye on the person's `side`. limbus: polar angle of the cornea's edge, radians."""
    unit, faces, uv = eyeball(limbus)
    if side == "right":
        uv = uv * np.array([-1.0, 1.0], np.float32) + np.array([1.0, 0.0], np.float32)
    else:
        uv = uv.copy()
    fit = socket_affine(shape, side)
    vertices = (unit @ fit[:3] + fit[3]).astype(np.float32)
    centre = fit[3]
    morphs: dict[str, Morph] = {}
    for gaze in GAZE:
        name = gaze + side.capitalize()
        turn = gaze_rotation(shape, name, side)
        morph = sparse_morph((vertices - centre) @ (turn - np.eye(3)).T)
        if morph is not None:
            morphs[name] = morph
    joints = np.zeros((len(vertices), 4), np.uint8)
    joints[:, 0] = shape.model.joint_names.index(f"{side}Eye")
    weights = np.zeros((len(vertices), 4), np.float32)
    weights[:, 0] = 1.0
    segment = Segment.RIGHT_EYE if side == "left" else Segment.LEFT_EYE
    return Part(
        name=f"eye_{side}",
        vertices=vertices,
        faces=faces,
        normals=vertex_normals(vertices, faces),
        uv=uv,
        material=material,
        segment=np.full(len(faces), segment, np.uint8),
        joints=joints,
        weights=weights,
        morphs=morphs,
    )


def eyeball(limbus: float) -> tuple[Float32[ndarray, "V 3"], ndarray, Float32[ndarray, "V 2"]]:
    """Eyeball of radius 1 facing +z: vertices, triangles, polar UV.

    limbus: polar angle of the cornea's edge, radians. u is 0 towards -x.
    """
    inner = limbus * np.array([0.18, 0.36, 0.54, 0.70, 0.84, 0.94, 1.0, 1.08, 1.2])
    outer = np.linspace(limbus * 1.45, BACK_ANGLE, 9)
    rings = np.concatenate([inner, outer])
    angle = np.repeat(rings, SECTORS)
    turn = np.tile(np.arange(SECTORS) * (2 * np.pi / SECTORS), len(rings))
    angle, turn = np.concatenate([[0.0], angle]), np.concatenate([[0.0], turn])
    t = np.clip(angle / (1.06 * limbus), 0.0, 1.0)
    radius = 1.0 + BULGE * (1.0 - t * t) ** 1.5
    direction = np.stack(
        [np.sin(angle) * np.cos(turn), np.sin(angle) * np.sin(turn), np.cos(angle)], axis=1
    )
    r = texture_radius(angle)
    uv = 0.5 + r[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    k = np.arange(SECTORS)
    following = (k + 1) % SECTORS
    faces = [np.stack([np.zeros_like(k), 1 + k, 1 + following], axis=1)]
    for ring in range(len(rings) - 1):
        a, b = 1 + ring * SECTORS, 1 + (ring + 1) * SECTORS
        faces.append(np.stack([a + k, b + k, b + following], axis=1))
        faces.append(np.stack([a + k, b + following, a + following], axis=1))
    return (
        (direction * radius[:, None]).astype(np.float32),
        np.concatenate(faces).astype(np.int32),
        uv.astype(np.float32),
    )


def socket_affine(shape: HeadShape, side: str) -> Float[ndarray, "4 3"]:
    """Affine map ``unit @ A[:3] + A[3]`` from the unit eyeball to this person's eye.

    Least-squares fit of the template's helper eye to the same vertices of `shape`.
    """
    centre, radius = template_ball(shape.model, side)
    group = shape.model.arrays[f"group:helper-{side[0]}-eye"]
    unit = (shape.model.arrays["template"][group] - centre) / radius
    design = np.concatenate([unit, np.ones((len(unit), 1))], axis=1)
    return np.linalg.lstsq(design, shape.vertices[group].astype(np.float64), rcond=None)[0]


@lru_cache(maxsize=4)
def template_ball(model: HeadModel, side: str) -> tuple[Float[ndarray, "3"], float]:
    """Centre and radius of the template's helper eye, metres."""
    return fit_ball(model.arrays["template"][model.arrays[f"group:helper-{side[0]}-eye"]])


def fit_ball(points: Float[ndarray, "N 3"]) -> tuple[Float[ndarray, "3"], float]:
    """Centre and radius of the algebraic least-squares sphere (|p|² = 2 p·c + r² - |c|²)."""
    points = np.asarray(points, np.float64)
    design = np.concatenate([2.0 * points, np.ones((len(points), 1))], axis=1)
    solution = np.linalg.lstsq(design, (points**2).sum(1), rcond=None)[0]
    centre = solution[:3]
    return centre, float(np.sqrt(solution[3] + centre @ centre))


def gaze_rotation(shape: HeadShape, action: str, side: str) -> Float[ndarray, "3 3"]:
    """Rotation that best fits the action's motion of the helper eye at weight 1 (Kabsch 1976)."""
    group = shape.model.arrays[f"group:helper-{side[0]}-eye"]
    rest = shape.vertices[group].astype(np.float64)
    moved = rest + shape.action_deltas(action)[group]
    a, b = rest - rest.mean(0), moved - moved.mean(0)
    u, _, vt = np.linalg.svd(a.T @ b)
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(vt.T @ u.T))])
    return vt.T @ flip @ u.T
