"""Inversion in one pass by FF3D's image-to-triplane network (Ma et al. 2023), trained for it.

photo over white ─H─▶ planes, w ─▶ Inversion, whose residual is what the planes of w lack
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from portraiture.errors import InversionError
from portraiture.invert.inversion import Inversion
from portraiture.models import Models
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.image_to_planes import ImageToPlanes, planes_of_photos
from portraiture.ops.resize import resized
from portraiture.perception.target import Target
from portraiture.progress import SILENT, Progress


@dataclass(frozen=True)
class ImageToPlanesMethod:
    """Inversion of one photo by a network that makes planes. network: name or path of the
    generator's weights, for which `planes` was trained."""

    models: Models
    network: str
    planes: ImageToPlanes
    name: Literal["i2t"] = "i2t"

    @property
    def generator(self) -> TriPlaneGenerator:
        """The generator whose decoder and superresolution show the planes."""
        return self.models.generator(self.network)

    def check(self, count: int) -> None:
        """Raise InversionError unless there is exactly one photo."""
        if count != 1:
            raise InversionError("The method i2t takes one photo; encoders take several.")

    @torch.no_grad()
    def invert(self, targets: Sequence[Target], progress: Progress = SILENT) -> Inversion:
        """The head of a photo. Raises InversionError."""
        self.check(len(targets))
        progress.stage("Make the planes")
        target, generator = targets[0], self.generator
        photo = resized(target.image, self.planes.config.image_size).to(self.models.device)
        planes, ws = planes_of_photos(self.planes, photo, generator)
        return Inversion(
            ws, planes, target.camera.to(photo), generator, residual=planes - generator.planes(ws)
        )
