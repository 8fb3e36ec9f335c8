"""Portraits cut out onto white, as generators of the engine's people show them."""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from portraiture.perception.portrait_parser import PortraitParser
from portraiture.types import Segment


def cut_out(
    crop: UInt8[ndarray, "s s 3"], parser: PortraitParser, device: torch.device
) -> Float[Tensor, "1 3 s s"]:
    """An EG3D crop in [-1, 1] whose background is white."""
    image = torch.from_numpy(crop.copy()).permute(2, 0, 1)[None].to(device).float() / 127.5 - 1.0
    probabilities, _ = parser.read(image)
    alpha = 1.0 - probabilities[:, int(Segment.BACKGROUND)][:, None]
    return 1.0 + alpha * (image - 1.0)
