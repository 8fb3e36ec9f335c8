"""Segment the person with mediapipe's selfie segmentation, run in torch."""

from __future__ import annotations

import torch
from jaxtyping import Float32, UInt8
from numpy import ndarray

from portraiture.photo.crop import crop, whole
from portraiture.photo.graph import load
from portraiture.photo.threads import one_thread


@one_thread()
def person_mask(image: UInt8[ndarray, "h w 3"]) -> Float32[ndarray, "h w"]:
    """Probability that each pixel shows a person, in [0, 1]. Best on a square around head and
    shoulders (network input 256²)."""
    network = load("selfie")
    pixels = crop(image, whole(image), network.size, outside="zero")
    mask = network(pixels.permute(2, 0, 1)[None] / 255)["person"]
    size = list(image.shape[:2])
    mask = torch.nn.functional.interpolate(mask, size, mode="bilinear", align_corners=False)
    return mask[0, 0].numpy()
