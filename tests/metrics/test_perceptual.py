"""The shipped parser as a perceptual distance of images."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from portraiture.media import read_image
from portraiture.metrics.perceptual import perceptual_synthetic
from portraiture.perception.weights import load_parser
from portraiture.photo.demo_photo import demo_photo


def test_a_stronger_change_is_a_greater_distance() -> None:
    photo = torch.tensor(read_image(demo_photo())).permute(2, 0, 1)[None].float() / 127.5 - 1
    image = F.interpolate(photo, (256, 256), mode="bilinear", antialias=True)
    measure = perceptual_synthetic(load_parser()).measure
    for change in (_coarser, _moved, _tinted):
        near, far = (measure(change(image, strength), image) for strength in (1, 3))
        assert far > near > 1e-4, change.__name__
    assert measure(image, image) < 1e-9
    large = F.interpolate(image, (512, 512), mode="bilinear")
    soft = F.interpolate(_coarser(image, 3), (512, 512), mode="bilinear")
    half = [F.interpolate(x, (256, 256), mode="bilinear", antialias=True) for x in (soft, large)]
    assert torch.allclose(measure(soft, large), measure(*half), rtol=1e-3)


def _coarser(image: Tensor, strength: int) -> Tensor:
    side = 256 // (strength + 1)
    small = F.interpolate(image, (side, side), mode="bilinear", antialias=True)
    return F.interpolate(small, (256, 256), mode="bilinear")


def _moved(image: Tensor, strength: int) -> Tensor:
    return image.roll(strength, -1)


def _tinted(image: Tensor, strength: int) -> Tensor:
    return image + 0.1 * strength * torch.tensor([1.0, 0.0, -1.0]).view(1, 3, 1, 1)
