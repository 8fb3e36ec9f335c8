"""Convert the landmark solution to parameters, expression, camera and shape of the head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from portraiture.engine.head import PHENOTYPES, load_head
from portraiture.engine.landmarks import CONTOUR, LEFT_EYE, RIGHT_EYE
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import HeadShape, shape_head
from portraiture.fit.colours import Cues
from portraiture.fit.model import PHENOTYPE
from portraiture.fit.projection import Projection, image_size, project_photo
from portraiture.fit.solve import Solution, named_actions, named_shape, solve_landmarks
from portraiture.types import Camera, Photo

WIDER = 1.03
"""Factor on the width of the detected outline. Detections on renders lie 1.2 % inside the model's
points, and the prior narrows heads as much again; with it, renders are as wide as their photos."""


@dataclass(frozen=True)
class Placed:
    """A fitted head: parameters (identity only), expression, camera and shape."""

    solution: Solution
    parameters: AvatarParameters
    expression: Mapping[str, float]
    camera: Camera
    shape: HeadShape

    def project(self, photo: Photo) -> Projection:
        """Project the photo onto the skin of this head."""
        return project_photo(
            photo.image,
            photo.landmarks.astype(np.float64),
            self.solution.pixels,
            self.shape.expressed(self.expression),
            self.camera,
            self.shape.model,
        )


def place_head(photo: Photo, cues: Cues) -> Placed:
    """Solve the photo's landmarks; `cues` centre the priors of sex and age."""
    model, size = load_head(), image_size(photo.image)
    landmarks = widened(photo.landmarks.astype(np.float64))
    solution = solve_landmarks(landmarks, size, model, sex=cues.sex, age=cues.age)
    parameters = identity_parameters(solution)
    return Placed(
        solution,
        parameters,
        named_actions(solution.actions),
        solution.view.camera(size),
        shape_head(parameters, model),
    )


def widened(landmarks: Float[ndarray, "478 2"]) -> Float[ndarray, "478 2"]:
    """A copy with the outline stretched by `WIDER` in the direction from eye to eye."""
    across = landmarks[[*LEFT_EYE]].mean(0) - landmarks[[*RIGHT_EYE]].mean(0)
    across /= np.linalg.norm(across)
    outline = landmarks[[*CONTOUR]]
    reach = (outline - outline.mean(0)) @ across
    wide = landmarks.copy()
    wide[[*CONTOUR]] += (WIDER - 1.0) * reach[:, None] * across
    return wide


def identity_parameters(solution: Solution) -> AvatarParameters:
    """Convert the solver's identity to parameters; all others keep their defaults."""
    values = np.clip(solution.identity[PHENOTYPE], 0.0, 1.0)
    phenotypes = dict(zip(PHENOTYPES, values.tolist(), strict=True))
    return AvatarParameters(**phenotypes, shape=named_shape(solution.identity))
