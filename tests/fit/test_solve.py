"""The landmark solver: Jacobians against finite differences, and known people found again."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from portraiture.camera import project
from portraiture.engine.actions import ACTIONS
from portraiture.engine.head import HeadModel, load_head
from portraiture.engine.landmarks import LANDMARK_COUNT, landmark_positions
from portraiture.engine.prior import load_prior
from portraiture.engine.shapes import SHAPES
from portraiture.fit.model import PIVOT, View, landmark_model, project_view
from portraiture.fit.place import identity_parameters
from portraiture.fit.solve import (
    PHENOTYPE_MEAN,
    first_view,
    named_actions,
    reprojection_error,
    solve_landmarks,
)

SIZE = (600, 480)
MIDDLE = np.array([240.0, 300.0])


@pytest.fixture(scope="module")
def head() -> HeadModel:
    return load_head()


def a_view(yaw: float = 0.3, pitch: float = -0.1, roll: float = 0.05) -> View:
    flip = np.diag([1.0, -1.0, -1.0])
    turn = Rotation.from_euler("yxz", [yaw, pitch, roll]).as_matrix()
    return View(flip @ turn, np.array([260.0, 250.0]), float(np.log(1500.0)), 0.8)


def a_person(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    phenotypes = PHENOTYPE_MEAN.copy()
    phenotypes[:2] = rng.uniform(0.3, 0.7, 2)
    identity = np.concatenate([phenotypes, load_prior().sample(rng, 0.7)])
    actions = np.zeros(len(ACTIONS))
    for name, weight in (("mouthSmileLeft", 0.5), ("mouthSmileRight", 0.5), ("jawOpen", 0.15)):
        actions[ACTIONS.index(name)] = weight
    return identity, actions


def test_projection_jacobians_match_finite_differences() -> None:
    rng = np.random.default_rng(1)
    points = PIVOT + 0.08 * rng.standard_normal((6, 3))
    view = a_view()
    _, by_point, by_step = project_view(points, view, MIDDLE)
    h = 1e-6
    for axis in range(3):
        shift = np.zeros(3)
        shift[axis] = h
        ahead, behind = (project_view(points + s * shift, view, MIDDLE)[0] for s in (1, -1))
        np.testing.assert_allclose(by_point[:, :, axis], (ahead - behind) / (2 * h), rtol=1e-5)
    for k in range(7):
        step = np.zeros(7)
        step[k] = h
        ahead, behind = (project_view(points, view.moved(s * step), MIDDLE)[0] for s in (1, -1))
        np.testing.assert_allclose(
            by_step[:, :, k], (ahead - behind) / (2 * h), rtol=1e-4, atol=1e-4
        )


def test_shape_jacobian_matches_finite_differences(head: HeadModel) -> None:
    model = landmark_model(head)
    identity, actions = a_person(2)
    identity = identity + 0.0013
    _, slope = model.points(identity, actions)
    rng = np.random.default_rng(3)
    h = 1e-5
    for n in [0, 1, 3, 4, 6, *rng.integers(7, 7 + len(SHAPES), 6)]:
        step = np.zeros(len(identity))
        step[n] = h
        ahead, _ = model.points(identity + step, actions)
        behind, _ = model.points(identity - step, actions)
        np.testing.assert_allclose(slope[n], (ahead - behind) / (2 * h), atol=2e-6)
    for a in (0, 24, 42):
        step = np.zeros(len(actions))
        step[a] = h
        ahead, _ = model.points(identity, actions + step)
        behind, _ = model.points(identity, actions - step)
        np.testing.assert_allclose(slope[len(identity) + a], (ahead - behind) / (2 * h), atol=1e-6)


def test_landmark_model_agrees_with_the_engine(head: HeadModel) -> None:
    import torch

    identity, actions = a_person(4)
    points, _ = landmark_model(head).points(identity, actions)
    c = head.coefficients(
        *(
            torch.as_tensor(v[None], dtype=torch.float32)
            for v in (identity[:7], identity[7:], actions)
        )
    )
    vertices = head.vertices(c)[0].numpy()
    expected = landmark_positions(vertices, head)
    np.testing.assert_allclose(points[:LANDMARK_COUNT], expected, atol=2e-6)


def test_view_camera_projects_alike() -> None:
    rng = np.random.default_rng(5)
    points = PIVOT + 0.1 * rng.standard_normal((20, 3))
    view = a_view()
    pixels, _, _ = project_view(points, view, MIDDLE)
    np.testing.assert_allclose(project(points, view.camera(SIZE), SIZE)[:, :2], pixels, atol=1e-6)


def test_first_view_finds_a_far_camera_exactly(head: HeadModel) -> None:
    identity, actions = a_person(6)
    points = landmark_model(head).points(identity, actions)[0][:LANDMARK_COUNT]
    view = View(a_view().rotation, np.array([200.0, 280.0]), float(np.log(1200.0)), 1e-9)
    pixels, _, _ = project_view(points, view, MIDDLE)
    found = first_view(points, pixels, MIDDLE)
    np.testing.assert_allclose(found.rotation, view.rotation, atol=1e-6)
    np.testing.assert_allclose(found.centre, view.centre, atol=1e-4)
    assert abs(found.log_scale - view.log_scale) < 1e-6


@pytest.mark.parametrize(
    ("seed", "yaw", "pitch"), [(7, 0.0, 0.0), (8, 0.4, 0.1), (9, -0.35, -0.15)]
)
def test_known_person_is_found_again(head: HeadModel, seed: int, yaw: float, pitch: float) -> None:
    """Noise of 1 % of the inter-ocular distance: the fit must not be worse than the noise, and the
    pose within 3 degrees."""
    identity, actions = a_person(seed)
    points = landmark_model(head).points(identity, actions)[0][:LANDMARK_COUNT]
    view = a_view(yaw, pitch, 0.08)
    clean, _, _ = project_view(points, view, MIDDLE)
    iod = np.linalg.norm(clean[33] - clean[263])
    rng = np.random.default_rng(seed)
    noisy = clean + 0.007 * iod * rng.standard_normal(clean.shape)
    solution = solve_landmarks(noisy, SIZE, head)
    assert solution.residual < 0.014
    assert reprojection_error(solution.pixels, clean) < 0.012
    turn = Rotation.from_matrix(solution.view.rotation @ view.rotation.T).magnitude()
    assert np.degrees(turn) < 3.0
    smile = named_actions(solution.actions)["mouthSmileLeft"]
    assert 0.2 < smile < 0.8


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_frontal_face_keeps_its_width_and_height(head: HeadModel, seed: int) -> None:
    """Contour landmarks that slid to the silhouette made faces 2 % narrow and 4 % short."""
    identity, actions = a_person(seed)
    points = landmark_model(head).points(identity, actions)[0][:LANDMARK_COUNT]
    clean, _, _ = project_view(points, a_view(0.0, 0.0, 0.0), MIDDLE)
    found = solve_landmarks(clean, SIZE, head).pixels
    for a, b in ((234, 454), (172, 397), (127, 356), (2, 152)):
        truth, size = (np.linalg.norm(x[a] - x[b]) for x in (clean, found))
        assert abs(size / truth - 1.0) < 0.015


def test_bounds_hold_on_absurd_input(head: HeadModel) -> None:
    """A face stretched by a third: no parameter may leave its range."""
    identity, actions = a_person(10)
    points = landmark_model(head).points(identity, actions)[0][:LANDMARK_COUNT]
    pixels, _, _ = project_view(points, a_view(0.1, 0.0, 0.0), MIDDLE)
    pixels = (pixels - pixels.mean(0)) * [1.0, 1.35] + pixels.mean(0)
    solution = solve_landmarks(pixels, SIZE, head)
    prior = load_prior()
    assert (solution.identity[7:] >= prior.lower - 1e-9).all()
    assert (solution.identity[7:] <= prior.upper + 1e-9).all()
    assert (solution.actions >= 0).all() and (solution.actions <= 1).all()
    identity_parameters(solution)
