"""The commands adapt prepare, train, apply, reference and video."""

from __future__ import annotations

from functools import partial
from math import degrees, radians
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from portraiture.cli.adapt_commands import (
    Adapt,
    AdaptApply,
    AdaptPrepare,
    AdaptReference,
    AdaptTrain,
    AdaptVideo,
)
from portraiture.cli.progress import TerminalProgress
from portraiture.errors import AdaptError
from portraiture.paths import check_folder

if TYPE_CHECKING:
    from portraiture.head import Head
    from portraiture.models import Models
    from portraiture.progress import Progress

console = Console()


def adapt(command: Adapt) -> None:
    match command.what:
        case AdaptPrepare():
            _prepare(command.what)
        case AdaptTrain():
            _train(command.what)
        case AdaptApply():
            _apply(command.what)
        case AdaptReference():
            _reference(command.what)
        case AdaptVideo():
            _video(command.what)


def _prepare(command: AdaptPrepare) -> None:
    from portraiture.adapt.prepare import prepare_images
    from portraiture.models import Models, choose_device

    with TerminalProgress() as progress:
        made = prepare_images(
            command.images, command.out, network=command.network, crops=command.crops,
            models=Models(choose_device(command.device)), overwrite=command.overwrite,
            progress=progress,
        )  # fmt: skip
    yaw, pitch = made.cameras.spread()
    console.print(
        f"{made.images} images in {command.out}, {len(made.refused)} without a usable face; yaw"
        f" {degrees(yaw.mean):+.1f} ± {degrees(yaw.deviation):.1f}°, pitch"
        f" {degrees(pitch.mean):+.1f} ± {degrees(pitch.deviation):.1f}°",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip


def _train(command: AdaptTrain) -> None:
    from portraiture.cli.adapt_train import train_style, write_style_bundle

    with TerminalProgress() as progress:
        if command.bundle is not None:
            made = write_style_bundle(command, command.bundle, progress)
            size = f"{made.bytes / 1e6:.1f} MB, {made.people} images"
            text = f"{made.folder}: {size}; there: python3 train.py --out DIR"
        else:
            finished, folder = train_style(command, progress)
            text = f"{'Finished' if finished else 'Stopped; rerun to resume'}: {folder}"
    console.print(text, markup=False, soft_wrap=True)


def _apply(command: AdaptApply) -> None:
    from portraiture.adapt.run import STYLE_FILES, find_style, style_files
    from portraiture.adapt.stylise import check_amounts
    from portraiture.models import Models, choose_device

    check_amounts(command.shape, command.exaggerate)
    models = Models(choose_device(command.device))
    style = find_style(command.style, models)
    of_photo = command.source.suffix != ".safetensors"
    if command.back and of_photo:
        raise AdaptError("--back is for a head in a style.")
    if command.steps is not None and not 0 <= command.steps <= 10_000:
        raise AdaptError(f"--steps goes from 0 to 10,000, not {command.steps}.")
    steps = command.steps if command.steps is not None else (400 if of_photo else 0)
    check_folder(command.out, STYLE_FILES, overwrite=command.overwrite)
    with TerminalProgress() as progress:
        head = source_head(command.source, command.network, models, progress)
        refine = None
        if steps and not command.back:
            from portraiture.adapt.personalise import PersonalConfig, personalise

            refine = partial(
                personalise, plain=head, style=style, config=PersonalConfig(steps=steps),
                progress=progress,
            )  # fmt: skip
        style_files(
            head, style, command.out, name=Path(command.style).name, shape=command.shape,
            exaggerate=command.exaggerate, back=command.back, overwrite=command.overwrite,
            refine=refine, progress=progress,
        )  # fmt: skip
    console.print(f"Wrote {', '.join(STYLE_FILES)} to {command.out}", markup=False, soft_wrap=True)


def _reference(command: AdaptReference) -> None:
    from portraiture.adapt.reference import ReferenceConfig
    from portraiture.adapt.run import STYLE_FILES, reference_files
    from portraiture.models import Models, choose_device

    if not 1 <= command.steps <= 10_000:
        raise AdaptError(f"--steps goes from 1 to 10,000, not {command.steps}.")
    check_folder(command.out, STYLE_FILES, overwrite=command.overwrite)
    models = Models(choose_device(command.device))
    with TerminalProgress() as progress:
        head = source_head(command.source, command.network, models, progress)
        reference_files(
            head, command.image, command.out, perceptual=command.perceptual,
            config=ReferenceConfig(changed=command.change, steps=command.steps),
            overwrite=command.overwrite, progress=progress,
        )  # fmt: skip
    console.print(f"Wrote {', '.join(STYLE_FILES)} to {command.out}", markup=False, soft_wrap=True)


def _video(command: AdaptVideo) -> None:
    from portraiture.adapt.clip import clip_frames, clip_rate
    from portraiture.adapt.run import find_style, video_files
    from portraiture.head import Head
    from portraiture.invert.method import encoder_kind, encoder_method
    from portraiture.models import Models, choose_device

    if not 2 <= command.most <= 1_500:
        raise AdaptError(f"--most goes from 2 to 1500, not {command.most}.")
    if not 0.0 <= command.swing <= 60.0:
        raise AdaptError(f"--swing goes from 0 to 60 degrees, not {command.swing:g}.")
    models = Models(choose_device(command.device))
    head = Head.load(command.head, network=command.network, models=models)
    style = find_style(command.style, models)
    kind = "aligned" if command.encoder is None else encoder_kind(models, command.encoder)
    method = encoder_method(
        models, kind, network=head.generator, weights=command.encoder, aligned=False
    )
    with TerminalProgress() as progress:
        made = video_files(
            head, style, clip_frames(command.clip, most=command.most), method, command.out,
            rate=clip_rate(command.clip), rows=command.rows, swing=radians(command.swing),
            overwrite=command.overwrite, progress=progress,
        )  # fmt: skip
    lost = f", {made.lost} frames without a face were filled in" if made.lost else ""
    console.print(f"Wrote video.mp4 to {command.out}, {made.frames} frames{lost}", markup=False)


def source_head(path: Path, network: str | None, models: Models, progress: Progress) -> Head:
    """The head of a file, or of a photo by 200 steps in W (3DAvatarGAN, section 4)."""
    from portraiture.head import Head
    from portraiture.invert.method import optimiser_method
    from portraiture.invert.run import invert_photos
    from portraiture.photo.align import align

    if path.suffix == ".safetensors":
        return Head.load(path, network=network, models=models)
    method = optimiser_method(models, "w", network=network or "heads", steps=200)
    progress.stage("Align the photo", 1)
    return invert_photos([align(path)], method, progress=progress)[0]
