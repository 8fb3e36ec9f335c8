"""The avatar of a photo, distilled into a neural head's planes, and the photo on top. [ours]

Photo ─fit─▶ Fitted ─find_latent─▶ w, the generator's head of nearly that person
   └─place, views─▶ Sides: the avatar from all sides, with the photo's pixels where they show it
planes of w ─density_loss, color_planes at the sides' surface, then at its own─▶ Inversion
A head from an encoder is right from the photo's side and guessed from all others; here the others
are the avatar's. Only the planes change, so edits, meshes and files are those of every head.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from torch import Tensor

from portraiture.camera import from_eg3d
from portraiture.errors import InversionError
from portraiture.fit.run import Fitted, fit_photo
from portraiture.invert.confidence import knows_people
from portraiture.invert.distil.color import ColorConfig, color_planes, own_surface
from portraiture.invert.distil.place import (
    aligned_camera,
    fitted_bust,
    landmark_field,
    moved_bust,
    outline_field,
    stable_landmarks,
)
from portraiture.invert.distil.shape import (
    ShapeConfig,
    density_loss,
    floaters,
    hollows,
)
from portraiture.invert.distil.views import (
    AGAIN,
    Sides,
    filled_depth,
    joined,
    photo_weight,
    rendered,
    side_cameras,
    with_photo,
)
from portraiture.invert.inversion import Inversion
from portraiture.models import Models
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.features import add_residual
from portraiture.ops.resize import resized
from portraiture.people.find_latent import find_latent
from portraiture.people.latent import Person
from portraiture.people.views import HeadFrame, head_frame
from portraiture.perception.target import Target
from portraiture.photo.landmarks import find_faces
from portraiture.progress import SILENT, Progress, raise_if_cancelled
from portraiture.render.mesh import segmentation_of
from portraiture.types import Bust, Camera, Light, Photo, Quality, Segment, as_uint8

_UNKNOWN = Quality(
    face_px=0.0, sharpness=0.0, exposure=0.5, yaw=0.0, pitch=0.0, roll=0.0, occlusion=0.0,
    glasses=0.0,
)  # fmt: skip
"""Of a crop that no photo is known of."""


class Placed(NamedTuple):
    """The avatar in the photo's expression, the similarity to EG3D's world, the photo's camera
    there, and its light."""

    bust: Bust
    frame: HeadFrame
    camera: Camera
    light: Light


@dataclass(frozen=True)
class DistilConfig:
    """shape, color: of both stages."""

    shape: ShapeConfig = field(default_factory=ShapeConfig)
    color: ColorConfig = field(default_factory=ColorConfig)


@dataclass(frozen=True)
class DistilMethod:
    """Inversion of one photo by distilling its avatar. network: name or path of the generator's
    weights, which have to be of the engine's people."""

    models: Models
    network: str
    config: DistilConfig = field(default_factory=DistilConfig)
    name: str = "distil"

    @property
    def generator(self) -> TriPlaneGenerator:
        """The generator whose w space is used."""
        return self.models.generator(self.network)

    def check(self, count: int) -> None:
        """Raise InversionError unless there is exactly one photo and the generator fits."""
        if count != 1:
            raise InversionError("The method distil takes one photo; encoders take several.")
        if not knows_people(self.generator):
            raise InversionError(
                "The method distil needs a generator of the engine's people, such as heads."
            )

    def invert(self, targets: Sequence[Target], progress: Progress = SILENT) -> Inversion:
        """The head of a photo. Its camera is the fitted one. Raises InversionError, CancelledError
        before there is a head; later cancels end a stage early."""
        self.check(len(targets))
        target = targets[0]
        photo = target.photo or photo_of_crop(target)
        fitted = fit_photo(photo, progress=progress)
        raise_if_cancelled(progress)
        progress.stage("Find the latent")
        ws = self.latent(fitted)
        raise_if_cancelled(progress)
        placed = self.place(target, photo, fitted)
        raise_if_cancelled(progress)
        sides = self.sides(target, placed, progress)
        raise_if_cancelled(progress)
        return self.distilled(ws, sides, progress)

    @torch.no_grad()
    def latent(self, fitted: Fitted) -> Float[Tensor, "1 N D"]:
        """w of the fitted person."""
        z = find_latent(Person(fitted.parameters, dict(fitted.expression)))
        return self.generator.mapping(torch.from_numpy(z)[None].to(self.models.device), None)

    def place(self, target: Target, photo: Photo, fitted: Fitted) -> Placed:
        """The avatar where the aligned camera shows it as the photo does."""
        bust = fitted_bust(fitted)
        frame = head_frame(bust.landmarks)
        camera = aligned_camera(frame, fitted, photo)
        field = landmark_field(fitted, photo)
        first = moved_bust(bust, frame, camera, fitted, photo, field)
        size = self.generator.config.image_size
        shown = segmentation_of(first, frame.camera(camera), size)
        field = outline_field(self._outlines(target, shown), stable_landmarks(photo), field)
        bust = moved_bust(bust, frame, camera, fitted, photo, field)
        return Placed(bust, frame, camera, fitted.light)

    def sides(self, target: Target, placed: Placed, progress: Progress = SILENT) -> Sides:
        """The photo, and the avatar from all other sides with the photo's pixels on it."""
        cameras = [placed.camera, *side_cameras()]
        progress.stage("Render the avatar", len(cameras))
        every = self.rendered(placed, cameras, progress)
        own, others = every.part(slice(0, 1)), every.part(slice(1, None))
        progress.stage("Project the photo")
        weight = photo_weight(own, target.person)
        others = replace(others, image=with_photo(others, own, target.image, weight))
        alpha = F.interpolate(target.person, own.alpha.shape[-2:], mode="area")
        depth = filled_depth(own.depth, alpha)
        return joined(replace(own, image=target.image, alpha=alpha, depth=depth), others)

    def rendered(
        self, placed: Placed, cameras: Sequence[Camera], progress: Progress = SILENT
    ) -> Sides:
        """The avatar alone from EG3D cameras, in the photo's light."""
        config = self.generator.config
        return rendered(
            placed.bust, placed.frame, cameras, placed.light, size=config.image_size,
            neural=config.neural_resolution, progress=progress,
        )  # fmt: skip

    @torch.no_grad()
    def _outlines(
        self, target: Target, shown: UInt8[ndarray, "R R"]
    ) -> list[tuple[Bool[ndarray, "R R"], Bool[ndarray, "R R"]]]:
        """Person and hair, of the avatar and of the photo."""
        crop = resized(target.crop, len(shown)).to(self.models.device)
        classes = self.models.portrait_parser().read(crop)[0][0].cpu().numpy()
        person = target.person[0, 0].cpu().numpy() > 0.5
        hair = (classes[int(Segment.HAIR)] > 0.5) & person
        return [(shown != Segment.BACKGROUND, person), (shown == Segment.HAIR, hair)]

    def distilled(
        self, ws: Float[Tensor, "1 N D"], sides: Sides, progress: Progress = SILENT
    ) -> Inversion:
        """The head that looks like the sides, of which the first is the photo's."""
        generator, config = self.generator, self.config
        sides = sides.to(ws.device)
        with torch.no_grad():
            plain = generator.planes(ws)
        color = partial(
            color_planes, generator, ws, plain, perceptual=self.models.parser(),
            config=config.color, progress=progress,
        )  # fmt: skip
        residual, stopped = torch.zeros_like(plain), False
        residual = color(
            residual, sides, density=density_loss(generator, sides, config.shape),
            steps=config.color.paint, thickness=config.color.thickness, stage="Distil the avatar",
        )  # fmt: skip
        stopped |= progress.cancelled
        surface, wrong = self._left(ws, plain, residual, sides, progress)
        stopped |= progress.cancelled
        residual = color(
            residual, surface, density=wrong, steps=config.color.refinement,
            stage="Refine the head",
        )  # fmt: skip
        stopped |= progress.cancelled
        residual = residual.contiguous()
        planes = add_residual(generator, plain, residual, ws).contiguous()
        return Inversion(
            ws, planes, sides.camera[:1], generator, residual=residual,
            facts={"stopped": stopped},
        )  # fmt: skip

    def _left(
        self, ws: Tensor, plain: Tensor, residual: Tensor, sides: Sides, progress: Progress
    ) -> tuple[Sides, Callable[[Tensor], Tensor]]:
        """Some sides with the head's own surface where it has one, and the
        density loss of what is still wrong."""
        now = add_residual(self.generator, plain, residual, ws)
        again = [0, *(1 + k for k in AGAIN)]
        some = sides.part(again)
        surface = own_surface(self.generator, now, some, progress=progress)
        opacity = sides.alpha.clone()
        opacity[again] = surface.alpha
        config = self.config.shape
        wrong = density_loss(
            self.generator, sides, config, floaters(self.generator, now, sides),
            hollows(sides.part(slice(0, 1)), surface.alpha[:1], config), opacity,
        )  # fmt: skip
        missing = (surface.alpha < 0.5) & (some.depth > 0)
        return replace(
            surface, depth=torch.where(missing, some.depth, surface.depth),
            alpha=torch.where(missing, some.alpha, torch.minimum(surface.alpha, some.alpha)),
        ), wrong  # fmt: skip


def photo_of_crop(target: Target) -> Photo:
    """A photo that is its own aligned crop. Raises InversionError without a face."""
    crop = as_uint8(((target.crop[0].permute(1, 2, 0).cpu().numpy() + 1.0) * 0.5).clip(0.0, 1.0))
    faces = find_faces(crop)
    if not faces:
        raise InversionError("No face was found in the crop; distil needs one to fit an avatar.")
    return Photo(
        image=crop, crop=crop, landmarks=np.ascontiguousarray(faces[0][:, :2]),
        landmarks_depth=np.ascontiguousarray(faces[0][:, 2]), crop_from_image=np.eye(3),
        camera=from_eg3d(target.camera[0].double().cpu().numpy()), quality=_UNKNOWN,
    )  # fmt: skip
