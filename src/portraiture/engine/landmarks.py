"""mediapipe's 478 landmarks as points on the engine's head.

The table (`assets/landmarks.npz`) is learned by ``tools/learn_landmarks.py``: mediapipe detects its
landmarks on renders of the engine itself, and each is back-projected onto the mesh. Every landmark
is a weighted sum of three baked vertices, so it moves with identity and expression: 468 lie on the
skin and ten (the irises) on the eyeballs. Contour landmarks are not fixed points of the skin: the
table stores a strip of candidates for each, and the outermost one in the image is used. Vertices
are stored by hm08 index, so the table remains valid after a new bake.

Dimension letters: L landmarks (478), C contour landmarks (36), K candidates per strip.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int
from numpy import ndarray

from portraiture.engine.head import HeadModel

LANDMARKS_PATH = Path(__file__).parent.parent / "assets" / "landmarks.npz"
LANDMARK_COUNT = 478

CONTOUR = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
"""The face contour, clockwise in the image from the middle of the forehead (mediapipe's oval)."""

IRISES = tuple(range(468, 478))
"""Centre and ring of the right eye (468 to 472), then of the left."""

LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
"""Lid margins of the person's left and right eye, each a closed loop."""

OUTER_LIPS = (
    *(61, 146, 91, 181, 84, 17, 314, 405, 321, 375),
    *(291, 409, 270, 269, 267, 0, 37, 39, 40, 185),
)
INNER_LIPS = (
    *(78, 95, 88, 178, 87, 14, 317, 402, 318, 324),
    *(308, 415, 310, 311, 312, 13, 82, 81, 80, 191),
)
LEFT_BROW = (336, 296, 334, 293, 300, 276, 283, 282, 295, 285)
RIGHT_BROW = (107, 66, 105, 63, 70, 46, 53, 52, 65, 55)
"""Brow outlines, each a closed loop."""


@dataclass(frozen=True)
class LandmarkTable:
    """Vertices and weights that define each landmark.

    rows: (L, 3) indices into all baked vertices; weights: (L, 3), each row sums to 1.
    strip_rows, strip_weights: (C, K, 3), candidates of the `CONTOUR` landmarks, ordered from the
    front of the face towards its side (or under the jaw).
    spread: (L,) metres, scatter of the detections on single renders around the point.
    """

    rows: Int[ndarray, "L 3"]
    weights: Float32[ndarray, "L 3"]
    strip_rows: Int[ndarray, "C K 3"]
    strip_weights: Float32[ndarray, "C K 3"]
    spread: Float32[ndarray, "L"]


def load_landmarks(model: HeadModel, path: Path = LANDMARKS_PATH) -> LandmarkTable:
    """Load the packaged table, with indices mapped to the vertices of `model`."""
    return _load(path, model.arrays["hm08_index"].tobytes())


@lru_cache(maxsize=2)
def _load(path: Path, numbering: bytes) -> LandmarkTable:
    kept = np.frombuffer(numbering, np.int32)

    def rows_of(hm08: ndarray) -> ndarray:
        rows = np.searchsorted(kept, hm08.astype(np.int32))
        if rows.max() >= len(kept) or (kept[rows] != hm08).any():
            raise ValueError(f"{path.name} names vertices that the baked head lacks")
        return rows

    with np.load(path, allow_pickle=False) as file:
        return LandmarkTable(
            rows=rows_of(file["hm08"]),
            weights=_unit_sum(file["weights"].astype(np.float32)),
            strip_rows=rows_of(file["strip_hm08"]),
            strip_weights=_unit_sum(file["strip_weights"].astype(np.float32)),
            spread=file["spread"].astype(np.float32),
        )


def _unit_sum(weights: ndarray) -> ndarray:
    return weights / weights.sum(-1, keepdims=True)


def landmark_positions(
    vertices: Float[ndarray, "V 3"], model: HeadModel
) -> Float32[ndarray, "478 3"]:
    """World positions of the 478 landmarks. vertices: all baked vertices, expression applied."""
    table = load_landmarks(model)
    return weighted_points(vertices, table.rows, table.weights)


def weighted_points(
    vertices: Float[ndarray, "V 3"],
    rows: Int[ndarray, "... 3"],
    weights: Float[ndarray, "... 3"],
) -> Float32[ndarray, "... 3"]:
    """Weighted sums of three vertices each."""
    return np.einsum("...k,...kc->...c", weights, vertices[rows]).astype(np.float32)


def outermost(
    strips: Float[ndarray, "C K 2"], centre: Float[ndarray, "2"], outward: Float[ndarray, "C 2"]
) -> Int[ndarray, "C"]:
    """Index of the candidate of each strip on the contour: the farthest from `centre` (pixels)
    along the unit direction `outward`."""
    return np.einsum("ckx,cx->ck", strips - centre, outward).argmax(1)
