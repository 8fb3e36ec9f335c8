"""Find what lies before the face, a hand or a microphone, by the portrait parser.

EG3D crop 256² ─PortraitParser─▶ probability that a pixel shows no part of the head
                         texels' places in the crop ─┴─▶ texels that something hides
The parser was trained with hands and things of the face's own colour (`data.augment`), which
`fit.hidden` cannot tell from skin by colour. Letters: H, W texels, n pixels of the parsed crop.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float32
from numpy import ndarray
from scipy.ndimage import map_coordinates

from portraiture.fit.projection import Projection
from portraiture.ops.resize import resized
from portraiture.perception.portrait_parser import PortraitParser
from portraiture.perception.weights import load_portrait_parser
from portraiture.types import Photo, Segment

FOREIGN = (Segment.BACKGROUND, Segment.HAT, Segment.CLOTH)
"""What a pixel within the face shows where something lies before it. CelebAMask-HQ counts hands as
background."""
FACE = (
    Segment.SKIN, Segment.NOSE, Segment.LEFT_EYE, Segment.RIGHT_EYE, Segment.LEFT_BROW,
    Segment.RIGHT_BROW, Segment.MOUTH, Segment.UPPER_LIP, Segment.LOWER_LIP,
)  # fmt: skip


class Parsed(NamedTuple):
    """Probabilities, in [0, 1], of what the photo shows at a texel: foreign, something before the
    head; skin, the face itself. Hair and glasses are neither."""

    foreign: Float32[ndarray, "H W"]
    skin: Float32[ndarray, "H W"]


def parse_texels(photo: Photo, projection: Projection) -> Parsed:
    """Parse the photo's crop and sample it at the texels. About 0.2 s."""
    classes = parse_crop(photo)
    matrix = photo.crop_from_image
    at = projection.pixels @ matrix[:2, :2].T + matrix[:2, 2]
    scale = classes.shape[-1] / photo.crop.shape[0]
    column, row = np.moveaxis(at * scale - 0.5, -1, 0)
    maps = (classes[[*segments]].sum(0) for segments in (FOREIGN, FACE))
    return Parsed(*(map_coordinates(one, [row, column], order=1, mode="nearest") for one in maps))


def parse_crop(photo: Photo) -> Float32[ndarray, "19 n n"]:
    """Probability of each `Segment` at each pixel of the photo's crop, at the parser's size."""
    parser = _parser()
    crop = torch.from_numpy(photo.crop.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1.0
    found, _ = parser.read(resized(crop, parser.config.size))
    return found[0].numpy()


@lru_cache(maxsize=1)
def _parser() -> PortraitParser:
    return load_portrait_parser()
