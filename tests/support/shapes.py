"""Spheres and cards with materials, and lights, whose images have closed forms."""

from __future__ import annotations

import numpy as np

from portraiture.camera import look_at, pinhole
from portraiture.types import Bust, Camera, Light, Material, Part, Segment, Skeleton

WHITE = np.zeros((9, 3))
WHITE[0] = np.sqrt(4.0 * np.pi)
UNIFORM = Light(WHITE, np.array([0.0, 0.0, 1.0]), np.zeros(3))
KEY = Light(np.zeros((9, 3)), np.array([0.0, 0.0, 1.0]), np.ones(3))
CAMERA = Camera(look_at(np.array([0.0, 0.0, 1.5]), np.zeros(3)), pinhole(3.0))
SKELETON = Skeleton(("head",), (-1,), np.zeros((1, 3), np.float32))


def material(colour=(128, 128, 128), *, kind="plain", alpha=255, size=8, **rest) -> Material:
    texels = np.zeros((size, size, 4), np.uint8)
    texels[:] = (*colour, alpha)
    return Material(kind, texels, **{"roughness_factor": 0.9, **rest})


def part(vertices, faces, normals, uv, look: Material, segment=Segment.SKIN, name="skin") -> Part:
    count = len(vertices)
    weights = np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1))
    return Part(
        name,
        np.asarray(vertices, np.float32),
        np.asarray(faces, np.int32),
        np.asarray(normals, np.float32),
        np.asarray(uv, np.float32),
        look,
        np.full(len(faces), segment, np.uint8),
        np.zeros((count, 4), np.int32),
        weights,
    )


def sphere(look: Material, radius: float = 0.15, steps: int = 48) -> Part:
    polar, turn = np.meshgrid(
        np.linspace(0, np.pi, steps + 1), np.linspace(0, 2 * np.pi, 2 * steps + 1), indexing="ij"
    )
    n = np.stack([np.sin(polar) * np.sin(turn), np.cos(polar), np.sin(polar) * np.cos(turn)], -1)
    uv = np.stack([turn / (2 * np.pi), 1 - polar / np.pi], -1).reshape(-1, 2)
    i = np.arange((steps + 1) * (2 * steps + 1)).reshape(steps + 1, -1)
    a, b, c, d = i[:-1, :-1].ravel(), i[:-1, 1:].ravel(), i[1:, :-1].ravel(), i[1:, 1:].ravel()
    faces = np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])
    return part(radius * n.reshape(-1, 3), faces, n.reshape(-1, 3), uv, look)


def card(look: Material, z: float, half: float = 0.2, segment=Segment.SKIN, name="card") -> Part:
    xy = np.array([[-half, -half], [half, -half], [half, half], [-half, half]])
    vertices = np.column_stack([xy, np.full(4, z)])
    normals = np.tile([0.0, 0.0, 1.0], (4, 1))
    return part(
        vertices, [[0, 1, 2], [0, 2, 3]], normals, xy / (2 * half) + 0.5, look, segment, name
    )


def bust(*parts: Part, **expression: float) -> Bust:
    return Bust(parts, SKELETON, expression, np.zeros((478, 3), np.float32))


def linear(srgb: np.ndarray) -> np.ndarray:
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
