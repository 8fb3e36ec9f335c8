"""Parse the photo by the portrait parser: regions, looks, and what occludes the face.

photo ─three windows─▶ PortraitParser ─┬─▶ EG3D crop: probability of each class at each pixel
                                       ├─▶ window of `fit.regions`: the same
                                       └─▶ looks (hair, beard, glasses …), means over the windows
The parser was trained with hands and things of the face's own colour (`data.augment`), which
`fit.hidden` cannot tell from skin by colour. Letters: H, W texels, n pixels of a parsed window.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8
from numpy import ndarray
from scipy.ndimage import map_coordinates

from portraiture.fit.projection import Projection
from portraiture.ops.resize import resized
from portraiture.perception.looks import LOOKS, Look
from portraiture.perception.portrait_parser import PortraitParser
from portraiture.perception.weights import load_portrait_parser
from portraiture.photo.align import crop_image
from portraiture.photo.landmarks import similarity
from portraiture.types import Photo, Segment

FOREIGN = (Segment.BACKGROUND, Segment.HAT, Segment.CLOTH)
"""Classes of occluders, if within the face. CelebAMask-HQ counts hands as background."""
FACE = (
    Segment.SKIN, Segment.NOSE, Segment.LEFT_EYE, Segment.RIGHT_EYE, Segment.LEFT_BROW,
    Segment.RIGHT_BROW, Segment.MOUTH, Segment.UPPER_LIP, Segment.LOWER_LIP,
)  # fmt: skip
WIDER = 1.4
"""Side of the middle window, in EG3D crops; `fit.regions`' is 2.3."""

Probabilities = Float32[ndarray, "19 n n"]


class Looks(NamedTuple):
    """Probabilities of the classes of each look, in the order of `LOOKS`."""

    classes: Mapping[Look, Float32[ndarray, "k"]]

    def chance(self, look: Look, *names: str) -> float:
        """Probability, in [0, 1], that a look is one of the named classes."""
        order = LOOKS[look]
        return float(sum(self.classes[look][order.index(name)] for name in names))

    def likeliest(self, look: Look) -> str:
        return LOOKS[look][int(np.argmax(self.classes[look]))]


class Parsed(NamedTuple):
    """crop: probability of each `Segment` at each pixel of the EG3D crop, at the parser's size.
    window: the same of the window of `fit.regions`. pixels: that window. looks: of the person."""

    crop: Probabilities
    window: Probabilities
    pixels: UInt8[ndarray, "n n 3"]
    looks: Looks


class ParsedTexels(NamedTuple):
    """Probability of each at a texel, in [0, 1]. foreign: an occluder. skin: the face itself.
    glasses: lenses and frames. Hair is none of them."""

    foreign: Float32[ndarray, "H W"]
    skin: Float32[ndarray, "H W"]
    glasses: Float32[ndarray, "H W"]


def parse_photo(photo: Photo, window: Float[ndarray, "3 3"]) -> Parsed:
    """Run the portrait parser on the photo's crop, on one `WIDER`, and on a window given by its
    homogeneous map from the photo's pixels to those of a square of the parser's size. About 0.6 s.
    """
    parser = _parser()
    size = parser.config.size
    own = np.diag([size / photo.crop.shape[0]] * 2 + [1.0]) @ photo.crop_from_image
    about = similarity(1.0 / WIDER, 0.0, np.full(2, 0.5 * size), np.full(2, 0.5 * size))
    pixels = crop_image(photo.image, window, size)
    crops = (photo.crop, crop_image(photo.image, about @ own, size), pixels)
    images = torch.cat([_tensor(crop, size) for crop in crops])
    classes, looks = parser.read(torch.cat([images, images.flip(-1)]))
    means: dict[Look, ndarray] = {name: chance.mean(0).numpy() for name, chance in looks.items()}
    return Parsed(classes[0].numpy(), classes[2].numpy(), pixels, Looks(means))


def likeliest_segments(image: UInt8[ndarray, "n n 3"]) -> Int[ndarray, "n n"]:
    """Likeliest `Segment` of each pixel of a square image."""
    return _parser().read(_tensor(image, len(image)))[0][0].argmax(0).numpy()


def _tensor(image: UInt8[ndarray, "n n 3"], size: int) -> torch.Tensor:
    """One image in [-1, 1], resized."""
    return resized(
        torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 127.5 - 1.0, size
    )


def parsed_texels(parsed: Parsed, photo: Photo, projection: Projection) -> ParsedTexels:
    """Sample the parsed crop at the texels."""
    matrix = photo.crop_from_image
    at = projection.pixels @ matrix[:2, :2].T + matrix[:2, 2]
    scale = parsed.crop.shape[-1] / photo.crop.shape[0]
    column, row = np.moveaxis(at * scale - 0.5, -1, 0)
    maps = (parsed.crop[[*parts]].sum(0) for parts in (FOREIGN, FACE, (Segment.GLASSES,)))
    return ParsedTexels(
        *(map_coordinates(one, [row, column], order=1, mode="nearest") for one in maps)
    )


@lru_cache(maxsize=1)
def _parser() -> PortraitParser:
    return load_portrait_parser()
