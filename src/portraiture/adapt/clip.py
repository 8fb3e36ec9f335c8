"""Frames of a clip: a video file, or a folder of images in the order of their names.

A video's container is told by its suffix and read from an open file, so that no clip can make the
reader open another file or an address.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from portraiture.errors import AdaptError
from portraiture.media import IMAGE_SUFFIXES, read_image
from portraiture.pixels import reduced

CONTAINERS: dict[str, Literal["mov", "matroska"]] = {
    ".mp4": "mov", ".mov": "mov", ".m4v": "mov", ".webm": "matroska", ".mkv": "matroska",
}  # fmt: skip
MOST_FRAMES = 1_500
LARGEST = 1_280
"""Longer side to which frames are shrunk."""


def clip_frames(clip: Path, *, most: int = MOST_FRAMES) -> Iterator[UInt8[ndarray, "h w 3"]]:
    """At most `most` frames, upright RGB. Raises AdaptError, PhotoError."""
    if clip.is_dir():
        names = sorted(p for p in clip.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)[:most]
        if not names:
            raise AdaptError(f"{clip} holds no images (PNG, JPEG or WebP).")
        yield from (_small(read_image(name)) for name in names)
        return
    container = CONTAINERS.get(clip.suffix.lower())
    if container is None or not clip.is_file():
        known = ", ".join(CONTAINERS)
        raise AdaptError(f"{clip} is no clip; give a folder of frames, or a file of {known}.")
    yield from _decoded(clip, container, most)


def _decoded(
    clip: Path, container: Literal["mov", "matroska"], most: int
) -> Iterator[UInt8[ndarray, "h w 3"]]:
    import av
    from av.error import FFmpegError

    try:
        with clip.open("rb") as file, av.open(file, "r", format=container) as video:
            for count, frame in enumerate(video.decode(video=0)):
                if count >= most:
                    return
                yield _small(frame.to_ndarray(format="rgb24"))
    except (FFmpegError, OSError, IndexError, ValueError) as error:
        raise AdaptError(f"{clip} is damaged or no video; export it again as MP4.") from error


def clip_rate(clip: Path, default: float = 24.0) -> float:
    """Frames a second of a video file; `default` for a folder. Raises AdaptError."""
    container = CONTAINERS.get(clip.suffix.lower())
    if clip.is_dir() or container is None:
        return default
    import av
    from av.error import FFmpegError

    try:
        with clip.open("rb") as file, av.open(file, "r", format=container) as video:
            rate = video.streams.video[0].average_rate
    except (FFmpegError, OSError, IndexError) as error:
        raise AdaptError(f"{clip} is damaged or no video; export it again as MP4.") from error
    return float(rate) if rate else default


def _small(image: UInt8[ndarray, "h w 3"]) -> UInt8[ndarray, "a b 3"]:
    factor = max(image.shape[:2]) / LARGEST
    return np.ascontiguousarray(reduced(image, factor) if factor > 1.0 else image)
