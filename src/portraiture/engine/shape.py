"""`HeadShape`: one person's head as arrays, and the binding of other geometry to its skin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from numpy import ndarray
from scipy.spatial import KDTree

from portraiture.engine.actions import ACTIONS
from portraiture.engine.head import HeadModel, load_head
from portraiture.engine.parameters import AvatarParameters
from portraiture.types import Morph

Warp = Callable[[np.ndarray], np.ndarray]
"""A smooth deformation of space, (N, 3) metres to (N, 3) metres."""

MORPH_EPSILON_M = 2e-5
"""Displacements shorter than this are omitted from morph targets."""


@dataclass(frozen=True)
class HeadShape:
    """One person's head in the neutral pose. Skin vertices are split at UV seams.

    vertices: (V, 3) all baked vertices, metres. joints: (J, 3). skin: (S, 3), `vertices` at
    ``model.arrays["skin_vertex"]``. normals: (S, 3) unit, smooth across seams.
    unwarped, warp: a style deforms space by `warp`: ``vertices = warp(unwarped)``. Expressions are
    warped too, so that lids still close over enlarged eyes.
    """

    model: HeadModel
    vertices: Float32[ndarray, "V 3"]
    joints: Float32[ndarray, "J 3"]
    skin: Float32[ndarray, "S 3"]
    normals: Float32[ndarray, "S 3"]
    unwarped: Float32[ndarray, "V 3"]
    warp: Warp | None = None

    @property
    def faces(self) -> Int[ndarray, "F 3"]:
        """Skin triangles, indices into `skin`."""
        return self.model.arrays["skin_faces"]

    @property
    def uv(self) -> Float32[ndarray, "S 2"]:
        """Skin UV."""
        return self.model.arrays["skin_uv"]

    def group(self, name: str) -> Float32[ndarray, "K 3"]:
        """Vertices of a helper group such as ``"helper-l-eye"``."""
        return self.vertices[self.model.arrays[f"group:{name}"]]

    def action_deltas(self, name: str, *, gain: float = 1.0) -> Float32[ndarray, "V 3"]:
        """Displacement of all baked vertices by one action at weight 1, metres. gain: factor on it
        before a style's warp."""
        row = self.model.action_slice.start + ACTIONS.index(name)
        deltas = self.model.arrays["shapes"][row]
        if gain != 1.0:
            deltas = deltas * np.float32(gain)
        if self.warp is None:
            return deltas
        if (name, gain) in self._warped:
            return self._warped[name, gain]
        moving = np.flatnonzero(np.abs(deltas).max(1) > 0)
        bent = np.zeros_like(deltas)
        bent[moving] = self.warp(self.unwarped[moving] + deltas[moving]) - self.vertices[moving]
        bent.flags.writeable = False
        self._warped[name, gain] = bent
        return bent

    @cached_property
    def _warped(self) -> dict[tuple[str, float], Float32[ndarray, "V 3"]]:
        """Displacements by action and gain after the warp: every part asks for them."""
        return {}

    def expressed(self, expression: Mapping[str, float]) -> Float32[ndarray, "V 3"]:
        """All baked vertices with ARKit weights in [0, 1] applied."""
        vertices = self.vertices.copy()
        for name, weight in expression.items():
            vertices += np.float32(weight) * self.action_deltas(name)
        return vertices

    def warped(self, warp: Warp, offset: Float32[ndarray, "V 3"] | float = 0.0) -> HeadShape:
        """This head after adding `offset` to its vertices and applying `warp`."""
        unwarped = (self.unwarped + offset).astype(np.float32)
        vertices = warp(unwarped).astype(np.float32)
        joints = warp(self.joints).astype(np.float32)
        return replace(_shape(self.model, vertices, joints), unwarped=unwarped, warp=warp)

    def bent(self, warp: Warp, offset: Float32[ndarray, "V 3"] | float = 0.0) -> HeadShape:
        """This head with `warp` after its own warp. offset: added to its vertices before both."""
        inner = self.warp
        both = warp if inner is None else lambda points: warp(inner(points))
        unwarped = (self.unwarped + offset).astype(np.float32)
        vertices = both(unwarped).astype(np.float32)
        joints = warp(self.joints).astype(np.float32)
        return replace(_shape(self.model, vertices, joints), unwarped=unwarped, warp=both)


def shape_head(parameters: AvatarParameters, model: HeadModel | None = None) -> HeadShape:
    """Evaluate the head of `parameters` in the neutral expression."""
    model = model or load_head()
    coefficients = model.coefficients(
        torch.as_tensor(parameters.phenotypes(), dtype=torch.float32)[None],
        torch.as_tensor(parameters.local_changes(), dtype=torch.float32)[None],
        torch.zeros(1, len(ACTIONS)),
    )
    vertices = model.vertices(coefficients)[0].numpy()
    joints = model.joints(coefficients)[0].numpy()
    return _shape(model, vertices, joints)


def _shape(model: HeadModel, vertices: ndarray, joints: ndarray) -> HeadShape:
    rows = model.arrays["skin_vertex"]
    faces = rows[model.arrays["skin_faces"]]
    normals = vertex_normals(vertices, faces)
    return HeadShape(model, vertices, joints, vertices[rows], normals[rows], vertices)


def vertex_normals(
    vertices: Float[ndarray, "V 3"], faces: Int[ndarray, "F 3"]
) -> Float32[ndarray, "V 3"]:
    """Area-weighted unit normals; vertices without a face get +z."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    face_normal = np.cross(b - a, c - a)
    total = np.zeros_like(vertices, dtype=np.float64)
    for k in range(3):
        for axis in range(3):
            total[:, axis] += np.bincount(
                faces[:, k], face_normal[:, axis], minlength=len(vertices)
            )
    length = np.linalg.norm(total, axis=1, keepdims=True)
    unit = np.where(length > 1e-20, total / np.maximum(length, 1e-20), [0.0, 0.0, 1.0])
    return unit.astype(np.float32)


@dataclass(frozen=True)
class Binding:
    """Points bound to skin triangles, so that they follow expressions and bones.

    face: (P,) triangle, barycentric: (P, 3), anchor: (P, 3) the skin point.
    """

    shape: HeadShape
    face: Int[ndarray, "P"]
    barycentric: Float32[ndarray, "P 3"]
    anchor: Float32[ndarray, "P 3"]

    def morphs(self, *, follow: Float[ndarray, "P"] | None = None) -> Mapping[str, Morph]:
        """Displacement of the bound points by every action, scaled per point by `follow` in
        [0, 1]."""
        rows = self.shape.model.arrays["skin_vertex"][self.shape.faces[self.face]]
        morphs: dict[str, Morph] = {}
        for name in ACTIONS:
            moved = np.einsum("pk,pkc->pc", self.barycentric, self.shape.action_deltas(name)[rows])
            if follow is not None:
                moved = moved * follow[:, None]
            morph = sparse_morph(moved)
            if morph is not None:
                morphs[name] = morph
        return morphs

    def skinning(self) -> tuple[Int[ndarray, "P 4"], Float32[ndarray, "P 4"]]:
        """Joints and weights of each point: those of the nearest corner of its triangle."""
        corner = np.argmax(self.barycentric, axis=1)
        skin = self.shape.faces[self.face, corner]
        rows = self.shape.model.arrays["skin_vertex"][skin]
        arrays = self.shape.model.arrays
        return arrays["vertex_joints"][rows], arrays["vertex_weights"][rows]


def bind(points: Float[ndarray, "P 3"], shape: HeadShape) -> Binding:
    """Bind each point to its closest point on the skin triangle with the nearest centroid."""
    centres = shape.skin[shape.faces].mean(1)
    face = np.asarray(KDTree(centres).query(points)[1])
    corners = shape.skin[shape.faces[face]]
    barycentric = _closest_barycentric(np.asarray(points), corners)
    anchor = np.einsum("pk,pkc->pc", barycentric, corners)
    return Binding(
        shape, face.astype(np.int32), barycentric.astype(np.float32), anchor.astype(np.float32)
    )


def _closest_barycentric(points: ndarray, corners: ndarray) -> ndarray:
    """Projection onto the triangle's plane, clamped to the triangle (approximate on edges)."""
    a, e1, e2 = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    p = points - a
    d11, d12, d22 = (e1 * e1).sum(1), (e1 * e2).sum(1), (e2 * e2).sum(1)
    q1, q2 = (p * e1).sum(1), (p * e2).sum(1)
    det = np.maximum(d11 * d22 - d12 * d12, 1e-20)
    u, v = (d22 * q1 - d12 * q2) / det, (d11 * q2 - d12 * q1) / det
    weights = np.clip(np.stack([1 - u - v, u, v], 1), 0.0, 1.0)
    return weights / weights.sum(1, keepdims=True)


def sparse_morph(displacement: Float[ndarray, "P 3"]) -> Morph | None:
    """Keep only the points that move; None if none do."""
    moving = np.flatnonzero(np.linalg.norm(displacement, axis=1) > MORPH_EPSILON_M)
    if len(moving) == 0:
        return None
    return Morph(moving.astype(np.int32), displacement[moving].astype(np.float32))


def follow_head(points: int, shape: HeadShape) -> tuple[ndarray, ndarray]:
    """Joints and weights for geometry that moves rigidly with the head (hats, glasses, hair)."""
    joints = np.zeros((points, 4), np.uint8)
    joints[:, 0] = shape.model.joint_names.index("head")
    weights = np.zeros((points, 4), np.float32)
    weights[:, 0] = 1.0
    return joints, weights
