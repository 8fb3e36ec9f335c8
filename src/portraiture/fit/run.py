"""Fit an aligned photo: parameters, expression, camera, skin and light.

Photo ─landmarks─▶ solve ─▶ camera, identity, expression
      ─pixels────▶ project to texels ─▶ less what is hidden ─▶ tone, light ─▶ albedo ─▶ brows, eyes
      ─parse─────▶ less what is covered ─▶ colours ─▶ beard, glasses, clothes ──▶ Fitted
                 └─▶ hair styles ─rendered at the camera─▶ hair ──────────────┘
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from portraiture.engine.parameters import AvatarParameters
from portraiture.fit.brows import fit_brows
from portraiture.fit.choose import choose_styles
from portraiture.fit.colours import eyes_covered, measure_colours, read_cues
from portraiture.fit.glasses import choose_glasses
from portraiture.fit.hair_outline import fit_hair
from portraiture.fit.hair_style import shortlist
from portraiture.fit.hidden import covered_in_window, find_hidden
from portraiture.fit.irises import match_irises
from portraiture.fit.parse import parsed_texels
from portraiture.fit.place import place_head
from portraiture.fit.regions import read_photo
from portraiture.fit.skin import fit_skin, hair_on_texels
from portraiture.progress import SILENT, Progress, StageTimes, raise_if_cancelled
from portraiture.types import Camera, Light, Photo


@dataclass(frozen=True)
class Fitted:
    """The result of fitting a photo.

    parameters: identity and appearance. expression: the 52 ARKit weights in [0, 1]. camera: in
    the engine's world, intrinsics normalised by the original photo's size. albedo: (1024, 1024,
    3) skin texture in engine UV, light divided out. light: the photo's. mask: (1024, 1024) in
    [0, 1], where the albedo is the photo's own. landmarks: (478, 2) the model's, in pixels of
    the photo. residual: their mean distance to the photo's off the outline, in shares of the
    inter-ocular distance. seconds: by stage. notes: plain sentences on what was not taken from the
    photo.
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
    notes: tuple[str, ...] = ()


def fit_photo(photo: Photo, *, progress: Progress = SILENT) -> Fitted:
    """Fit the engine to `photo`. About 8 s on two cores; the same photo gives the same result.
    Raises CancelledError."""
    times = StageTimes(progress)
    landmarks = photo.landmarks.astype(np.float64)
    times.stage("Segment the photo")
    regions, parsed = read_photo(photo)
    cues = read_cues(regions, parsed.looks)
    raise_if_cancelled(times)
    times.stage("Fit the landmarks")
    placed = place_head(photo, cues)
    projection = placed.project(photo)
    hair = hair_on_texels(regions, landmarks, projection)
    hidden = find_hidden(projection, hair, parsed_texels(parsed, photo, projection))
    if hidden.everything().any():
        covered = covered_in_window(hidden, projection, landmarks, regions)
        regions = replace(regions, covered=covered)
        cues = read_cues(regions, parsed.looks)
        placed = place_head(photo, cues)
        projection = placed.project(photo)
    raise_if_cancelled(times)
    times.stage("Choose colours and styles")
    parameters = measure_colours(regions, parsed.looks, placed.parameters)
    listed = shortlist(regions, cues, parsed.looks)
    hair_style = fit_hair(listed, parsed.looks, regions, photo, placed, progress=times)
    parameters = choose_styles(regions, cues, parsed.looks, hair_style, parameters)
    parameters = choose_glasses(photo, regions, parsed, placed, parameters)
    raise_if_cancelled(times)
    times.stage("Fit the skin")
    glasses = parsed_texels(parsed, photo, projection).glasses
    skin = fit_skin(photo, placed, projection, hair, hidden, glasses, parameters, progress=times)
    eyes = eyes_covered(regions)
    parameters = fit_brows(skin.albedo, skin.mask, skin.parameters, placed.shape)
    parameters = match_irises(photo, placed, skin.light, skin.albedo, parameters, eyes)
    times.finish()
    raise_if_cancelled(times)
    return Fitted(
        parameters=parameters,
        expression=placed.expression,
        camera=placed.camera,
        albedo=skin.albedo,
        light=skin.light,
        mask=skin.mask,
        landmarks=placed.solution.pixels.astype(np.float32),
        residual=placed.solution.residual,
        seconds=times.seconds,
        notes=tuple(hidden.notes()),
    )
