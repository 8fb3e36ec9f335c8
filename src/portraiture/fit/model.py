"""Reduced head model for landmark fitting: 802 points instead of 8,933 vertices, exact Jacobians.

unknowns x = phenotypes (7) | local changes (105) | actions (52) | camera (7)
      └─coefficients─▶ c (S,) ─▶ points p(c) (M, 3) ─camera─▶ pixels (M, 2), d pixels / d x

Dimension letters: M points (478 landmarks, then 36 strips of 9), S shapes, D unknowns (171),
C contour landmarks (36).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.spatial.transform import Rotation

from portraiture.engine.actions import ACTIONS
from portraiture.engine.head import PHENOTYPES, HeadModel
from portraiture.engine.landmarks import CONTOUR, LANDMARK_COUNT, load_landmarks
from portraiture.engine.shapes import SHAPES
from portraiture.types import Camera

PIVOT = np.array([0.0, 0.9, 0.08])
"""A point inside every head, metres; the centre of the camera's rotation."""

PHENOTYPE = slice(0, len(PHENOTYPES))
LOCAL = slice(PHENOTYPE.stop, PHENOTYPE.stop + len(SHAPES))
ACTION = slice(LOCAL.stop, LOCAL.stop + len(ACTIONS))
VIEW = slice(ACTION.stop, ACTION.stop + 7)
UNKNOWNS = VIEW.stop
STRIP_STEP = 1e-3


@dataclass(frozen=True)
class View:
    """The solver's parametrisation of a camera.

    rotation: (3, 3) world to camera. centre: (2,) projection of `PIVOT`, pixels. log_scale: log of
    pixels per metre at the pivot. nearness: inverse depth of the pivot, 1/m; 0 is orthographic.
    """

    rotation: Float[ndarray, "3 3"]
    centre: Float[ndarray, "2"]
    log_scale: float
    nearness: float

    def moved(self, step: Float[ndarray, "7"]) -> View:
        """Apply a step: rotation vector step[:3], then offsets of centre, log_scale and
        nearness."""
        turn = Rotation.from_rotvec(step[:3]).as_matrix()
        return View(
            turn @ self.rotation,
            self.centre + step[3:5],
            self.log_scale + step[5],
            self.nearness + step[6],
        )

    def camera(self, size: tuple[int, int]) -> Camera:
        """Convert to the camera of a photo of size (height, width), principal point at its
        centre."""
        height, width = size
        focal = np.exp(self.log_scale) / self.nearness
        depth = 1.0 / self.nearness
        offset = (self.centre - [0.5 * width, 0.5 * height]) * depth / focal
        translation = np.array([*offset, depth]) - self.rotation @ PIVOT
        T = np.eye(4)
        T[:3, :3], T[:3, 3] = self.rotation.T, -self.rotation.T @ translation
        K = np.array([[focal / width, 0, 0.5], [0, focal / height, 0.5], [0, 0, 1.0]])
        return Camera(T, K)


def project_view(
    points: Float[ndarray, "M 3"], view: View, middle: Float[ndarray, "2"]
) -> tuple[Float[ndarray, "M 2"], Float[ndarray, "M 2 3"], Float[ndarray, "M 2 7"]]:
    """Project world points to pixels; also returns the derivatives with respect to the points and
    to the step of `View.moved`.

    middle: the principal point in pixels.
    """
    q = (points - PIVOT) @ view.rotation.T
    scale, k = np.exp(view.log_scale), view.nearness
    shrink = 1.0 / (1.0 + k * q[:, 2])
    numerator = (view.centre - middle) + scale * q[:, :2]
    pixels = middle + numerator * shrink[:, None]
    by_q = np.zeros((len(points), 2, 3))
    by_q[:, 0, 0] = by_q[:, 1, 1] = scale * shrink
    by_q[:, :, 2] = -k * numerator * shrink[:, None] ** 2
    by_step = np.zeros((len(points), 2, 7))
    by_step[:, :, :3] = np.cross(q[:, None, :], by_q)
    by_step[:, 0, 3] = by_step[:, 1, 4] = shrink
    by_step[:, :, 5] = scale * q[:, :2] * shrink[:, None]
    by_step[:, :, 6] = -numerator * (q[:, 2] * shrink**2)[:, None]
    return pixels, by_q @ view.rotation, by_step


@dataclass(frozen=True)
class LandmarkModel:
    """Linear model of the landmark points. template: (M, 3); basis: (S, M, 3). usual: for each
    contour landmark, the candidate of its strip that is nearest to it on the template."""

    head: HeadModel
    template: Float[ndarray, "M 3"]
    basis: Float[ndarray, "S M 3"]
    usual: Int[ndarray, "C"]

    def points(
        self, identity: Float[ndarray, "112"], actions: Float[ndarray, "52"]
    ) -> tuple[Float[ndarray, "M 3"], Float[ndarray, "164 M 3"]]:
        """World points and their derivatives with respect to phenotypes, local changes and actions.

        identity: 7 phenotypes in [0, 1], then local changes in [-1, 1].
        """
        macro, slope = self._macro(identity[PHENOTYPE])
        local = identity[LOCAL]
        first = len(macro)
        act = self.basis[first : first + len(ACTIONS)]
        pairs = self.basis[first + len(ACTIONS) :]
        signed = np.where((local >= 0)[:, None, None], pairs[0::2], -pairs[1::2])
        points = (
            self.template
            + np.tensordot(macro, self.basis[:first], 1)
            + np.tensordot(local, signed, 1)
            + np.tensordot(actions, act, 1)
        )
        by_macro = np.tensordot(slope.T, self.basis[:first], 1)
        return points, np.concatenate([by_macro, signed, act])

    def _macro(self, phenotypes: ndarray) -> tuple[ndarray, ndarray]:
        """Weights of the macro shapes and their (macro, 7) Jacobian.

        Computed by one batch of central differences: between knots the weights are linear in each
        phenotype (except for the normalisation of ancestries), so they are exact up to rounding.
        """
        h, count = 1e-5, len(PHENOTYPES)
        shifted = phenotypes + h * np.concatenate(
            [np.zeros((1, count)), np.eye(count), -np.eye(count)]
        )
        rest = (
            torch.zeros(len(shifted), n, dtype=torch.float64) for n in (len(SHAPES), len(ACTIONS))
        )
        rows = self.head.coefficients(torch.as_tensor(shifted, dtype=torch.float64), *rest)
        weights = rows[:, : self.head.action_slice.start].numpy()
        return weights[0], ((weights[1 : count + 1] - weights[count + 1 :]) / (2.0 * h)).T


@lru_cache(maxsize=2)
def landmark_model(head: HeadModel) -> LandmarkModel:
    """Build the reduced model from the landmark vertices of `head`."""
    table = load_landmarks(head)
    rows = np.concatenate([table.rows, table.strip_rows.reshape(-1, 3)])
    weights = np.concatenate([table.weights, table.strip_weights.reshape(-1, 3)])

    def gather(vertices: ndarray) -> ndarray:
        return np.einsum("mk,...mkc->...mc", weights, vertices[..., rows, :])

    shapes = head.arrays["shapes"]
    basis = np.stack([gather(shape) for shape in shapes]).astype(np.float64)
    template = gather(head.arrays["template"]).astype(np.float64)
    strips = template[LANDMARK_COUNT:].reshape(len(CONTOUR), -1, 3)
    gap = np.linalg.norm(strips - template[[*CONTOUR]][:, None], axis=-1)
    return LandmarkModel(head, template, basis, gap.argmin(1))
