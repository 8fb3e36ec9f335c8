"""Files of adaptation: a head in a style, and what it looks like.

head.safetensors, style ─stylise─▶ Head ─render─▶ head.safetensors, front.png, sheet.png
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from math import radians
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from portraiture.adapt.reference import (
    ReferenceConfig,
    reference_pixels,
    stylise_by_reference,
)
from portraiture.adapt.style import Style, load_style
from portraiture.adapt.stylise import check_amounts, natural, stylise
from portraiture.adapt.video import Motion, Rows, animate, swinging
from portraiture.errors import AdaptError, CheckpointError, InversionError, PhotoError
from portraiture.head import Head, head_image
from portraiture.media import read_image, staged_folder, write_image, write_video
from portraiture.models import Models
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.paths import check_folder
from portraiture.perception.features import FeatureNetwork, load_squeeze
from portraiture.perception.target import Target, target_of_photo
from portraiture.photo.align import align
from portraiture.progress import SILENT, Progress, counted, raise_if_cancelled

STYLE_FILES = ("head.safetensors", "front.png", "sheet.png")
VIEWS = (radians(-40.0), radians(-20.0), 0.0, radians(20.0), radians(40.0))
VIDEO_FILES = ("video.mp4",)
FEWEST_FACES = 0.5
"""Share of a clip's frames in which a face must be found."""


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


def reference_files(
    head: Head, image: Path, out: Path, *, perceptual: Path | None = None,
    config: ReferenceConfig | None = None, overwrite: bool = False, progress: Progress = SILENT,
) -> Head:  # fmt: skip
    """Stylise a head by a reference image and write `STYLE_FILES`, all of them or none. perceptual:
    SqueezeNet weights, else the shipped parser's features are matched. Raises AdaptError,
    PhotoError, HeadError, OutputError, TrainingError."""
    check_folder(out, STYLE_FILES, overwrite=overwrite)
    features: FeatureNetwork = head.models.parser()
    if perceptual is not None:
        features = load_squeeze(perceptual).to(head.models.device)
    pixels = torch.from_numpy(read_image(image).copy()).permute(2, 0, 1)[None].float()
    reference = reference_pixels(pixels / 127.5 - 1.0, head.network.config.image_size)
    made = stylise_by_reference(
        head, reference, features, name=image.name, config=config, progress=progress
    )
    with staged_folder(out, STYLE_FILES, overwrite=overwrite) as folder:
        made.save(folder / "head.safetensors")
        write_sheet(folder / "sheet.png", (head, made), progress)
        write_image(folder / "front.png", head_image(made))
    return made


class Encoded(Protocol):
    """The result of an encoder that a video needs."""

    @property
    def ws(self) -> Float[Tensor, "1 N D"]: ...


class FrameEncoder(Protocol):
    """An inversion method that is an encoder (`invert.inversion.InversionMethod`)."""

    @property
    def generator(self) -> TriPlaneGenerator: ...

    def invert(self, targets: Sequence[Target], progress: Progress = SILENT) -> Encoded: ...


@dataclass(frozen=True)
class Filmed:
    """frames: of the video. lost: how many had no face and took the code of the one before."""

    frames: int
    lost: int


def video_files(
    head: Head, style: Style, clip: Iterable[UInt8[ndarray, "h w 3"]], encoder: FrameEncoder,
    out: Path, *, rate: float, rows: Rows = "published", swing: float = 0.0,
    overwrite: bool = False, progress: Progress = SILENT,
) -> Filmed:  # fmt: skip
    """Move a head in a style by the codes of a clip's frames and write `VIDEO_FILES`.

    rate: frames a second. rows: see `video.Rows`. swing: largest yaw of the camera, radians. Raises
    AdaptError where too few frames show a face, HeadError, OutputError, CancelledError.
    """
    check_folder(out, VIDEO_FILES, overwrite=overwrite)
    codes, lost = encode_frames(clip, encoder, head.models, progress)
    motion = Motion(codes, swinging(len(codes), swing))
    progress.stage("Render the video", len(codes))
    with staged_folder(out, VIDEO_FILES, overwrite=overwrite) as folder:
        frames = counted(animate(head, style, motion, rows=rows), progress)
        write_video(folder / "video.mp4", frames, rate)
    return Filmed(len(codes), lost)


def encode_frames(
    clip: Iterable[UInt8[ndarray, "h w 3"]], encoder: FrameEncoder, models: Models,
    progress: Progress = SILENT,
) -> tuple[Float[Tensor, "F N D"], int]:  # fmt: skip
    """Codes of the frames, and how many had no usable face; those take their predecessor's code.
    Raises AdaptError, CancelledError."""
    parser, found = models.portrait_parser(), []
    progress.stage("Encode the frames")
    for frame in clip:
        try:
            target = target_of_photo(align(frame), encoder.generator, parser)
            found.append(encoder.invert([target]).ws.detach().cpu())
        except (PhotoError, InversionError):
            found.append(None)
        progress.step()
        raise_if_cancelled(progress)
    if len(found) < 2:
        raise AdaptError("The clip has fewer than two frames; give a longer one.")
    lost = sum(code is None for code in found)
    if lost > (1.0 - FEWEST_FACES) * len(found):
        raise AdaptError(
            f"{lost} of the clip's {len(found)} frames show no usable face; give another clip."
        )
    last = next(code for code in found if code is not None)
    filled = [last := last if code is None else code for code in found]
    return torch.cat(filled), lost
