"""Render every hair style on the average head and keep its silhouette on a small grid.

styles × lengths × hairlines × volumes × fringes ──render, front──▶ hair mask
hair mask ──grid in head coordinates──▶ assets/hair_masks.npz (a few kB)

`portraiture.fit.hair_style` compares photos with them.

    python tools/learn_hair_masks.py
"""

from __future__ import annotations

import itertools
import logging
from typing import get_args

import numpy as np
from scipy.ndimage import map_coordinates

from portraiture.camera import orbit, project
from portraiture.engine.hair.build import make_hair
from portraiture.engine.landmarks import LEFT_EYE, RIGHT_EYE, landmark_positions
from portraiture.engine.parameters import LONG_HAIR, AvatarParameters, HairStyle
from portraiture.engine.sample_looks import FRINGED
from portraiture.engine.shape import HeadShape, shape_head
from portraiture.engine.skin.paint import SkinTextures, make_skin
from portraiture.fit.hair_style import GRID_X, GRID_Y, MASKS_PATH
from portraiture.render.mesh import render_bust
from portraiture.types import Bust, Segment

log = logging.getLogger("learn_hair_masks")

SIZE = 320
FREE = ("curly", "afro")
BALDING = ("receding", "horseshoe")
LENGTHS, LONG_LENGTHS = (0.35, 0.85), (0.15, 0.5, 0.85)
LINES = (0.3, 0.85)
BALDING_LINES = (0.2, 0.5, 0.8)
VOLUMES = (0.3, 0.85)
FRINGES = (0.5, 1.0)

Variant = tuple[int, float, float, float, float]


def variants() -> list[Variant]:
    """Index of the style, length, hairline, volume, fringe."""
    out: list[Variant] = []
    for index, style in enumerate(get_args(HairStyle)):
        if style in LONG_HAIR:
            out += [(index, length, LINES[0], 0.5, 0.0) for length in LONG_LENGTHS]
        elif style in FREE:
            out += [(index, length, LINES[0], 0.4, 0.0) for length in LENGTHS]
        elif style == "buzz":
            out += [(index, 0.5, line, 0.5, 0.0) for line in LINES]
        elif style in BALDING:
            out += [
                (index, *rest, 0.0) for rest in itertools.product((0.5,), BALDING_LINES, VOLUMES)
            ]
        elif style != "bald":
            out += [(index, *rest, 0.0) for rest in itertools.product(LENGTHS, LINES, VOLUMES)]
        if style in FRINGED:
            lengths = LONG_LENGTHS if style in LONG_HAIR else LENGTHS
            combined = itertools.product(lengths, LINES[:1], (0.5,), FRINGES)
            out += [(index, *rest) for rest in combined]
    return out


def silhouette(parameters: AvatarParameters, shape: HeadShape) -> np.ndarray:
    """(48, 40) bool."""
    plain = np.full((64, 64, 3), 128, np.uint8)
    skin = make_skin(parameters, shape, SkinTextures(plain, plain, plain[..., 0]))
    hair = make_hair(parameters, shape)
    points = landmark_positions(shape.vertices, shape.model)
    bust = Bust(
        tuple(p for p in (skin, hair) if p is not None),
        shape.model.skeleton(shape.joints),
        {},
        points,
    )
    eyes = np.stack([points[[*ring]].mean(0) for ring in (RIGHT_EYE, LEFT_EYE)])
    camera = orbit(0.0, 0.0, target=eyes.mean(0) - [0, 0.03, 0.05], distance=1.5, focal=3.6)
    frame = render_bust(bust, camera, size=SIZE, supersample=1)
    right, left = project(eyes, camera, (SIZE, SIZE))[:, :2]
    iod = float(np.linalg.norm(left - right))
    middle = 0.5 * (left + right)
    x, y = np.meshgrid(GRID_X, GRID_Y)
    at = [middle[1] - y * iod - 0.5, middle[0] + x * iod - 0.5]
    mask = (frame.segmentation == Segment.HAIR).astype(np.float32)
    return map_coordinates(mask, at, order=1) > 0.4


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    average = AvatarParameters()
    shape = shape_head(average)
    table = variants()
    masks = []
    for index, length, line, volume, fringe in table:
        style = get_args(HairStyle)[index]
        values = average.to_dict() | {
            "hair_style": style,
            "hair_length": length,
            "hair_line": line,
            "hair_volume": volume,
            "hair_fringe": fringe,
        }
        masks.append(silhouette(AvatarParameters.from_dict(values), shape))
        values = (length, line, volume, fringe, masks[-1].sum())
        log.info("%s %.2f %.2f %.2f %.2f: %d cells", style, *values)
    style, length, line, volume, fringe = zip(*table, strict=True)
    np.savez_compressed(
        MASKS_PATH,
        style=np.array(style, np.uint8),
        length=np.array(length, np.float32),
        line=np.array(line, np.float32),
        volume=np.array(volume, np.float32),
        fringe=np.array(fringe, np.float32),
        masks=np.packbits(np.array(masks).reshape(len(masks), -1), axis=1),
    )
    log.info("wrote %s, %d bytes", MASKS_PATH, MASKS_PATH.stat().st_size)


if __name__ == "__main__":
    main()
