"""The commands adapt prepare, train, apply, reference and video."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import degrees, radians
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from rich.console import Console
from tyro.conf import OmitArgPrefixes, OmitSubcommandPrefixes, Positional, arg, subcommand

from portraiture.cli.progress import TerminalProgress
from portraiture.errors import AdaptError
from portraiture.types import DeviceName, StylePreset

if TYPE_CHECKING:
    from portraiture.head import Head
    from portraiture.models import Models
    from portraiture.progress import Progress

console = Console()


@dataclass(frozen=True)
class AdaptPrepare:
    """Prepare a folder of portraits in some style for training, and recover their cameras.

    Each image is cropped to its face, cut out over white, and compared with the generator's mean
    head from many cameras. Writes 00000.webp … and cameras.json, all of them or none.

    Example: portraiture adapt prepare --images paintings --out prepared
    """

    images: Path
    """Folder with portraits; images in folders below count."""
    out: Path
    """Folder for the results."""
    crops: bool = False
    """The images are square crops over white already, or people of synth."""
    network: str = "heads"
    """The generator to adapt."""
    device: DeviceName = "auto"
    """Where to compute; auto takes CUDA where there is one."""
    overwrite: bool = False
    """Replace files of an earlier run."""


@dataclass(frozen=True)
class AdaptTrain:
    """Train a style from a folder of portraits: a 3D generator linked to heads, after 3DAvatarGAN.

    Writes images/ (as adapt prepare does), run/ (the training, with grids/), and style/ (the
    result, 8-bit residual weights). Rerun the same command to resume. With --bundle the training is
    not run but written as a folder that trains on a bare GPU machine; put its style.safetensors
    wherever --style is asked for.

    Example: portraiture adapt train --images paintings --out painted
    """

    images: Path
    """Folder with portraits, from about a hundred on; images in folders below count."""
    out: Path
    """Folder of the run and the style."""
    crops: bool = False
    """The images are square crops over white already, or people of synth."""
    preset: StylePreset = "cpu"
    """tiny: a trial. cpu: hours on two cores. gpu: minutes on one large GPU. paper: the published
    length."""
    alignment: Literal["images", "samples"] = "images"
    """Cameras are recovered from the images (ours), or, as published, from samples of a 2D
    generator (faces2d) that is first fine-tuned on them, which takes as long again."""
    network: str = "heads"
    """The generator to adapt."""
    bundle: Path | None = None
    """Folder for a self-contained training instead."""
    seed: int | None = None
    """Random seed; the preset's by default."""
    steps: int | None = None
    """Number of training steps; the preset's by default."""
    minutes: float | None = None
    """Save a checkpoint and stop after this many minutes of training."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto takes a GPU if there is one."""


@dataclass(frozen=True)
class AdaptApply:
    """Put a neural head, or the person of a photo, into a trained style, or take it out again.

    Writes head.safetensors (which edit takes), front.png and sheet.png (before and after from five
    views), all of them or none. A photo is first inverted in W (200 steps) and its code optimised
    in the style (400 steps), minutes altogether; a head takes seconds.

    Example: portraiture adapt apply me/head.safetensors --style painted --out me-painted
    """

    source: Annotated[Positional[Path], arg(metavar="HEAD|PHOTO")]
    """A head.safetensors of invert or edit, or a photo."""
    style: str
    """Folder of adapt train, or a style's .safetensors file."""
    out: Path
    """Folder for the results."""
    exaggerate: float = 1.0
    """Amount of the learned warp, from 0 to 2."""
    shape: float = 1.0
    """Amount of the style's shape, from 0 (the person's own) to 1."""
    back: bool = False
    """Take a head out of this style."""
    steps: int | None = None
    """Steps of the optimisation in the style: 400 for a photo, 0 for a head by default."""
    network: str | None = None
    """The generator's weights, if they are not shipped ones."""
    device: DeviceName = "auto"
    """Where to compute; auto takes CUDA where there is one."""
    overwrite: bool = False
    """Replace files of an earlier run."""


@dataclass(frozen=True)
class AdaptReference:
    """Give a neural head the style of one image, such as a painting.

    The image's textures are matched from a camera that turns about the head. Writes
    head.safetensors (a head with weights of its own, which edit takes), front.png and sheet.png,
    all of them or none. Ctrl-C ends the optimisation early, with what it has.

    Example: portraiture adapt reference me/head.safetensors --image painting.jpg --out me-painted
    """

    source: Annotated[Positional[Path], arg(metavar="HEAD|PHOTO")]
    """A head.safetensors of invert or edit, or a photo."""
    image: Path
    """The reference; its middle square is used."""
    out: Path
    """Folder for the results."""
    change: Literal["color", "color+shape"] = "color"
    """Layers that may change: those of colour, or also those of shape."""
    steps: int = 120
    """Steps of the optimisation."""
    perceptual: Path | None = None
    """SqueezeNet weights whose features are matched; our face parser's by default."""
    network: str | None = None
    """The generator's weights, if they are not shipped ones."""
    device: DeviceName = "auto"
    """Where to compute; auto takes CUDA where there is one."""
    overwrite: bool = False
    """Replace files of an earlier run."""


@dataclass(frozen=True)
class AdaptVideo:
    """Move a head in a style by a clip of somebody: expressions of the clip, frame by frame.

    Each frame's face is encoded; the differences from the first frame's code act on the head's.
    Writes video.mp4, or with frames without a face an error that says how many.

    Example: portraiture adapt video clip.mp4 --head me-painted/head.safetensors --style painted
    --out v
    """

    clip: Annotated[Positional[Path], arg(metavar="CLIP")]
    """A video, or a folder of frames."""
    head: Path
    """A head.safetensors of adapt apply; it is who moves."""
    style: str
    """The style that the head is in."""
    out: Path
    """Folder for the results."""
    rows: Literal["published", "all"] = "all"
    """Rows of w+ that move: all, which heads needs for expressions, or those of the paper."""
    swing: float = 0.0
    """Degrees by which the camera swings from side to side."""
    most: int = 240
    """Largest number of frames."""
    encoder: str | None = None
    """Encoder of the frames, such as an e4e of train encoder; the shipped one by default."""
    network: str | None = None
    """The generator's weights, if they are not shipped ones."""
    device: DeviceName = "auto"
    """Where to compute; auto takes CUDA where there is one."""
    overwrite: bool = False
    """Replace files of an earlier run."""


@dataclass(frozen=True)
class Adapt:
    """Neural heads in artistic styles, trained from images alone (3DAvatarGAN).

    No styles ship yet: train one from a folder of portraits.

    Example: portraiture adapt train --images paintings --out painted
    """

    what: OmitSubcommandPrefixes[
        OmitArgPrefixes[
            Annotated[AdaptPrepare, subcommand("prepare")]
            | Annotated[AdaptTrain, subcommand("train")]
            | Annotated[AdaptApply, subcommand("apply")]
            | Annotated[AdaptReference, subcommand("reference")]
            | Annotated[AdaptVideo, subcommand("video")]
        ]
    ]


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
