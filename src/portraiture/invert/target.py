"""A photo as a generator would have drawn it: crop, matte and camera.

Photo ─resize─▶ crop ─parser─▶ who is in front ─over the generator's background─▶ Target
Letters: R side of the generator's images.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from portraiture.camera import to_eg3d
from portraiture.metrics.networks import load_parser
from portraiture.models.eg3d import TriPlaneGenerator
from portraiture.models.parser import ParserNetwork
from portraiture.types import Photo, Segment

WHITE = 1.0


@dataclass(frozen=True)
class Target:
    """image: the crop, over white where the generator's background is, in [-1, 1]. person: how far
    a pixel shows the person, in [0, 1]. camera: EG3D's numbers, of the head as aligned."""

    image: Float[Tensor, "1 3 R R"]
    person: Float[Tensor, "1 1 R R"]
    camera: Float[Tensor, "1 25"]


def make_target(
    photo: Photo, generator: TriPlaneGenerator, parser: ParserNetwork | None = None
) -> Target:
    """The target of an aligned photo. parser: the shipped one by default."""
    crop = torch.from_numpy(photo.crop.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1.0
    size = generator.config.image_size
    image = F.interpolate(crop, (size, size), mode="bilinear", antialias=True).clamp(-1.0, 1.0)
    person = person_matte(image, parser or load_parser())
    if generator.config.rendering.white_background:
        image = person * image + (1.0 - person) * WHITE
    camera = torch.from_numpy(to_eg3d(photo.camera)).float()[None]
    return Target(image, person, camera)


@torch.no_grad()
def person_matte(
    images: Float[Tensor, "B 3 R R"], parser: ParserNetwork
) -> Float[Tensor, "B 1 R R"]:
    """How likely each pixel is not background, by the face parser."""
    side = parser.config.size
    small = F.interpolate(images, (side, side), mode="bilinear", antialias=True)
    classes = parser(small).softmax(1)
    person = 1.0 - classes[:, int(Segment.BACKGROUND)][:, None]
    return F.interpolate(person, images.shape[-2:], mode="bilinear").clamp(0.0, 1.0)
