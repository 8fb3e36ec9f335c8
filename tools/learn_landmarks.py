"""Learn which points of the engine's head mediapipe's landmarks are.

people × expressions × views ──render──▶ pictures ──mediapipe──▶ 478 landmarks in pixels
                                  └─project the skin──▶ which point of the skin explains each best
                                                        in all pictures ──▶ assets/landmarks.npz

A landmark is the skin point whose projections lie nearest to its detections, over all pictures:
no depth map is asked, so lids, lips and silhouettes do no harm, and expressions tell upper from
lower lip. Outline landmarks get a strip of candidates at their height, from the cheek to the ear
(under the jaw: from the chin backwards); `--inner` keeps those of the table that is there,
and the nose's: so the packaged table was made, after one of bald heads without brows. People
have hair and brows, as in photos.

    python tools/learn_landmarks.py [--people 32] [--seed 0] [--inner]
"""

from __future__ import annotations

import argparse
import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from portraiture.camera import orbit, project
from portraiture.engine.build import build_bust
from portraiture.engine.head import HeadModel, load_head
from portraiture.engine.landmarks import (
    CONTOUR,
    INNER_LIPS,
    LANDMARKS_PATH,
    LEFT_EYE,
    OUTER_LIPS,
    RIGHT_EYE,
    load_landmarks,
    weighted_points,
)
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.sample import sample_parameters
from portraiture.engine.shape import shape_head, vertex_normals
from portraiture.photo.landmarks import find_faces
from portraiture.render.light import sample_light
from portraiture.render.mesh import render_bust
from portraiture.types import Camera, Segment, as_uint8

log = logging.getLogger("learn_landmarks")

SIZE = 512
VIEWS = ((0, 0), (15, 0), (-15, 0), (30, 0), (-30, 0), (0, 10), (0, -10))
EXPRESSIONS: tuple[dict[str, float], ...] = (
    {},
    {"jawOpen": 0.5},
    {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8},
    {"jawOpen": 0.2, "mouthSmileLeft": 0.6, "mouthSmileRight": 0.6, "mouthUpperUpLeft": 0.5}
    | {"mouthUpperUpRight": 0.5, "mouthLowerDownLeft": 0.5, "mouthLowerDownRight": 0.5},
    {"eyeWideLeft": 0.7, "eyeWideRight": 0.7, "browInnerUp": 0.6}
    | {"browOuterUpLeft": 0.5, "browOuterUpRight": 0.5},
    {"eyeSquintLeft": 0.7, "eyeSquintRight": 0.7, "mouthPressLeft": 0.5, "mouthPressRight": 0.5},
    {"mouthPucker": 0.6},
    {"eyeLookOutLeft": 0.5, "eyeLookInRight": 0.5},
)
CAP_IOD = 0.25
"""Distances beyond this share of the inter-ocular distance count no more."""
STRIP_LENGTH = 9
STRIP_BACK_Z = 0.072
"""How far back strips reach on the average head, metres: just before the ear."""
FIXED_CONTOUR = (10, 338, 297, 332, 284, 54, 103, 67, 109)
"""Outline landmarks on the forehead, where the outline is the hair's, not the skull's."""
BETWEEN_THE_EYES = 168
UNDER_JAW = (379, 378, 400, 377, 152, 148, 176, 149, 150)


@dataclass(frozen=True)
class Views:
    """Everything seen. n images, V all baked vertices.

    vertices: (n, V, 3); cameras: n; landmarks: (n, 478, 2) pixels; iod: (n,) pixels.
    """

    vertices: np.ndarray
    cameras: list[Camera]
    landmarks: np.ndarray
    iod: np.ndarray


Render = Callable[[AvatarParameters, dict[str, float], Camera, np.random.Generator], np.ndarray]


def render_person(
    parameters: AvatarParameters,
    expression: dict[str, float],
    camera: Camera,
    rng: np.random.Generator,
) -> np.ndarray:
    """(SIZE, SIZE, 3) uint8 image of the engine's own person."""
    bust = build_bust(parameters, expression=expression)
    frame = render_bust(
        bust, camera, size=SIZE, light=sample_light(rng), background=(0.7, 0.72, 0.75)
    )
    return as_uint8(frame.rgba[..., :3])


def gather(people: int, seed: int, model: HeadModel, render: Render = render_person) -> Views:
    """Render and detect."""
    rng = np.random.default_rng(seed)
    vertices, cameras, landmarks = [], [], []
    for person, expression in zip(range(people), itertools.cycle(EXPRESSIONS)):
        parameters = _bare(sample_parameters(1000 * seed + person))
        shape = shape_head(parameters, model)
        moved = shape.vertices + sum(
            np.float32(w) * shape.action_deltas(name) for name, w in expression.items()
        )
        target = shape.joints[6:8].mean(0) + np.array([0.0, -0.02, -0.06])
        for yaw, pitch in VIEWS:
            turn = np.radians([yaw, pitch]) + np.radians(2.0) * rng.standard_normal(2)
            distance = rng.uniform(0.8, 1.6)
            camera = orbit(*turn, target=target, distance=distance, focal=2.9 * distance)
            faces = find_faces(render(parameters, expression, camera, rng))
            if faces:
                vertices.append(moved)
                cameras.append(camera)
                landmarks.append(faces[0])
        log.info("person %d of %d, %d pictures", person + 1, people, len(landmarks))
    points = np.array(landmarks, np.float32)[:, :, :2]
    eyes = [points[:, [*ring]].mean(1) for ring in (RIGHT_EYE, LEFT_EYE)]
    return Views(np.array(vertices), cameras, points, np.linalg.norm(eyes[0] - eyes[1], axis=1))


def _bare(parameters: AvatarParameters) -> AvatarParameters:
    """Nothing that hides the face: no glasses, beard, hat or fringe."""
    bare = {"glasses_style": "none", "beard_style": "none", "hat_style": "none"}
    return AvatarParameters.from_dict(parameters.to_dict() | bare | {"hair_fringe": 0.0})


def lattice(model: HeadModel) -> tuple[np.ndarray, np.ndarray]:
    """Candidate points on the front of the head: rows (P, 3) and weights (P, 3)."""
    steps = 4
    weights = np.array(
        [(i, j, steps - i - j) for i in range(steps + 1) for j in range(steps + 1 - i)], np.float64
    )
    faces = model.arrays["skin_vertex"][model.arrays["skin_faces"]]
    centre = model.arrays["template"][faces].mean(1)
    segment = model.arrays["skin_segment"]
    ears = (segment == Segment.LEFT_EAR) | (segment == Segment.RIGHT_EAR)
    kept = (centre[:, 1] > 0.57) & (centre[:, 2] > 0.02) & (segment != Segment.MOUTH) & ~ears
    faces = faces[kept]
    rows = np.repeat(faces, len(weights), axis=0)
    return rows, np.tile(weights / steps, (len(faces), 1))


def learn_skin(
    views: Views, model: HeadModel, rows: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Index of the best candidate of each of the 468 skin landmarks, and its mean distance in
    shares of the inter-ocular distance."""
    faces = model.arrays["skin_vertex"][model.arrays["skin_faces"]]
    used, inverse = np.unique(rows, return_inverse=True)
    inverse = inverse.reshape(rows.shape)
    total = np.zeros((468, len(used)), np.float32)
    facing = np.zeros(len(used))
    pixels = np.zeros((len(views.cameras), len(used), 2), np.float32)
    for n, camera in enumerate(views.cameras):
        points = views.vertices[n][used]
        pixels[n] = project(points, camera, (SIZE, SIZE))[:, :2]
        towards = camera.T_world_cam[:3, 3] - points
        towards /= np.linalg.norm(towards, axis=1, keepdims=True)
        normals = vertex_normals(views.vertices[n], faces)[used]
        facing += (normals * towards).sum(1) / len(views.cameras)
        gap = np.linalg.norm(pixels[n] - views.landmarks[n, :468, None], axis=2) / views.iod[n]
        total += np.minimum(gap, CAP_IOD) / len(views.cameras)
    total += np.where(facing > 0.15, 0.0, 0.03)
    best = np.zeros(468, np.int64)
    score = np.zeros(468)
    for landmark in range(468):
        near = np.argsort(total[landmark])[:6]
        candidates = np.flatnonzero(np.isin(inverse, near).any(1))
        at = np.einsum("pk,npkx->npx", weights[candidates], pixels[:, inverse[candidates]])
        gap = np.linalg.norm(at - views.landmarks[:, landmark, None], axis=2)
        mean = np.minimum(gap / views.iod[:, None], CAP_IOD).mean(0)
        mean += np.where(
            np.einsum("pk,pk->p", weights[candidates], facing[inverse[candidates]]) > 0.15,
            0.0,
            0.03,
        )
        best[landmark], score[landmark] = candidates[mean.argmin()], mean.min()
    return best, score


def symmetric(points: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Candidates nearest to the mirror-symmetric mean of `points` (L, 3) on a symmetric head."""
    mirrored = points * [-1.0, 1.0, 1.0]
    cost = np.linalg.norm(points[:, None] - mirrored[None], axis=2)
    partner = cost.argmin(1)
    mutual = partner[partner] == np.arange(len(points))
    middle = np.where(mutual[:, None], 0.5 * (points + mirrored[partner]), points)
    return np.array([np.linalg.norm(candidates - p, axis=1).argmin() for p in middle])


def strip(landmark: int, point: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Indices (STRIP_LENGTH,) of candidates from the front to the side through `point`."""
    if landmark in FIXED_CONTOUR:
        return np.full(STRIP_LENGTH, np.linalg.norm(candidates - point, axis=1).argmin())
    x, y, z = candidates.T
    if landmark in UNDER_JAW:
        off, position = x - point[0], z
        ends = (point[2] + 0.008, point[2] - 0.035)
        usable = np.abs(y - point[1]) < 0.02
    else:
        off, position = y - point[1], np.arctan2(np.abs(x), z - 0.05)
        back = np.arctan2(np.abs(point[0]) + 0.003, STRIP_BACK_Z - 0.05)
        ends = (np.deg2rad(22.0), max(back, np.arctan2(np.abs(point[0]), point[2] - 0.05)))
        usable = (np.sign(x) == np.sign(point[0])) & (z > STRIP_BACK_Z - 0.012)
    scale = 1.0 if landmark in UNDER_JAW else 0.07
    goals = np.linspace(*ends, STRIP_LENGTH)
    cost = np.hypot(2.0 * off, scale * (position - goals[:, None]))
    return np.where(usable, cost, np.inf).argmin(1)


def learn_irises(views: Views, model: HeadModel) -> tuple[np.ndarray, np.ndarray]:
    """rows (10, 3) and weights (10, 3) on the eyeballs, by least squares over all images."""
    rows, weights = [], []
    for side, first in (("r", 468), ("l", 473)):
        group = model.arrays[f"group:helper-{side}-eye"]
        ball = model.arrays["template"][group]
        front = group[ball[:, 2] > ball[:, 2].mean()]
        pixels = np.stack(
            [
                project(v[front], c, (SIZE, SIZE))[:, :2]
                for v, c in zip(views.vertices, views.cameras, strict=True)
            ]
        )
        for landmark in range(first, first + 5):
            seen = views.landmarks[:, landmark]
            gap = np.linalg.norm(pixels - seen[:, None], axis=2) / views.iod[:, None]
            chosen = _triangle_around(np.minimum(gap, CAP_IOD).mean(0), model, front)
            basis = pixels[:, chosen] / views.iod[:, None, None]
            goal = seen / views.iod[:, None]
            edges = basis[:, 1:] - basis[:, :1]
            matrix = edges.transpose(0, 2, 1).reshape(-1, 2)
            offset = (goal - basis[:, 0]).reshape(-1)
            w = np.linalg.lstsq(matrix, offset, rcond=None)[0]
            rows.append(front[chosen])
            weights.append([1.0 - w.sum(), *w])
    return np.array(rows), np.array(weights)


def _triangle_around(score: np.ndarray, model: HeadModel, front: np.ndarray) -> np.ndarray:
    """The best vertex and two near it that span the plane well."""
    place = model.arrays["template"][front]
    first = score.argmin()
    near = np.argsort(np.linalg.norm(place - place[first], axis=1))[1:9]
    pairs = [
        (np.linalg.norm(np.cross(place[a] - place[first], place[b] - place[first])), a, b)
        for a, b in itertools.combinations(near, 2)
    ]
    return np.array([first, *max(pairs)[1:]])


def learn(views: Views, model: HeadModel) -> dict[str, np.ndarray]:
    """The arrays of the table."""
    rows, weights = lattice(model)
    best, score = learn_skin(views, model, rows, weights)
    average = shape_head(AvatarParameters(), model).vertices
    candidates = np.einsum("pk,pkc->pc", weights, average[rows])
    chosen = symmetric(candidates[best], candidates)
    inner = symmetric_exceptions(candidates, best, chosen)
    chosen = np.where(inner, best, chosen)
    strips = np.array([strip(k, candidates[chosen[k]], candidates) for k in CONTOUR])
    iris_rows, iris_weights = learn_irises(views, model)
    names = model.arrays["hm08_index"]
    spread = np.concatenate([score, np.full(10, 0.01)]) * 0.063
    log.info("mean distance %.2f %% of the inter-ocular distance", 100 * score.mean())
    return {
        "hm08": names[np.concatenate([rows[chosen], iris_rows])].astype(np.int16),
        "weights": np.concatenate([weights[chosen], iris_weights]).astype(np.float32),
        "strip_hm08": names[rows[strips]].astype(np.int16),
        "strip_weights": weights[strips].astype(np.float16),
        "spread": spread.astype(np.float16),
    }


def symmetric_exceptions(
    candidates: np.ndarray, best: np.ndarray, chosen: np.ndarray
) -> np.ndarray:
    """Where the symmetric choice jumped to another sheet of skin (lips, lids touch in rest)."""
    return np.linalg.norm(candidates[best] - candidates[chosen], axis=1) > 0.004


def with_kept_of(
    path: Path, table: dict[str, np.ndarray], model: HeadModel
) -> dict[str, np.ndarray]:
    """The table with outline and nose of another one. Hair hides the outline on renders; a nose
    that was learned with hair and brows made avatars of held-back portraits less like them (dlib's
    distance turned by 40° up by .03, without it down)."""
    kept = [*CONTOUR, *nose_landmarks(model)]
    with np.load(path, allow_pickle=False) as old:
        out = {name: table[name].copy() for name in ("hm08", "weights", "spread")}
        for name, values in out.items():
            values[kept] = old[name][kept]
        strips = {name: old[name] for name in ("strip_hm08", "strip_weights")}
    return out | strips


def nose_landmarks(model: HeadModel) -> list[int]:
    """Landmarks of the skin on and beside the nose, but those of lids, lips and outline."""
    table = load_landmarks(model)
    points = weighted_points(model.arrays["template"], table.rows, table.weights)
    x, y, _ = 1e3 * (points - points[BETWEEN_THE_EYES]).T
    inside = (np.abs(x) < 24.0) & (y > -52.0) & (y < 4.0)
    others = {*CONTOUR, *LEFT_EYE, *RIGHT_EYE, *OUTER_LIPS, *INNER_LIPS}
    return [k for k in range(468) if inside[k] and k not in others]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=LANDMARKS_PATH)
    parser.add_argument(
        "--inner", action="store_true", help="keep the landmarks of outline and nose"
    )
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    model = load_head()
    table = learn(gather(options.people, options.seed, model), model)
    if options.inner:
        table = with_kept_of(LANDMARKS_PATH, table, model)
    np.savez_compressed(options.out, **table)
    log.info("wrote %s, %d bytes", options.out, options.out.stat().st_size)


if __name__ == "__main__":
    main()
