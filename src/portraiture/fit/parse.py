"""Parse the photo by the portrait parser: skin, glasses, and what occludes the face.

EG3D crop 256² ─PortraitParser─▶ probability of each class at each pixel
                 texels' places in the crop ─┴─▶ the same at each texel
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
from portraiture.perception.looks import LOOKS
from portraiture.perception.portrait_parser import PortraitParser
from portraiture.perception.weights import load_portrait_parser
from portraiture.types import Photo, Segment

FOREIGN = (Segment.BACKGROUND, Segment.HAT, Segment.CLOTH)
"""Classes of occluders, if within the face. CelebAMask-HQ counts hands as background."""
NO_GLASSES = LOOKS["glasses"].index("none")
FACE = (
    Segment.SKIN, Segment.NOSE, Segment.LEFT_EYE, Segment.RIGHT_EYE, Segment.LEFT_BROW,
    Segment.RIGHT_BROW, Segment.MOUTH, Segment.UPPER_LIP, Segment.LOWER_LIP,
)  # fmt: skip


class ParsedCrop(NamedTuple):
    """classes: probability of each `Segment` at each pixel of the crop, at the parser's size.
    glasses: probability that the person wears some."""

    classes: Float32[ndarray, "19 n n"]
    glasses: float


class ParsedTexels(NamedTuple):
    """Probability of each at a texel, in [0, 1]. foreign: an occluder. skin: the face itself.
    glasses: lenses and frames. Hair is none of them."""

    foreign: Float32[ndarray, "H W"]
    skin: Float32[ndarray, "H W"]
    glasses: Float32[ndarray, "H W"]


def parse_crop(photo: Photo) -> ParsedCrop:
    """Run the portrait parser on the photo's crop. About 0.2 s."""
    parser = _parser()
    crop = torch.from_numpy(photo.crop.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1.0
    classes, looks = parser.read(resized(crop, parser.config.size))
    return ParsedCrop(classes[0].numpy(), 1.0 - float(looks["glasses"][0, NO_GLASSES]))


def parsed_texels(parsed: ParsedCrop, photo: Photo, projection: Projection) -> ParsedTexels:
    """Sample the parsed crop at the texels."""
    matrix = photo.crop_from_image
    at = projection.pixels @ matrix[:2, :2].T + matrix[:2, 2]
    scale = parsed.classes.shape[-1] / photo.crop.shape[0]
    column, row = np.moveaxis(at * scale - 0.5, -1, 0)
    maps = (parsed.classes[[*parts]].sum(0) for parts in (FOREIGN, FACE, (Segment.GLASSES,)))
    return ParsedTexels(
        *(map_coordinates(one, [row, column], order=1, mode="nearest") for one in maps)
    )


@lru_cache(maxsize=1)
def _parser() -> PortraitParser:
    return load_portrait_parser()
