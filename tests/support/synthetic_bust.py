"""A small bust with everything an exporter must handle, made without the engine."""

from __future__ import annotations

import numpy as np

from portraiture.export.arkit import ARKIT_NAMES
from portraiture.types import Bust, Material, Morph, Part, Segment, Skeleton

JOINTS = (
    ("hips", -1, (0.0, 0.15, 0.0)), ("spine", 0, (0.0, 0.25, 0.0)),
    ("chest", 1, (0.0, 0.41, 0.0)), ("upperChest", 2, (0.0, 0.56, 0.0)),
    ("neck", 3, (0.0, 0.75, 0.0)), ("head", 4, (0.0, 0.86, 0.02)),
    ("leftEye", 5, (0.03, 0.9, 0.12)), ("rightEye", 5, (-0.03, 0.9, 0.12)),
    ("leftShoulder", 3, (0.02, 0.67, 0.02)), ("leftUpperArm", 8, (0.18, 0.65, 0.02)),
    ("leftLowerArm", 9, (0.37, 0.43, 0.03)), ("leftHand", 10, (0.5, 0.3, 0.2)),
    ("rightShoulder", 3, (-0.02, 0.67, 0.02)), ("rightUpperArm", 12, (-0.18, 0.65, 0.02)),
    ("rightLowerArm", 13, (-0.37, 0.43, 0.03)), ("rightHand", 14, (-0.5, 0.3, 0.2)),
    ("leftUpperLeg", 0, (0.11, 0.15, 0.0)), ("leftLowerLeg", 16, (0.15, -0.28, 0.03)),
    ("leftFoot", 17, (0.19, -0.73, 0.0)), ("rightUpperLeg", 0, (-0.11, 0.15, 0.0)),
    ("rightLowerLeg", 19, (-0.15, -0.28, 0.03)), ("rightFoot", 20, (-0.19, -0.73, 0.0)),
)  # fmt: skip
HEAD, SHOULDER, UPPER_ARM = 5, 8, 9


def ball(
    centre: tuple[float, float, float], radius: float, *, rows: int = 12, columns: int = 16
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Vertices, faces, normals, uv of a sphere whose seam column is split; poles are pinched."""
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    turn = np.where(u == 1.0, 0.0, u) * 2 * np.pi
    polar = np.pi * v
    normals = np.stack(
        [np.sin(polar) * np.sin(turn), -np.cos(polar), np.sin(polar) * np.cos(turn)], axis=2
    ).reshape(-1, 3)
    corner = np.arange(rows * columns).reshape(rows, columns)
    a, b = corner[:-1, :-1].ravel(), corner[:-1, 1:].ravel()
    c, d = corner[1:, 1:].ravel(), corner[1:, :-1].ravel()
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])
    uv = np.stack([u, v], axis=2).reshape(-1, 2)
    return (
        (np.array(centre) + radius * normals).astype(np.float32),
        faces.astype(np.int32),
        normals.astype(np.float32),
        uv.astype(np.float32),
    )


def texture(size: int, rng: np.random.Generator, *, alpha: bool = False) -> np.ndarray:
    """(size, size, 4) uint8: a gradient with a little noise, and stripes of transparency."""
    y, x = np.mgrid[0:size, 0:size] / size
    rgb = np.stack([0.5 + 0.4 * x, 0.4 + 0.3 * y, 0.3 + 0.2 * x * y], axis=2)
    rgb = np.clip(rgb + rng.normal(0, 0.004, rgb.shape), 0, 1)
    a = (np.sin(x * 40) > 0).astype(float) if alpha else np.ones((size, size))
    return (np.concatenate([rgb, a[..., None]], axis=2) * 255).astype(np.uint8)


def part(
    name: str,
    shape: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    material: Material,
    *,
    joints: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    morphs: dict[str, Morph] | None = None,
) -> Part:
    """A part; without joints it hangs on the head."""
    vertices, faces, normals, uv = shape
    if joints is None or weights is None:
        joints = np.zeros((len(vertices), 4), np.uint8)
        joints[:, 0] = HEAD
        weights = np.zeros((len(vertices), 4), np.float32)
        weights[:, 0] = 1.0
    segment = np.full(len(faces), Segment.SKIN, np.uint8)
    return Part(
        name, vertices, faces, normals, uv, material, segment, joints, weights, morphs or {}
    )


def synthetic_bust(seed: int = 0) -> Bust:
    """Skin with 50 of 52 morphs and blended arms, eye, tongue-like morphing part, hair, glass."""
    rng = np.random.default_rng(seed)
    names, parents, heads = zip(*JOINTS, strict=True)
    skeleton = Skeleton(names, parents, np.array(heads, np.float32))
    skin_shape = ball((0.0, 0.7, 0.0), 0.25, rows=24, columns=32)
    vertices = skin_shape[0]
    morphs = {}
    for index, name in enumerate(ARKIT_NAMES[:-2]):
        chosen = np.flatnonzero(vertices[:, 1] > 0.65 + 0.003 * index)
        shuffled = rng.permutation(chosen)
        morphs[name] = Morph(
            shuffled.astype(np.int32),
            rng.normal(0, 0.003, (len(shuffled), 3)).astype(np.float32),
        )
    joints, weights = _skin_weights(vertices)
    size = 128
    skin = Material(
        "skin", texture(size, rng),
        normal=np.full((size, size, 3), (128, 128, 255), np.uint8),
        roughness=np.tile(np.linspace(80, 200, size), (size, 1)).astype(np.uint8),
    )  # fmt: skip
    hair = Material(
        "hair", texture(size, rng, alpha=True), alpha_mode="mask", alpha_cutoff=0.4,
        double_sided=True, roughness_factor=0.6,
    )  # fmt: skip
    frame = Material(
        "plain", np.full((4, 4, 4), 200, np.uint8), metallic=0.9,
        roughness=np.full((64, 64), 90, np.uint8), roughness_factor=0.5,
    )  # fmt: skip
    lens = Material("glass", np.full((4, 4, 4), 60, np.uint8), alpha_mode="blend")
    eye_shape = ball((0.03, 0.9, 0.12), 0.012)
    everything = np.arange(len(eye_shape[0]))
    look = Morph(everything, np.tile(np.float32([0.001, 0.0, 0.0]), (len(everything), 1)))
    return Bust(
        parts=(
            part("skin", skin_shape, skin, joints=joints, weights=weights, morphs=morphs),
            part("eye_left", eye_shape, Material("eye", texture(64, rng)),
                 morphs={"eyeLookInLeft": look}),
            part("hair", ball((0.0, 0.92, 0.0), 0.11), hair),
            part("glasses_frame", ball((0.0, 0.9, 0.2), 0.02), frame),
            part("glasses_lenses", ball((0.0, 0.9, 0.22), 0.02), lens),
        ),
        skeleton=skeleton,
        expression={"mouthSmileLeft": 0.5, "jawOpen": 0.25},
        landmarks=rng.normal(0, 0.1, (478, 3)).astype(np.float32),
    )  # fmt: skip


def _skin_weights(vertices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Head above, shoulder and upper arm blended to the left, two slots naming one joint."""
    joints = np.zeros((len(vertices), 4), np.uint8)
    joints[:] = (HEAD, SHOULDER, UPPER_ARM, UPPER_ARM)
    arm = np.clip(vertices[:, 0] / 0.25, 0, 1)
    weights = np.stack([1 - arm, 0.5 * arm, 0.3 * arm, 0.2 * arm], axis=1)
    return joints, weights.astype(np.float32)
