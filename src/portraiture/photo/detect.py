"""Find faces with mediapipe's BlazeFace networks (Bazarevsky et al. 2019), run in torch.

    image ─whole, squared─▶ 128² or 192² ─network─▶ boxes of every anchor ─blended─▶ detections

Dimension letters: A anchors, N detections.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray

from portraiture.photo.crop import Rectangle, crop, whole
from portraiture.photo.graph import load
from portraiture.photo.threads import one_thread

Reach = Literal["short", "full"]
REACHES: tuple[Reach, ...] = get_args(Reach)
_MIN_SCORE = {"short": 0.5, "full": 0.6}
_OVERLAP = 0.3
_ANCHORS = {"short": ((16, 2), (8, 6)), "full": ((48, 1),)}
"""Cells per side and anchors per cell of each feature map."""


@dataclass(frozen=True)
class Detection:
    """A face. score: in [0, 1]. box: (4,) left, top, right, bottom. points: (6, 2) its right eye
    (left in the image), left eye, nose, mouth and ears. Pixels of the image."""

    score: float
    box: Float[ndarray, "4"]
    points: Float[ndarray, "6 2"]


@one_thread()
def detect_faces(image: UInt8[ndarray, "h w 3"], *, reach: Reach) -> list[Detection]:
    """Faces in an image, highest score first; [] if none.

    reach: "short" for faces that fill a sixth of the image or more (network input 128²), "full"
    also for smaller ones (192²).
    """
    network = load(f"face_{reach}_range")
    size = np.full(2, max(image.shape[:2]), np.float64)
    square = Rectangle(whole(image).centre, size)
    pixels = crop(image, square, network.size, outside="zero")
    out = network((pixels * (2 / 255) - 1).permute(2, 0, 1)[None])
    raw, logits = out["boxes"][0].numpy(), out["scores"][0, :, 0].clamp(-100, 100)
    scores = logits.sigmoid().numpy()
    places = raw.reshape(-1, 8, 2) / np.float32(network.size)
    places[:, [0, 2, 3, 4, 5, 6, 7]] += anchors(reach)[:, None]
    centres, extents = places[:, 0], places[:, 1]
    kept = (scores >= _MIN_SCORE[reach]) & (extents >= 0).all(1)
    corners = np.stack([centres - extents / 2, centres + extents / 2], 1)
    places = np.concatenate([corners, places[:, 2:]], 1)[kept]
    return [
        Detection(float(score), found[:2].reshape(4), found[2:])
        for score, found in blended(scores[kept], square.to_image(places))
    ]


def anchors(reach: Reach) -> Float32[ndarray, "A 2"]:
    """Centres of the anchors in units of the squared image."""
    maps = []
    for cells, count in _ANCHORS[reach]:
        middle = (np.arange(cells, dtype=np.float32) + 0.5) / cells
        grid = np.stack(np.meshgrid(middle, middle), -1).reshape(-1, 2)
        maps.append(np.repeat(grid, count, axis=0))
    return np.concatenate(maps)


def blended(
    scores: Float[ndarray, "N"], places: Float[ndarray, "N 8 2"]
) -> list[tuple[float, Float[ndarray, "8 2"]]]:
    """Merge overlapping detections: the highest score, and the score-weighted mean of positions.

    places: box corners, then points. (BlazeFace, section 4.2.)
    """
    order = np.argsort(-scores, kind="stable")
    found = []
    while order.size:
        near = overlaps(places[order[0], :2], places[order, :2]) > _OVERLAP
        together = order[near]
        if not together.size:  # a box without area
            found.append((float(scores[order[0]]), places[order[0]]))
            order = order[1:]
            continue
        weights = scores[together] / scores[together].sum()
        found.append((float(scores[order[0]]), np.einsum("n,nij->ij", weights, places[together])))
        order = order[~near]
    return found


def overlaps(box: Float[ndarray, "2 2"], others: Float[ndarray, "N 2 2"]) -> Float[ndarray, "N"]:
    """Intersection over union of a box, (corner, xy), with others."""
    low, high = np.maximum(box[0], others[:, 0]), np.minimum(box[1], others[:, 1])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    union = np.prod(box[1] - box[0]) + np.prod(others[:, 1] - others[:, 0], axis=1) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
