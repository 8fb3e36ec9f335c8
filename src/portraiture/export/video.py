"""A portrait that turns: frames for `portraiture.media.write_video`."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

from portraiture.ops.parallel import in_order
from portraiture.render.composite import decode_srgb, encode_srgb
from portraiture.render.framing import portrait_camera
from portraiture.types import Bust, Camera, as_uint8

Render = Callable[[Bust, Camera], Float32[ndarray, "h w 4"]]
"""A bust and a camera to an image: `render_rgba` with its options bound."""

WALL_TOP = (0.93, 0.93, 0.94)
WALL_BOTTOM = (0.74, 0.75, 0.78)


def turntable(
    bust: Bust,
    render: Render,
    *,
    frames: int = 96,
    sweep: float = 0.9,
    pitch: float = 0.05,
    backdrop: UInt8[ndarray, "h w 3"] | None = None,
    threads: int = 1,
) -> Generator[UInt8[ndarray, "h w 3"], None, None]:
    """`frames` images of one gentle swing to either side that ends where it began.

    The camera's yaw is ``sweep * sin(2 pi i / frames)``: it slows down before it turns back, and
    the video loops without a jump. sweep, pitch: radians. backdrop: behind the transparent pixels,
    default `studio_wall`. threads: on which `render` runs. Raises ValueError for fewer than 4
    frames or an odd number.
    """
    walls: list[ndarray] = [] if backdrop is None else [backdrop]

    def frame_at(yaw: float) -> UInt8[ndarray, "h w 3"]:
        rgba = render(bust, portrait_camera(bust, yaw=yaw, pitch=pitch))
        if not walls:
            walls.append(studio_wall(*rgba.shape[:2]))
        return over(rgba, walls[0])

    return swing(frame_at, frames=frames, sweep=sweep, threads=threads)


def swing(
    frame_at: Callable[[float], UInt8[ndarray, "h w 3"]],
    *,
    frames: int,
    sweep: float,
    threads: int = 1,
) -> Generator[UInt8[ndarray, "h w 3"], None, None]:
    """`frames` images of one swing to either side of `sweep` radians that ends where it began.

    frame_at: of a yaw, radians. Every yaw but the two outermost comes twice and is asked for once.
    threads: on which it is asked for. Raises ValueError for fewer than 4 frames or an odd number.
    """
    if frames < 4 or frames % 2:
        raise ValueError(f"a swing takes an even number of frames, at least 4, not {frames}")
    twins = [(frames // 2 - index) % frames for index in range(frames)]  # sin(pi - x) = sin(x)
    yaws = sweep * np.sin(2.0 * np.pi * np.arange(frames) / frames)
    asked = [float(yaw) for index, yaw in enumerate(yaws) if twins[index] >= index]
    kept: dict[int, ndarray] = {}
    with closing(in_order(frame_at, asked, threads=threads)) as images:
        for index, twin in enumerate(twins):
            if twin < index:
                yield kept.pop(twin)
                continue
            image = next(images)
            if twin > index:
                kept[index] = image
            yield image


def studio_wall(height: int, width: int) -> UInt8[ndarray, "h w 3"]:
    """A soft grey gradient, lighter above."""
    down = np.linspace(0.0, 1.0, height)[:, None, None]
    wall = np.array(WALL_TOP) * (1.0 - down) + np.array(WALL_BOTTOM) * down
    return as_uint8(np.broadcast_to(wall, (height, width, 3)))


def over(
    rgba: Float32[ndarray, "h w 4"], backdrop: UInt8[ndarray, "h w 3"]
) -> UInt8[ndarray, "h w 3"]:
    """Straight-alpha `rgba` in [0, 1] in front of `backdrop`, composited in linear light."""
    alpha = rgba[..., 3:]
    image = np.where(alpha > 0.0, rgba[..., :3], backdrop / 255.0)
    mixed = (alpha > 0.0)[..., 0] & (alpha < 1.0)[..., 0]
    under, share = decode_srgb(backdrop[mixed] / 255.0), alpha[mixed]
    image[mixed] = encode_srgb(decode_srgb(image[mixed]) * share + under * (1.0 - share))
    return as_uint8(image)
