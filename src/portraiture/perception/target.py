"""A photo prepared for comparison with a generator's renders: crop, matte and camera.

Photo ─resize─▶ crop ─parser─▶ matte ─over the generator's background─▶ Target
Letters: R side of the generator's images.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from numpy import ndarray
from PIL import Image
from scipy import ndimage
from torch import Tensor

from portraiture.camera import to_eg3d
from portraiture.errors import InversionError
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.ops.resize import resized
from portraiture.perception.portrait_parser import PortraitParser
from portraiture.types import Photo, Segment

WHITE = 1.0
UNSURE = (0.3, 0.75)
"""Probabilities of the person between which the matte rises from 0 to 1."""
SMALLEST = 0.1
"""Minimum share of the crop covered by the person."""


@dataclass(frozen=True)
class Target:
    """crop: the photo's, with its own background. image: the crop at the generator's image size,
    over white if the generator's background is white. Both in [-1, 1]. person: the matte, in
    [0, 1]. camera: EG3D's 25 numbers of the aligned head. photo: the crop's, where there is one."""

    crop: Float[Tensor, "1 3 S S"]
    image: Float[Tensor, "1 3 R R"]
    person: Float[Tensor, "1 1 R R"]
    camera: Float[Tensor, "1 25"]
    photo: Photo | None = None


def target_of_photo(photo: Photo, generator: TriPlaneGenerator, parser: PortraitParser) -> Target:
    """The target of an aligned photo; see `make_target`."""
    camera = torch.from_numpy(to_eg3d(photo.camera)).float()[None]
    return replace(make_target(photo.crop, camera, generator, parser), photo=photo)


def make_target(
    crop: UInt8[ndarray, "S S 3"],
    camera: Float[Tensor, "1 25"],
    generator: TriPlaneGenerator,
    parser: PortraitParser,
) -> Target:
    """The target, on the CPU, of a crop from `photo.align` and its camera. parser: segments the
    person, on its own device. Raises InversionError if no person is found."""
    whole = torch.from_numpy(crop.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1.0
    image = resized(whole, generator.config.image_size)
    person = person_matte(image, parser)
    if float((person > 0.5).float().mean()) < SMALLEST:
        raise InversionError("No person stands out in the photo; use one that shows a head.")
    if generator.config.rendering.white_background:
        image = person * image + (1.0 - person) * WHITE
    return Target(whole, image, person, camera)


def resized_by_pil(images: Float[Tensor, "B 3 S S"], size: int) -> Float[Tensor, "B 3 R R"]:
    """Resize images in [-1, 1] with PIL's default filter, in 8 bits, as GOAE's program prepares the
    encoder's input."""
    eight = ((images + 1.0) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
    small = np.stack([np.asarray(Image.fromarray(one).resize((size, size))) for one in eight])
    return torch.from_numpy(small).permute(0, 3, 1, 2).float() / 127.5 - 1.0


@torch.no_grad()
def person_matte(
    images: Float[Tensor, "B 3 R R"], parser: PortraitParser
) -> Float[Tensor, "B 1 R R"]:
    """Matte of the person, in [0, 1]: one minus the portrait parser's background probability, with
    increased contrast, restricted to the largest connected region."""
    small = resized(images, parser.config.size).to(next(parser.parameters()))
    classes, _ = parser.read(small)
    person = 1.0 - classes.to(images)[:, int(Segment.BACKGROUND)][:, None]
    person = ((person - UNSURE[0]) / (UNSURE[1] - UNSURE[0])).clamp(0.0, 1.0)
    person = person * torch.stack([largest_part(one[0]) for one in person])[:, None]
    return F.interpolate(person, images.shape[-2:], mode="bilinear").clamp(0.0, 1.0)


def largest_part(person: Float[Tensor, "n n"]) -> Bool[Tensor, "n n"]:
    """The largest connected region of the foreground."""
    shown = person.cpu().numpy() > 0.0
    labelled: Any = ndimage.label(ndimage.binary_opening(shown))
    parts = labelled[0]
    if not parts.any():
        return person > 0.0
    largest = parts == np.bincount(parts[parts > 0]).argmax()
    return torch.from_numpy(ndimage.binary_dilation(largest, iterations=2)).to(person.device)
