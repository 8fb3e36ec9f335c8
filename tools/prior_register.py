"""Register the engine's face to the mean of ICT-FaceKit: a scan's point for every face vertex."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from prior_fit import Fit, basis_of, fit
from scipy import sparse
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from portraiture.engine.actions import ACTIONS
from portraiture.engine.head import HeadModel
from portraiture.engine.landmarks import landmark_positions
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.prior import Prior
from portraiture.engine.shape import bind, shape_head, vertex_normals
from portraiture.types import Segment

FACE_END, NECK_END, HEAD_END = 6706, 9409, 11248
"""ICT vertices below the first are the narrow face, below the second ears and neck, below the
third cranium and shoulders."""

LANDMARKS = {
    30: 4, 33: 2, 31: 75, 35: 305, 8: 152,
    36: 33, 37: 160, 38: 158, 39: 133, 40: 153, 41: 144,
    42: 362, 43: 385, 44: 387, 45: 263, 46: 373, 47: 380,
    48: 61, 49: 39, 50: 37, 51: 0, 52: 267, 53: 269,
    54: 291, 55: 405, 56: 314, 57: 17, 58: 84, 59: 181,
    61: 82, 62: 13, 63: 312, 65: 317, 66: 14, 67: 87,
}  # fmt: skip
"""Multi-PIE number to mediapipe's, where both mean the same point of the skin."""

MULTI_PIE = {
    8: 966, 30: 4857, 31: 1140, 33: 1147, 35: 3360, 36: 1507, 37: 1542, 38: 1537, 39: 1528,
    40: 1518, 41: 1511, 42: 3742, 43: 3751, 44: 3756, 45: 3721, 46: 3725, 47: 3732, 48: 5708,
    49: 5695, 50: 2081, 51: 0, 52: 4275, 53: 6200, 54: 6213, 55: 6346, 56: 6461, 57: 5518,
    58: 5957, 59: 5841, 61: 5711, 62: 5533, 63: 6216, 65: 6470, 66: 5517, 67: 5966,
}  # fmt: skip
"""ICT vertices of these landmarks (ICT-FaceKit's README)."""

ABOVE_EARS_M = 0.065
"""Height on the scan above which what is not narrow face is forehead and temples."""
CRANIUM_WEIGHT = 0.15
"""Of a cranium vertex, where 1 is a face vertex: caps and hair made the scans less sure there."""


@dataclass(frozen=True)
class Scans:
    """ICT-FaceKit in metres. mean: (V, 3); modes: (100, V, 3), one standard deviation each."""

    mean: np.ndarray
    modes: np.ndarray
    faces: np.ndarray

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """(count, V, 3) vertices of random people."""
        weights = rng.standard_normal((count, len(self.modes)))
        return self.mean + np.tensordot(weights, self.modes, axes=1)


@dataclass(frozen=True)
class Correspondence:
    """rows: (P,) baked vertices of the engine; corners, barycentric: (P, 3) their points on a
    scan; weight: (P,) of each in the fit, summing to 1; face: (P,) whether scanned surely."""

    rows: np.ndarray
    corners: np.ndarray
    barycentric: np.ndarray
    weight: np.ndarray
    face: np.ndarray

    def targets(self, vertices: np.ndarray) -> np.ndarray:
        """(..., P, 3) points on scans with these (..., V, 3) vertices."""
        return np.einsum("pk,...pkc->...pc", self.barycentric, vertices[..., self.corners, :])


@dataclass(frozen=True)
class Landmarks:
    """rows, mix: (L, 3) baked vertices of the engine and their shares; goal: (L, 3) on the scan."""

    rows: np.ndarray
    mix: np.ndarray
    goal: np.ndarray


@dataclass(frozen=True)
class Closest:
    """point: (P, 3), on triangle (P,) at barycentric (P, 3); trusted: (P,) near, facing alike."""

    point: np.ndarray
    triangle: np.ndarray
    barycentric: np.ndarray
    trusted: np.ndarray


def load_scans(folder: Path) -> Scans:
    """Read ``ict.npz``: face, neck and cranium, centimetres to metres."""
    with np.load(folder / "ict.npz", allow_pickle=False) as file:
        faces = file["faces"]
        return Scans(
            mean=file["mean"][:HEAD_END].astype(np.float64) / 100.0,
            modes=file["identity"][:, :HEAD_END].astype(np.float64) / 100.0,
            faces=faces[faces.max(1) < HEAD_END],
        )


def register(model: HeadModel, scans: Scans, prior: Prior) -> Correspondence:
    """A parametric fit to landmarks, then with closest points, then a free-form one."""
    arrays = model.arrays
    outer = ~np.isin(arrays["skin_segment"], (Segment.LEFT_EYE, Segment.RIGHT_EYE, Segment.MOUTH))
    rows, faces = np.unique(arrays["skin_vertex"][arrays["skin_faces"][outer]], return_inverse=True)
    faces = faces.reshape(-1, 3)
    marks = _landmarks(model, scans)
    mark_basis = basis_of(model, marks.rows, marks.mix)
    share = np.full(len(marks.goal), 1.0 / len(marks.goal))
    found = fit(model, mark_basis, marks.goal[None], share, prior)
    for _ in range(6):
        posed = _on_scan(model, found, marks)[rows]
        near = closest(scans, posed, vertex_normals(posed, faces))
        used = near.trusted & (scans.faces[near.triangle].max(1) < FACE_END)
        template, shapes = basis_of(model, rows[used])
        basis = (
            np.concatenate([template, mark_basis[0]]),
            np.concatenate([shapes, mark_basis[1]], axis=1),
        )
        goal = np.concatenate([near.point[used], marks.goal])
        weight = np.concatenate([np.full(used.sum(), 0.5 / used.sum()), 0.5 * share])
        found = fit(model, basis, goal[None], weight, prior, steps=300)
    posed = _on_scan(model, found, marks)[rows]
    known = np.isin(marks.rows, rows).all(1)
    kept = Landmarks(np.searchsorted(rows, marks.rows[known]), marks.mix[known], marks.goal[known])
    return _correspondence(scans, rows, faces, _free_form(scans, posed, faces, kept))


def _landmarks(model: HeadModel, scans: Scans) -> Landmarks:
    shape = shape_head(AvatarParameters(), model)
    points = landmark_positions(shape.vertices, model)[list(LANDMARKS.values())]
    bound = bind(points, shape)
    rows = model.arrays["skin_vertex"][shape.faces[bound.face]]
    goal = scans.mean[[MULTI_PIE[number] for number in LANDMARKS]]
    return Landmarks(rows, bound.barycentric.astype(np.float64), goal)


def _on_scan(model: HeadModel, found: Fit, marks: Landmarks) -> np.ndarray:
    """All vertices (V, 3) of the first fitted head, moved rigidly so that its landmarks meet."""
    c = model.coefficients(
        torch.as_tensor(found.phenotypes[:1], dtype=torch.float32),
        torch.as_tensor(found.local[:1], dtype=torch.float32),
        torch.zeros(1, len(ACTIONS)),
    )
    vertices = model.vertices(c)[0].numpy().astype(np.float64)
    source = np.einsum("pk,pkc->pc", marks.mix, vertices[marks.rows])
    a, b = source.mean(0), marks.goal.mean(0)
    u, _, vt = np.linalg.svd((source - a).T @ (marks.goal - b))
    return (vertices - a) @ u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt + b


def closest(
    scans: Scans, points: np.ndarray, normals: np.ndarray, *, reach: float = 0.012
) -> Closest:
    """Closest points of the mean scan among the dozen triangles with the nearest centres; trusted
    within `reach` metres where the normals are within 50 degrees."""
    corners = scans.mean[scans.faces]
    scan_normals = vertex_normals(scans.mean, scans.faces)[scans.faces].mean(1)
    _, candidates = cKDTree(corners.mean(1)).query(points, k=12)
    barycentric = np.stack([_project(points, corners[column]) for column in candidates.T], 1)
    found = np.einsum("pjk,pjkc->pjc", barycentric, corners[candidates])
    distance = np.linalg.norm(found - points[:, None], axis=2)
    facing = np.einsum("pjc,pc->pj", scan_normals[candidates], normals) > np.cos(np.radians(50))
    pick = np.argmin(np.where(facing, distance, np.inf), axis=1)
    each = np.arange(len(points))
    trusted = facing[each, pick] & (distance[each, pick] < reach)
    return Closest(found[each, pick], candidates[each, pick], barycentric[each, pick], trusted)


def _project(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Barycentric coordinates of points (P, 3) projected into triangles (P, 3, 3), clamped."""
    edges = corners[:, 1:] - corners[:, :1]
    gram = np.einsum("pic,pjc->pij", edges, edges) + 1e-14 * np.eye(2)
    pull = np.einsum("pic,pc->pi", edges, points - corners[:, 0])
    uv = np.linalg.solve(gram, pull[..., None])[..., 0]
    full = np.clip(np.concatenate([1.0 - uv.sum(1, keepdims=True), uv], 1), 0.0, None)
    return full / full.sum(1, keepdims=True)


def _free_form(scans: Scans, posed: np.ndarray, faces: np.ndarray, marks: Landmarks) -> np.ndarray:
    """Vertices pulled onto the scan by closest points and landmarks, their displacement held
    smooth by the mesh's Laplacian, less and less."""
    count = len(posed)
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    link = sparse.coo_matrix((np.ones(len(ends)), ends.T), (count, count)).tocsr()
    link = ((link + link.T) > 0).astype(float)
    laplacian = sparse.diags(np.asarray(link.sum(1)).ravel()) - link
    each = np.repeat(np.arange(len(marks.goal)), 3)
    mark = sparse.csr_matrix(
        (marks.mix.ravel(), (each, marks.rows.ravel())), (len(marks.goal), count)
    )
    for stiffness in (30.0, 10.0, 10.0, 3.0, 3.0, 1.0, 1.0):
        near = closest(scans, posed, vertex_normals(posed, faces))
        trust = near.trusted.astype(float)
        system = stiffness * laplacian @ laplacian + sparse.diags(trust + 1e-6)
        system = system + 5.0 * mark.T @ mark
        pull = trust[:, None] * (near.point - posed)
        pull = pull + 5.0 * (mark.T @ (marks.goal - mark @ posed))
        posed = posed + splu(system.tocsc()).solve(pull)
    return posed


def _correspondence(
    scans: Scans, rows: np.ndarray, faces: np.ndarray, posed: np.ndarray
) -> Correspondence:
    near = closest(scans, posed, vertex_normals(posed, faces), reach=0.003)
    corners = scans.faces[near.triangle]
    face = (corners < FACE_END).all(1)
    height = near.point[:, 1]
    skull = np.where((corners >= NECK_END).all(1), height > 0.03, height > ABOVE_EARS_M) & ~face
    used = near.trusted & (face | skull)
    a, b, c = (posed[faces[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    share = np.bincount(faces.ravel(), np.repeat(area, 3), minlength=len(posed))
    weight = np.sqrt(share / share[used].mean()) * np.where(face, 1.0, CRANIUM_WEIGHT)
    weight = weight[used] / weight[used].sum()
    return Correspondence(rows[used], corners[used], near.barycentric[used], weight, face[used])
