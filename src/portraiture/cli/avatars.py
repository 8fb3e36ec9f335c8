"""The commands create, avatar, render and assets; the only place where angles are in degrees."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite, radians
from pathlib import Path
from typing import Annotated, Literal

from rich.console import Console
from rich.table import Table
from tyro.conf import Positional, arg

from portraiture.cli.progress import TerminalProgress
from portraiture.errors import AvatarError
from portraiture.export.vrm import VrmMeta
from portraiture.types import DeviceName, Style


@dataclass(frozen=True)
class Create:
    """Turn a photo into an avatar.

    Takes one portrait and writes avatar.glb, avatar.vrm (VRM 1.0), avatar.json (the parameters, for
    portraiture render), front.png, overlay.jpg (the fit over the photo), turntable.mp4 and
    report.html (open this one first) to the output folder; all of them or none.

    Example: portraiture create me.jpg --out me --style pixar
    """

    photo: Positional[Path]
    """JPEG, PNG, WebP, TIFF, GIF or HEIC; the face at least 64 pixels tall, turned under 60°."""
    out: Path
    """Output folder; created if it does not exist."""
    style: Style = "natural"
    """Look of the avatar; all but natural change its shape and shading."""
    face: int | None = None
    """Which face to use if there are several: 1 is the largest, the default."""
    assets: Path | None = None
    """Folder of MakeHuman assets (.mhclo) to choose hair and clothes from, or "installed"."""
    meta: Annotated[VrmMeta, arg(name="")] = field(default_factory=VrmMeta)
    overwrite: bool = False
    """Replace the files of an earlier run."""


@dataclass(frozen=True)
class Parametrize:
    """Find the engine's parameters of a photo by AgileAvatar's cascade: the portrait is stylised,
    mapped to a relaxed vector, and that made strict choice by choice.

    Writes stages.png (photo, stylised portrait, relaxed and strict render, the engine's), the
    avatar's files (avatar.glb, avatar.vrm, avatar.json, front.png) and report.html, all of them or
    none. Unlike create it takes nothing of the photo's texture. No weights for it ship yet: train
    some (portraiture train faces-encoder, adversarial-faces, imitator, mapper) into one folder.

    Example: portraiture parametrize me.jpg --networks cascade --style pixar --out me
    """

    photo: Positional[Path]
    """JPEG, PNG, WebP, TIFF, GIF or HEIC; the face at least 64 pixels tall, turned under 60°."""
    out: Path
    """Output folder; created if it does not exist."""
    networks: Path
    """Folder with encoder, stylised, imitator and mapper.safetensors."""
    style: Style = "natural"
    """Look of the avatar; all but natural change its shape and shading."""
    face: int | None = None
    """Which face to use if there are several: 1 is the largest, the default."""
    device: DeviceName = "auto"
    """Where to compute; auto takes CUDA where there is one."""
    overwrite: bool = False
    """Replace the files of an earlier run."""


@dataclass(frozen=True)
class MakeAvatar:
    """Make a random avatar from a seed.

    Writes avatar.glb, avatar.vrm, avatar.json and front.png. The same seed gives the same person.

    Example: portraiture avatar --seed 7 --style cartoon --out seven
    """

    seed: int
    """Random seed, a whole number from 0."""
    out: Path
    """Output folder; created if it does not exist."""
    style: Style = "natural"
    """Look of the avatar; all but natural change its shape and shading."""
    assets: Path | None = None
    """Folder of MakeHuman assets (.mhclo) to dress the person from, or "installed"."""
    meta: Annotated[VrmMeta, arg(name="")] = field(default_factory=VrmMeta)
    overwrite: bool = False
    """Replace the files of an earlier run."""


@dataclass(frozen=True)
class Render:
    """Render an avatar.json from any side.

    Takes the avatar.json that create or avatar wrote and writes one image.

    Example: portraiture render me/avatar.json --yaw 30 --size 1024 --out me/left.png
    """

    avatar: Positional[Path]
    """The avatar.json that create or avatar wrote."""
    yaw: float = 0.0
    """Degrees; positive shows the person's left side."""
    pitch: float = 0.0
    """Degrees; positive looks from above."""
    size: int = 512
    """Width and height of the image in pixels, 16 to 4096."""
    out: Path = Path("render.png")
    """Image to write (.png, .jpg, .webp)."""
    transparent: bool = False
    """Leave the background transparent (PNG, WebP)."""
    assets: Path | None = None
    """Folder with the MakeHuman assets that the avatar wears, or "installed"."""
    overwrite: bool = False
    """Replace an existing image."""


@dataclass(frozen=True)
class Assets:
    """List the installed packs of MakeHuman assets, or install one.

    Example: portraiture assets install makehuman_cc0.zip
    """

    action: Positional[Literal["list", "install"]] = "list"
    """List the installed packs, or install PACK."""
    pack: Annotated[Positional[Path | None], arg(metavar="[PACK]")] = None
    """ZIP file or folder with .mhclo files to install."""
    overwrite: bool = False
    """Replace an installed pack of the same name."""


console = Console()


def create(command: Create) -> None:
    from portraiture.create.run import create_files

    with TerminalProgress() as progress:
        made = create_files(
            command.photo,
            command.out,
            style=command.style,
            face=command.face,
            asset_folder=asset_folder(command.assets),
            meta=command.meta,
            overwrite=command.overwrite,
            progress=progress,
        )
    console.print(progress.table())
    for note in made.notes:
        console.print(f"Note: {note}", highlight=False)
    console.print(f"Open {command.out / 'report.html'}", highlight=False, soft_wrap=True)


def make_avatar(command: MakeAvatar) -> None:
    from portraiture.avatar import Avatar
    from portraiture.create.run import sample_files

    if command.seed < 0:
        raise AvatarError(f"--seed must be a whole number from 0, not {command.seed}.")
    avatar = Avatar.sample(
        command.seed, style=command.style, asset_folder=asset_folder(command.assets)
    )
    with TerminalProgress() as progress:
        sample_files(
            avatar, command.out, meta=command.meta, overwrite=command.overwrite, progress=progress
        )
    console.print(progress.table())
    console.print(f"Wrote {command.out / 'avatar.glb'}", highlight=False, soft_wrap=True)


def render(command: Render) -> None:
    from portraiture.avatar import Avatar
    from portraiture.export.video import over, studio_wall
    from portraiture.media import write_image
    from portraiture.types import as_uint8

    if not 16 <= command.size <= 4096:
        raise AvatarError(f"--size must be from 16 to 4096, not {command.size}.")
    avatar = Avatar.load(command.avatar, asset_folder=asset_folder(command.assets))
    rgba = avatar.render(
        yaw=_radians(command.yaw), pitch=_radians(command.pitch), size=command.size
    )
    wall = studio_wall(command.size, command.size)
    write_image(command.out, as_uint8(rgba) if command.transparent else over(rgba, wall))
    console.print(f"Wrote {command.out}", highlight=False, soft_wrap=True)


def assets(command: Assets) -> None:
    from portraiture.engine.packs.packs import install_pack, installed_packs

    if command.action == "install":
        if command.pack is None:
            raise AvatarError("portraiture assets install needs a ZIP or a folder.")
        installed = install_pack(command.pack, overwrite=command.overwrite)
        console.print(installed.licence.strip(), highlight=False)
        console.print(f"Installed {installed.name}: {installed.summary()}", highlight=False)
        return
    table = Table("Pack", "Assets", "Licence")
    for pack in installed_packs():
        table.add_row(pack.name, pack.summary(), pack.licence_title)
    if table.row_count:
        console.print(table)
    else:
        console.print("No packs yet. Try: portraiture assets install ZIP_OR_DIR")


def asset_folder(folder: Path | None) -> Path | None:
    """Resolve `--assets`: a folder, or "installed" for the folder of installed packs."""
    from portraiture.engine.packs.assets import packs_folder

    return packs_folder() if folder == Path("installed") else folder


def _radians(degrees: float) -> float:
    if not isfinite(degrees):
        raise AvatarError("Angles must be finite numbers of degrees.")
    return radians(degrees)


def parametrize(command: Parametrize) -> None:
    from portraiture.models import Models, choose_device
    from portraiture.parametrize.run import PARAMETRIZE_FILES, parametrize_files

    with TerminalProgress() as progress:
        parametrize_files(
            command.photo, command.out, networks=command.networks, style=command.style,
            face=command.face, models=Models(choose_device(command.device)),
            overwrite=command.overwrite, progress=progress,
        )  # fmt: skip
    files = ", ".join(PARAMETRIZE_FILES)
    console.print(f"Wrote {files} to {command.out}", markup=False, soft_wrap=True)
