"""A sheet of concepts on one person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image, ImageDraw, ImageFont

from portraiture.avatar import Avatar
from portraiture.engine.concepts.table import CONCEPTS
from portraiture.export.video import over, studio_wall
from portraiture.progress import SILENT, Progress, raise_if_cancelled
from portraiture.restyle.run import with_concepts

LABEL_PX = 18
SUPERSAMPLED = 2


def concept_sheet(
    avatars: Sequence[Avatar],
    names: Sequence[str] = tuple(CONCEPTS),
    *,
    size: int = 160,
    columns: int = 12,
    progress: Progress = SILENT,
) -> UInt8[ndarray, "h w 3"]:
    """Each concept on each person from the front, labelled; people side by side. size: of a
    picture, pixels. Raises ConceptError, CancelledError."""
    cells = []
    progress.stage("Render the concepts", len(names) * len(avatars))
    for name in names:
        row = []
        for avatar in avatars:
            row.append(_front(with_concepts(avatar, (name,)), size))
            progress.step()
            raise_if_cancelled(progress)
        cells.append(_labelled(np.concatenate(row, 1), name.replace("_", " ")))
    blank = np.full_like(cells[0], 255)
    columns = min(columns, len(cells))
    cells += [blank] * (-len(cells) % columns)
    rows = [np.concatenate(cells[k : k + columns], 1) for k in range(0, len(cells), columns)]
    return np.concatenate(rows)


def _front(avatar: Avatar, size: int) -> UInt8[ndarray, "n n 3"]:
    large = SUPERSAMPLED * size
    image = over(avatar.render(size=large, expression=avatar.expression), studio_wall(large, large))
    small = Image.fromarray(image).resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(small)


def _labelled(image: UInt8[ndarray, "h w 3"], text: str) -> UInt8[ndarray, "h2 w 3"]:
    strip = Image.new("RGB", (image.shape[1], LABEL_PX), (255, 255, 255))
    draw = ImageDraw.Draw(strip)
    draw.text((4, 2), text, fill=(30, 30, 30), font=ImageFont.load_default(13))
    return np.concatenate([image, np.asarray(strip)])
