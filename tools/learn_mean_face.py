"""Learn the mean face of mediapipe's landmarks in metres: the rigid body that `photo.align` poses.

people × expressions × views ─render─▶ pictures ─find_faces─▶ 478 landmarks in pixels
                                 └─known cameras─▶ triangulated ─▶ mean and scatter ─▶ mean_face.npy

Triangulating what the detector sees, rather than averaging points of the mesh, makes poses from
the front come out unbiased: on renders the estimated angles are those of the cameras.

    python tools/learn_mean_face.py [--people 24] [--seed 0]
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping

import numpy as np

from portraiture.camera import EG3D_FOCAL, orbit, world_to_camera
from portraiture.engine.actions import ACTIONS
from portraiture.engine.build import build_bust
from portraiture.engine.landmarks import CONTOUR, IRISES
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.sample import sample_parameters
from portraiture.photo.align import MEAN_FACE_PATH
from portraiture.photo.landmarks import find_faces
from portraiture.render.mesh import render_bust
from portraiture.types import Bust, Camera, as_uint8

log = logging.getLogger("learn_mean_face")

SIZE = 448
VIEWS = ((0, 0), (20, 0), (-20, 0), (38, 0), (-38, 0), (0, 12), (0, -12))
ACTIONS_AT_ONCE = 2
EYE_CORNERS = [33, 133, 362, 263]


def bare_person(seed: int) -> AvatarParameters:
    """A sampled person without glasses, beard and hat, the hair away from the face."""
    person = sample_parameters(seed).to_dict() | {
        "glasses_style": "none",
        "beard_style": "none",
        "hat_style": "none",
        "hair_style": "short",
    }
    return AvatarParameters.from_dict(person)


def random_expression(rng: np.random.Generator) -> Mapping[str, float]:
    """A few actions of the face at random strength."""
    names = rng.choice(ACTIONS, ACTIONS_AT_ONCE, replace=False)
    return {str(name): float(rng.uniform(0, 0.7)) for name in names}


def see(bust: Bust, camera: Camera) -> np.ndarray | None:
    """(478, 2) detections in units of the image's side, or None."""
    image = render_bust(bust, camera, size=SIZE, background=(0.6, 0.62, 0.65)).rgba[..., :3]
    faces = find_faces(as_uint8(image))
    return faces[0][:, :2] / SIZE if faces else None


def triangulate(seen: list[tuple[Camera, np.ndarray]]) -> np.ndarray:
    """(478, 3) points in the world that explain the images best (direct linear transform)."""
    rows = []
    for camera, points in seen:
        P = camera.intrinsics @ world_to_camera(camera)[:3]
        rows += [points[:, :1] * P[2] - P[0], points[:, 1:] * P[2] - P[1]]
    equations = np.stack(rows, axis=1)
    A, b = equations[..., :3], -equations[..., 3]
    return np.linalg.solve(
        np.einsum("lki,lkj->lij", A, A), np.einsum("lki,lk->li", A, b)[..., None]
    )[..., 0]


def sample_landmarks(people: int, seed: int) -> np.ndarray:
    """(n, 478, 3) metres from the middle of the eyes' corners; n people seen in enough views."""
    rng, landmarks = np.random.default_rng(seed), []
    for number in range(people):
        expression = random_expression(rng)
        bust = build_bust(bare_person(1_000_000 + seed + number), expression=expression)
        target = bust.landmarks[list(IRISES)].mean(0) + np.array([0.0, -0.03, -0.05])
        seen = []
        for yaw, pitch in np.radians(VIEWS):
            camera = orbit(yaw, pitch, target=target, distance=1.2, focal=EG3D_FOCAL)
            points = see(bust, camera)
            if points is not None:
                seen.append((camera, points))
        if len(seen) >= 5:
            points = triangulate(seen)
            landmarks.append(points - points[EYE_CORNERS].mean(0))
        log.info("person %d of %d, seen from %d sides", number + 1, people, len(seen))
    return np.array(landmarks)


def main() -> None:
    """Learn, report the scatter, write the table: x, y, z in metres and a weight for each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--people", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    faces = sample_landmarks(options.people, options.seed)
    mean = np.median(faces, axis=0)
    spread = 1.4826 * np.median(np.linalg.norm(faces - mean, axis=2), axis=0)
    weights = 1.0 / (spread**2 + 0.002**2)
    weights[[*CONTOUR, *IRISES]] = 0.0
    weights /= weights.max()
    flipped = mean * (-1, 1, 1)
    apart = np.linalg.norm(mean[:, None] - flipped[None], axis=2)
    partner = apart.argmin(1)
    mean = (mean + flipped[partner]) / 2
    weights = np.where(weights > 0, (weights + weights[partner]) / 2, 0.0)
    log.info(
        "%d people, scatter %.1f mm, symmetric to %.2f mm",
        len(faces), 1000 * np.median(spread), 1000 * apart.min(1).mean(),
    )  # fmt: skip
    np.save(MEAN_FACE_PATH, np.column_stack([mean, weights]).astype(np.float32))


if __name__ == "__main__":
    main()
