"""One aligned photo → the person's parameters, expression, camera, skin and light.

Photo ─landmarks─▶ solve ─▶ camera, identity, expression
      ─pixels────▶ project to texels ─▶ tone, light ─▶ albedo
      ─regions───▶ colours of hair, iris, clothes ─▶ hair style, beard, glasses ─▶ Fitted
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from portraiture.engine.head import PHENOTYPES, load_head
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.shape import shape_head
from portraiture.fit.choose import choose_styles
from portraiture.fit.colours import measure_colours, read_cues
from portraiture.fit.model import PHENOTYPE
from portraiture.fit.projection import image_size
from portraiture.fit.regions import photo_regions
from portraiture.fit.skin import fit_skin
from portraiture.fit.solve import Solution, named_actions, named_shape, solve_landmarks
from portraiture.progress import SILENT, Progress, StageTimes, raise_if_cancelled
from portraiture.types import Camera, Light, Photo


@dataclass(frozen=True)
class Fitted:
    """What a photo says about a person.

    parameters: identity and appearance. expression: the 52 ARKit weights in [0, 1]. camera: in
    the engine's world, intrinsics normalised by the original photo's size. albedo: (1024, 1024,
    3) skin texture in engine UV, light divided out. light: the photo's. mask: (1024, 1024) in
    [0, 1], where the albedo is the photo's own. landmarks: (478, 2) the model's, in pixels of
    the photo. residual: their mean distance to the photo's off the outline, in shares of the
    inter-ocular distance. seconds: by stage.
    """

    parameters: AvatarParameters
    expression: Mapping[str, float]
    camera: Camera
    albedo: UInt8[ndarray, "s s 3"]
    light: Light
    mask: Float32[ndarray, "s s"]
    landmarks: Float32[ndarray, "478 2"]
    residual: float
    seconds: Mapping[str, float]


def fit_photo(photo: Photo, *, progress: Progress = SILENT) -> Fitted:
    """Fit the engine to `photo`. About 5 s on two cores; the same photo gives the same result.
    Raises CancelledError."""
    model = load_head()
    times = StageTimes(progress)
    landmarks = photo.landmarks.astype(np.float64)
    times.stage("Segment the photo")
    regions = photo_regions(photo.image, landmarks)
    cues = read_cues(regions)
    raise_if_cancelled(times)
    times.stage("Fit the landmarks")
    size = image_size(photo.image)
    solution = solve_landmarks(landmarks, size, model, sex=cues.sex, age=cues.age)
    expression = named_actions(solution.actions)
    camera = solution.view.camera(size)
    parameters = identity_parameters(solution)
    shape = shape_head(parameters, model)
    raise_if_cancelled(times)
    times.stage("Choose colours and styles")
    parameters = measure_colours(regions, photo.image, landmarks, parameters)
    parameters = choose_styles(regions, cues, photo.quality.glasses, parameters)
    raise_if_cancelled(times)
    times.stage("Fit the skin")
    skin = fit_skin(photo, solution.pixels, camera, expression, regions, parameters, shape)
    times.finish()
    raise_if_cancelled(times)
    return Fitted(
        parameters=skin.parameters,
        expression=expression,
        camera=camera,
        albedo=skin.albedo,
        light=skin.light,
        mask=skin.mask,
        landmarks=solution.pixels.astype(np.float32),
        residual=solution.residual,
        seconds=times.seconds,
    )


def identity_parameters(solution: Solution) -> AvatarParameters:
    """The solver's identity as parameters, everything else at its default."""
    values = np.clip(solution.identity[PHENOTYPE], 0.0, 1.0)
    phenotypes = dict(zip(PHENOTYPES, values.tolist(), strict=True))
    return AvatarParameters(**phenotypes, shape=named_shape(solution.identity))
