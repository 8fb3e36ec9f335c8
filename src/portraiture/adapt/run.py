"""Files of adaptation: a head in a style, and what it looks like.

head.safetensors, style ─stylise─▶ Head ─render─▶ head.safetensors, front.png, sheet.png
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import radians
from pathlib import Path

import numpy as np

from portraiture.adapt.style import Style, load_style
from portraiture.adapt.stylise import check_amounts, natural, stylise
from portraiture.errors import AdaptError, CheckpointError
from portraiture.head import Head, head_image
from portraiture.media import staged_folder, write_image
from portraiture.models import Models
from portraiture.paths import check_folder
from portraiture.progress import SILENT, Progress, counted

STYLE_FILES = ("head.safetensors", "front.png", "sheet.png")
VIEWS = (radians(-40.0), radians(-20.0), 0.0, radians(20.0), radians(40.0))
BACK = "natural"
"""The name of a style that is none: takes one off."""


def find_style(path: str | Path, models: Models) -> Style:
    """A trained style: its folder or .safetensors file. Raises AdaptError, CheckpointError."""
    if not Path(path).exists():
        raise AdaptError(
            f"There is no style {path}; no styles ship yet, so train one (portraiture adapt train)"
            " and give its folder."
        )
    inner = Path(path) / "style"
    try:
        return models.load(load_style, inner if inner.is_dir() else path)
    except CheckpointError as error:
        raise CheckpointError(f"{path} is no style: {error}") from error


def style_files(
    head: Head, style: Style, out: Path, *, name: str, shape: float = 1.0,
    exaggerate: float = 1.0, back: bool = False, overwrite: bool = False,
    refine: Callable[[Head], Head] | None = None, progress: Progress = SILENT,
) -> Head:  # fmt: skip
    """Put a head into a style, or with `back` take it out again, and write `STYLE_FILES` into
    `out`, all of them or none: the head, its front, and a sheet of both from several views. refine:
    what is done to the styled head before (`adapt.personalise`). Raises AdaptError, HeadError,
    OutputError, CancelledError."""
    check_amounts(shape, exaggerate)
    check_folder(out, STYLE_FILES, overwrite=overwrite)
    progress.stage("Apply the style")
    if back:
        made = natural(head, style)
    else:
        made = stylise(head, style, name=name, shape=shape, exaggerate=exaggerate)
    if refine is not None:
        made = refine(made)
    with staged_folder(out, STYLE_FILES, overwrite=overwrite) as folder:
        made.save(folder / "head.safetensors")
        write_sheet(folder / "sheet.png", (head, made), progress)
        write_image(folder / "front.png", head_image(made))
    return made


def write_sheet(path: Path, heads: tuple[Head, ...], progress: Progress = SILENT) -> None:
    """One row of views for each head."""
    progress.stage("Render the views", len(heads) * len(VIEWS))
    shown = [head_image(one, yaw) for one, yaw in counted(product(heads, VIEWS), progress)]
    count = len(VIEWS)
    rows = [np.concatenate(shown[k : k + count], 1) for k in range(0, len(shown), count)]
    write_image(path, np.concatenate(rows))
