"""Fit camera, identity and expression to landmarks by regularised nonlinear least squares.

landmarks ─▶ scaled orthographic pose ─▶ Levenberg-Marquardt over all 171 unknowns ─▶ Solution
              residuals: reprojection (robust) | natural prior | expression prior | camera prior

Every unknown is bounded; unknowns at an active bound are excluded from the step (projected
Gauss-Newton, Bertsekas 1982). Contour landmarks slide once the head turns them away: at every step
each is matched to its own point of the skin or, where a candidate before it is outermost in the
image, to that; its residual counts mainly across the contour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from portraiture.engine.actions import ACTIONS
from portraiture.engine.head import HeadModel
from portraiture.engine.landmarks import (
    CONTOUR,
    INNER_LIPS,
    IRISES,
    LANDMARK_COUNT,
    LEFT_BROW,
    LEFT_EYE,
    OUTER_LIPS,
    RIGHT_BROW,
    RIGHT_EYE,
    load_landmarks,
    outermost,
)
from portraiture.engine.prior import SEX_OFFSET, load_prior
from portraiture.engine.shapes import SHAPES
from portraiture.fit.model import (
    ACTION,
    LOCAL,
    PHENOTYPE,
    PIVOT,
    UNKNOWNS,
    VIEW,
    LandmarkModel,
    View,
    landmark_model,
    project_view,
)

STEPS = 40
NOISE_IOD = 0.018
"""Standard deviation of a detection, in inter-ocular distances."""
CONTOUR_NOISE_IOD = 0.025
ALONG_CONTOUR = 0.1
"""Weight of a contour landmark's residual along the contour, where it slides."""
ROBUST = 2.5
"""Scale of the Cauchy loss, standard deviations; larger residuals lose influence."""
NEARNESS, NEARNESS_STD = 0.7, 0.2
"""Prior mean and standard deviation of the inverse camera distance, 1/m; typically 1.4 m."""

PHENOTYPE_MEAN = np.array([0.5, 0.6, 0.5, 0.5, 1 / 3, 1 / 3, 1 / 3])
PHENOTYPE_STD = np.array([0.06, 0.08, 0.05, 0.15, 0.1, 0.1, 0.1])
PHENOTYPE_BOUNDS = np.array(
    [[0.02, 0.38, 0.3, 0.15, 0.02, 0.02, 0.02], [0.98, 0.95, 0.7, 0.85, 1, 1, 1]]
)
PRIOR_WEIGHT = 1.0

_COMMON = 0.45
_RARE = 0.16
ACTION_STD: Mapping[str, float] = {
    **dict.fromkeys(("mouthSmileLeft", "mouthSmileRight"), 0.6),
    **dict.fromkeys(
        (a for a in ACTIONS if a.startswith(("eyeLook", "eyeBlink", "eyeSquint", "cheekSquint"))),
        _COMMON,
    ),
    **dict.fromkeys((a for a in ACTIONS if a.startswith(("mouthUpperUp", "mouthLowerDown"))), 0.6),
    **dict.fromkeys(("mouthClose", "mouthFunnel", "cheekPuff", "jawForward"), 0.08),
    **dict.fromkeys(("jawLeft", "jawRight", "mouthLeft", "mouthRight"), 0.1),
    "jawOpen": 0.08,
    "tongueOut": 1e-3,
}
"""Standard deviations of the expression prior; `_RARE` for all others."""
MIRROR_STD = 0.12
"""Standard deviation of the difference between left and right weight of an action."""
SMILING_CHEEKS, CHEEKS_STD = 0.45, 0.15
"""Usual weight of lifted cheeks for each unit of a smile, and the standard deviation from it; see
`sample_expression.WITH_SMILE`."""
GAZE_STD = 0.08
"""Standard deviation of the difference between the eyes' horizontal gaze."""


@dataclass(frozen=True)
class Solution:
    """Fitted camera, identity and expression.

    identity: (112,) phenotypes and local changes. actions: (52,). view: the camera. points: (478,
    3) landmarks in world metres; pixels: (478, 2) their projections. residual: mean reprojection
    error of all landmarks but the contour, in inter-ocular distances.
    """

    identity: Float[ndarray, "112"]
    actions: Float[ndarray, "52"]
    view: View
    points: Float[ndarray, "478 3"]
    pixels: Float[ndarray, "478 2"]
    residual: float


def interocular(landmarks: Float[ndarray, "478 2"]) -> float:
    """Distance between the centroids of the two lid margins, pixels."""
    return float(np.linalg.norm(landmarks[[*LEFT_EYE]].mean(0) - landmarks[[*RIGHT_EYE]].mean(0)))


def reprojection_error(
    pixels: Float[ndarray, "478 2"], landmarks: Float[ndarray, "478 2"]
) -> float:
    """Mean distance over all landmarks but the contour, in inter-ocular distances."""
    inner = np.setdiff1d(np.arange(LANDMARK_COUNT), CONTOUR)
    gap = np.linalg.norm(pixels[inner] - landmarks[inner], axis=1)
    return float(gap.mean() / interocular(landmarks))


def solve_landmarks(
    landmarks: Float[ndarray, "478 2"],
    size: tuple[int, int],
    head: HeadModel,
    *,
    sex: float = 0.5,
    age: float = 0.6,
) -> Solution:
    """Fit all unknowns to the landmarks (pixels of a photo of `size`, height and width).

    sex, age: prior means of these two, from other cues, since landmarks constrain them weakly.
    """
    model = landmark_model(head)
    landmarks = np.asarray(landmarks, np.float64)
    phenotypes = PHENOTYPE_MEAN.copy()
    phenotypes[:2] = sex, age
    problem = _problem(landmarks, size, head, phenotypes)
    identity = np.concatenate([phenotypes, load_prior().mean])
    actions = np.zeros(len(ACTIONS))
    points, _ = model.points(identity, actions)
    view = first_view(points[:LANDMARK_COUNT], landmarks, problem.middle)
    state = _State(identity, actions, view)
    damping = 1e-2
    cost, normal, gradient = _linearise(model, problem, state)
    for _ in range(STEPS):
        moved = _step(problem, state, normal, gradient, damping)
        trial, trial_normal, trial_gradient = _linearise(model, problem, moved)
        if trial < cost:
            finished = cost - trial < 1e-4 * cost
            state, cost, normal, gradient = moved, trial, trial_normal, trial_gradient
            damping = max(damping / 4.0, 1e-6)
            if finished:
                break
        else:
            damping *= 6.0
            if damping > 1e6:
                break
    points, _ = model.points(state.identity, state.actions)
    pixels, _, _ = project_view(points, state.view, problem.middle)
    inner = pixels[:LANDMARK_COUNT].copy()
    return Solution(
        state.identity,
        state.actions,
        state.view,
        points[:LANDMARK_COUNT],
        inner,
        reprojection_error(inner, landmarks),
    )


def first_view(
    points: Float[ndarray, "L 3"], landmarks: Float[ndarray, "L 2"], middle: Float[ndarray, "2"]
) -> View:
    """Scaled orthographic pose by linear least squares (DeMenthon and Davis 1995, first step)."""
    inner = np.setdiff1d(np.arange(len(points)), CONTOUR)
    q = np.hstack([points[inner] - PIVOT, np.ones((len(inner), 1))])
    solution = np.linalg.lstsq(q, landmarks[inner], rcond=None)[0]
    rows, centre = solution[:3].T, solution[3]
    scale = np.sqrt(np.linalg.norm(rows[0]) * np.linalg.norm(rows[1]))
    frame = np.stack([*rows, np.cross(rows[0], rows[1]) / scale]) / scale
    u, _, vt = np.linalg.svd(frame)
    rotation = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
    return View(rotation, centre, float(np.log(scale)), NEARNESS)


@dataclass(frozen=True)
class _State:
    identity: ndarray
    actions: ndarray
    view: View


@dataclass(frozen=True)
class _Problem:
    """Constants of the problem: targets, weights, the priors' matrix and bounds."""

    landmarks: ndarray
    middle: ndarray
    iod: float
    weight: ndarray
    prior: ndarray
    goal: ndarray
    lower: ndarray
    upper: ndarray


def _problem(
    landmarks: ndarray, size: tuple[int, int], head: HeadModel, phenotypes: ndarray
) -> _Problem:
    matrix, goal = _priors(phenotypes)
    prior = load_prior()
    lower = np.concatenate([PHENOTYPE_BOUNDS[0], prior.lower, np.zeros(len(ACTIONS))])
    upper = np.concatenate([PHENOTYPE_BOUNDS[1], prior.upper, np.ones(len(ACTIONS))])
    free = np.full(6, np.inf)
    return _Problem(
        landmarks=landmarks,
        middle=np.array([0.5 * size[1], 0.5 * size[0]]),
        iod=interocular(landmarks),
        weight=_landmark_weights(head),
        prior=matrix,
        goal=goal,
        lower=np.concatenate([lower, -free, [0.25]]),
        upper=np.concatenate([upper, free, [2.0]]),
    )


def _landmark_weights(head: HeadModel) -> ndarray:
    """Inverse standard deviation of each landmark, in 1 / inter-ocular distance."""
    spread = load_landmarks(head).spread / 0.063
    deviation = np.hypot(NOISE_IOD, 0.5 * spread)
    deviation[[*LEFT_EYE, *RIGHT_EYE, *OUTER_LIPS, *INNER_LIPS]] *= 0.7
    deviation[[*LEFT_BROW, *RIGHT_BROW]] *= 0.9
    deviation[[*IRISES]] = 0.8 * NOISE_IOD
    deviation[[*CONTOUR]] = CONTOUR_NOISE_IOD
    return 1.0 / deviation


def _priors(phenotypes: ndarray) -> tuple[ndarray, ndarray]:
    """Matrix A and targets b of the Gaussian priors: residual = A x - b."""
    prior = load_prior()
    rows, goals = [], []

    def add(block: ndarray, where: slice, goal: ndarray) -> None:
        full = np.zeros((len(block), UNKNOWNS))
        full[:, where] = block
        rows.append(full)
        goals.append(goal)

    add(np.diag(1 / PHENOTYPE_STD), PHENOTYPE, phenotypes / PHENOTYPE_STD)
    whitening = PRIOR_WEIGHT * prior.whitening
    towards_sex = SEX_OFFSET * (2.0 * phenotypes[0] - 1.0) * prior.feminine
    add(whitening, LOCAL, whitening @ prior.mean + PRIOR_WEIGHT * towards_sex)
    deviation = np.array([ACTION_STD.get(name, _RARE) for name in ACTIONS])
    add(np.diag(1 / deviation), ACTION, np.zeros(len(ACTIONS)))
    ties = _expression_ties()
    add(ties, ACTION, np.zeros(len(ties)))
    near = np.zeros((1, 7))
    near[0, 6] = 1 / NEARNESS_STD
    add(near, VIEW, np.array([NEARNESS / NEARNESS_STD]))
    return np.concatenate(rows), np.concatenate(goals)


def _expression_ties() -> ndarray:
    """Rows (T, 52) of linear combinations near zero in natural faces: left minus right of each
    action, cheeks less what a smile lifts them, and the difference between the eyes' horizontal
    gaze."""
    index = {name: k for k, name in enumerate(ACTIONS)}
    rows = []

    def tie(weights: Mapping[str, float], deviation: float) -> None:
        row = np.zeros(len(ACTIONS))
        for name, weight in weights.items():
            row[index[name]] = weight / deviation
        rows.append(row)

    for name in ACTIONS:
        one_sided = name in ("jawLeft", "mouthLeft") or name.startswith(("eyeLookIn", "eyeLookOut"))
        if name.endswith("Left") and not one_sided:
            tie({name: 1.0, name[:-4] + "Right": -1.0}, MIRROR_STD)
    for side in ("Left", "Right"):
        tie({f"cheekSquint{side}": 1.0, f"mouthSmile{side}": -SMILING_CHEEKS}, CHEEKS_STD)
    tie(
        {"eyeLookOutLeft": 1, "eyeLookInLeft": -1, "eyeLookInRight": -1, "eyeLookOutRight": 1},
        GAZE_STD,
    )
    return np.array(rows)


def _vector(state: _State) -> ndarray:
    """Vector of all unknowns; those of the view are a zero step, except for its nearness."""
    view = np.zeros(7)
    view[6] = state.view.nearness
    return np.concatenate([state.identity, state.actions, view])


def _linearise(
    model: LandmarkModel, problem: _Problem, state: _State
) -> tuple[float, ndarray, ndarray]:
    """Robust cost, Gauss-Newton matrix and gradient at `state`."""
    points, by_shape = model.points(state.identity, state.actions)
    pixels, by_point, by_view = project_view(points, state.view, problem.middle)
    chosen, normals = _slide(pixels, problem, model.usual)
    jacobian = np.empty((LANDMARK_COUNT, 2, UNKNOWNS))
    shape_part = np.einsum("lxc,nlc->lxn", by_point[chosen], by_shape[:, chosen], optimize=True)
    jacobian[:, :, : VIEW.start] = shape_part
    jacobian[:, :, VIEW] = by_view[chosen]
    residual = (pixels[chosen] - problem.landmarks) / problem.iod
    jacobian /= problem.iod
    contour = [*CONTOUR]
    across = np.einsum("cx,cy->cxy", normals, normals)
    across = across + ALONG_CONTOUR * (np.eye(2) - across)
    residual[contour] = np.einsum("cxy,cy->cx", across, residual[contour])
    jacobian[contour] = np.einsum("cxy,cyn->cxn", across, jacobian[contour])
    residual *= problem.weight[:, None]
    jacobian *= problem.weight[:, None, None]
    squared = (residual**2).sum(1) / ROBUST**2
    influence = np.sqrt(1.0 / (1.0 + squared))
    cost = ROBUST**2 * np.log1p(squared).sum()
    J = (jacobian * influence[:, None, None]).reshape(-1, UNKNOWNS)
    r = (residual * influence[:, None]).reshape(-1)
    regular = problem.prior @ _vector(state) - problem.goal
    cost += regular @ regular
    return (
        float(cost),
        J.T @ J + problem.prior.T @ problem.prior,
        J.T @ r + problem.prior.T @ regular,
    )


def _slide(pixels: ndarray, problem: _Problem, usual: ndarray) -> tuple[ndarray, ndarray]:
    """Index of the model point matched to each landmark, and the contour's normals (36, 2).

    On frontal faces detections stay on their points of the skin, within the silhouette; candidates
    behind them would make faces 2 % narrow and 4 % short.
    """
    outline = problem.landmarks[[*CONTOUR]]
    along = np.roll(outline, -1, axis=0) - np.roll(outline, 1, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    normals = np.stack([along[:, 1], -along[:, 0]], axis=1)
    centre = outline.mean(0)
    strips = pixels[LANDMARK_COUNT:].reshape(len(CONTOUR), -1, 2)
    best = outermost(strips, centre, normals)
    slid = LANDMARK_COUNT + np.arange(len(CONTOUR)) * strips.shape[1] + best
    chosen = np.arange(LANDMARK_COUNT)
    chosen[[*CONTOUR]] = np.where(best < usual, slid, CONTOUR)
    return chosen, normals


def _step(
    problem: _Problem, state: _State, normal: ndarray, gradient: ndarray, damping: float
) -> _State:
    """One damped Gauss-Newton step with the active bounds fixed."""
    x = _vector(state)
    at_lower = (x <= problem.lower + 1e-9) & (gradient > 0)
    at_upper = (x >= problem.upper - 1e-9) & (gradient < 0)
    free = ~(at_lower | at_upper)
    matrix = normal[np.ix_(free, free)]
    matrix = matrix + damping * np.diag(np.diag(matrix))
    step = np.zeros(UNKNOWNS)
    step[free] = -np.linalg.solve(matrix, gradient[free])
    new = np.clip(x + step, problem.lower, problem.upper)
    view_step = new[VIEW].copy()
    view_step[6] -= state.view.nearness
    split = ACTION.start
    return _State(new[:split], new[split : ACTION.stop], state.view.moved(view_step))


def named_shape(identity: Float[ndarray, "112"]) -> dict[str, float]:
    """Convert local changes to `AvatarParameters.shape`, in [0, 1]."""
    values = 0.5 * (np.clip(identity[LOCAL], -1.0, 1.0) + 1.0)
    return {name: float(value) for name, value in zip(SHAPES, values, strict=True)}


def named_actions(actions: Float[ndarray, "52"]) -> dict[str, float]:
    """All 52 weights by name, in [0, 1]; weights up to 0.01 are set to 0."""
    clipped = np.clip(actions, 0.0, 1.0)
    return {n: float(w) if w > 0.01 else 0.0 for n, w in zip(ACTIONS, clipped, strict=True)}
