"""The main path: one photo in, an avatar and its files out.

photo ─align─▶ Photo ─fit─▶ Fitted ─▶ Avatar ─build─▶ Bust ─render, export─▶ files
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image

from portraiture.avatar import Avatar, check_style
from portraiture.avatar_files import (
    TURNTABLE_FRAMES,
    build,
    portrait,
    portraits,
    shoot,
    write_model,
    write_turntable,
)
from portraiture.camera import project
from portraiture.engine.build import with_expression
from portraiture.engine.packs.assets import find_assets
from portraiture.engine.packs.dress import dress
from portraiture.export.html import write_report
from portraiture.export.video import over
from portraiture.export.vrm import VrmMeta
from portraiture.fit.run import Fitted, fit_photo
from portraiture.media import staged_folder, write_image
from portraiture.photo.align import align
from portraiture.pixels import reduced
from portraiture.progress import SILENT, Progress, StageTimes, raise_if_cancelled
from portraiture.types import Bust, Photo, Style
from portraiture.version import __version__

PHOTO_FILES = (
    "avatar.glb",
    "avatar.vrm",
    "avatar.json",
    "front.png",
    "overlay.jpg",
    "turntable.mp4",
    "report.html",
)
SEED_FILES = ("avatar.glb", "avatar.vrm", "avatar.json", "front.png")
PANEL_PX = 1280
"""Longer side of each panel of the overlay."""


@dataclass(frozen=True)
class Creation:
    """An avatar together with the photo and the fit that it came from."""

    avatar: Avatar
    photo: Photo
    fitted: Fitted

    @property
    def notes(self) -> tuple[str, ...]:
        """Plain sentences for the user, about the photo and about what was made of it."""
        return (*self.photo.quality.notes, *self.fitted.notes)


def create(
    photo: Path | str | ndarray | Image.Image,
    *,
    style: Style = "natural",
    face: int | None = None,
    asset_folder: Path | None = None,
    progress: Progress = SILENT,
) -> Avatar:
    """Turn a photo (path, upright RGB array or Pillow image, see `photo.align`) into an avatar.

    face: 1 is the largest face, 2 the next. Raises PhotoError with one sentence when the photo
    cannot be used, AvatarError for an unknown style.
    """
    check_style(style)
    aligned = align(photo, face=face)
    fitted = fit_photo(aligned, progress=progress)
    return make_avatar(aligned, fitted, style, asset_folder)


def make_avatar(
    photo: Photo, fitted: Fitted, style: Style = "natural", asset_folder: Path | None = None
) -> Avatar:
    """The avatar of a fitted photo, in hair and clothes of `asset_folder` where they suit."""
    assets = find_assets(asset_folder) if asset_folder else []
    wearable = [asset for asset in assets if asset.kind in ("hair", "clothes")]
    return Avatar(
        parameters=fitted.parameters,
        style=style,
        expression=fitted.expression,
        albedo=fitted.albedo,
        camera=fitted.camera,
        light=fitted.light,
        assets=tuple(asset.name for asset in dress(fitted.parameters, wearable, seed=0)),
        asset_folder=asset_folder,
        provenance={
            "made by": f"portraiture {__version__}",
            "photo": Path(photo.name).name,
            "style": style,
        },
    )


def create_files(
    photo_path: Path,
    out: Path,
    *,
    style: Style = "natural",
    face: int | None = None,
    asset_folder: Path | None = None,
    meta: VrmMeta | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> Creation:
    """Run the main path and write `PHOTO_FILES` into `out`, all of them or none.

    meta: of the VRM, whose title is by default the photo's name. Raises PhotoError, AssetError,
    AvatarError, OutputError or CancelledError, each with one sentence.
    """
    check_style(style)
    meta = (meta or VrmMeta()).check()
    times = StageTimes(progress)
    with staged_folder(out, PHOTO_FILES, overwrite=overwrite) as folder:
        times.stage("Align the photo")
        photo = align(photo_path, face=face)
        raise_if_cancelled(times)
        fitted = fit_photo(photo, progress=times)
        avatar = make_avatar(photo, fitted, style, asset_folder)
        made = Creation(avatar, photo, fitted)
        bust = build(avatar, times)
        times.stage("Render")
        renders = portraits(avatar, bust)
        overlay = _overlay(avatar, bust, photo, fitted)
        write_image(folder / "front.png", renders["front"])
        write_image(folder / "overlay.jpg", overlay)
        raise_if_cancelled(times)
        named = replace(meta, title=meta.titled(photo_path.stem))
        times.stage("Write GLB, VRM and turntable", TURNTABLE_FRAMES)
        with ThreadPoolExecutor(1, "portraiture-model") as beside:
            model = beside.submit(write_model, avatar, bust, renders["front"], named, folder)
            write_turntable(avatar, bust, folder / "turntable.mp4", times)
            model.result()
        times.stage("Write the report")
        write_report(
            folder / "report.html",
            photo_image=photo.crop,
            overlay=overlay,
            renders=renders,
            glb_bytes=(folder / "avatar.glb").read_bytes(),
            quality=replace(photo.quality, notes=made.notes),
            stages=list(times.seconds.items()),
            provenance=dict(avatar.provenance),
        )
    return made


def sample_files(
    avatar: Avatar, out: Path, *, meta: VrmMeta | None = None, overwrite: bool = False,
    progress: Progress = SILENT,
) -> Avatar:  # fmt: skip
    """Write `SEED_FILES` of an avatar into `out`, all of them or none.

    meta: of the VRM, whose title is by default the folder's name. Raises OutputError, AvatarError
    or CancelledError.
    """
    meta = (meta or VrmMeta()).check()
    with staged_folder(out, SEED_FILES, overwrite=overwrite) as folder:
        bust = build(avatar, progress)
        progress.stage("Render")
        posed = replace(bust, expression=avatar.expression)
        front = portrait(avatar, posed, 0.0, size=768)
        write_image(folder / "front.png", front)
        raise_if_cancelled(progress)
        named = replace(meta, title=meta.titled(out.resolve().name))
        progress.stage("Write GLB and VRM")
        write_model(avatar, bust, front, named, folder)
        raise_if_cancelled(progress)
    return avatar


def _overlay(
    avatar: Avatar, neutral: Bust, photo: Photo, fitted: Fitted
) -> UInt8[ndarray, "h w 3"]:
    """The photo, the render at its camera with its light and expression over it, and the photo
    with the fitted landmarks, side by side, each at most `PANEL_PX`."""
    bust = with_expression(
        neutral, avatar.parameters, fitted.expression, style=avatar.style, makeover=avatar.makeover
    )
    image = reduced(photo.image, max(photo.image.shape) / PANEL_PX)
    size = (image.shape[0], image.shape[1])
    covered = over(shoot(avatar, bust, fitted.camera, size, fitted.light), image)
    landmarks = project(bust.landmarks, fitted.camera, size)[:, :2]
    return np.concatenate([image, covered, _mark(image, landmarks)], axis=1)


def _mark(image: ndarray, landmarks: ndarray) -> ndarray:
    marked = image.copy()
    radius = max(1, round(max(image.shape[:2]) / 500))
    for x, y in np.round(landmarks - 0.5).astype(int):
        rows = slice(max(0, y - radius + 1), max(0, y + radius))
        columns = slice(max(0, x - radius + 1), max(0, x + radius))
        marked[rows, columns] = (64, 224, 160)
    return marked
