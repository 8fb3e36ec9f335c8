"""The command export: an avatar as GLB or VRM, as heavy or light as a program needs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from rich.console import Console
from tyro.conf import Positional, arg

from portraiture.cli.avatars import asset_folder
from portraiture.export.options import (
    Channel,
    GlbOptions,
    Lod,
    Pose,
    TextureFormat,
    TextureSide,
    parse_morphs,
)
from portraiture.export.vrm import VrmMeta

EXPORT_SUFFIXES = (".glb", ".vrm")


@dataclass(frozen=True)
class Export:
    """Write an avatar as GLB or VRM, as light as a game or web page needs it.

    Takes the avatar.json that create or avatar wrote. Without options the GLB is the one that
    create writes. A web page does well with --lod 1 --atlas 1024 --format webp --meshopt (1 to 2
    MB); engines that read core glTF only need neither --format webp nor --meshopt.

    Example: portraiture export me/avatar.json --out me.glb --lod 1 --atlas 1024 --meshopt
    """

    avatar: Positional[Path]
    """The avatar.json that create or avatar wrote."""
    out: Path
    """File to write, .glb or .vrm; a VRM has no webp and no meshopt, and is always in T-pose."""
    lod: Lod = 0
    """Level of detail: 0 is everything (about 60,000 triangles), 1 about 15,000, 2 about 5,000; the
    morph targets stay."""
    texture_size: TextureSide | None = None
    """Longest side of any texture in pixels; larger ones are reduced."""
    format: TextureFormat | None = None
    """Of textures: by default JPEG, and PNG where there is alpha. webp is smallest and needs
    EXT_texture_webp (three.js, Babylon.js, Blender, Godot)."""
    atlas: TextureSide | None = None
    """Pack the textures of all opaque parts into one of this side, and merge their meshes."""
    channels: Annotated[tuple[Channel, ...] | None, arg(metavar="CHANNEL ...")] = None
    """Textures to write, of baseColor, normal, metallicRoughness, emissive and occlusion; by
    default all there are."""
    morphs: str | None = None
    """Morph targets, separated by commas: ARKit (the default), "Oculus Visemes", names of either,
    mouthOpen, mouthSmile, eyesClosed, eyesLookUp, eyesLookDown; or none."""
    pose: Pose = "rest"
    """Rest pose: arms hanging as built, A (45° down) or T (level)."""
    meshopt: bool = False
    """Compress the geometry with EXT_meshopt_compression (three.js, Babylon.js, Godot, Unity's
    glTFast)."""
    assets: Path | None = None
    """Folder with the MakeHuman assets that the avatar wears, or "installed"."""
    meta: Annotated[VrmMeta, arg(name="")] = field(default_factory=VrmMeta)
    overwrite: bool = False
    """Replace an existing file."""

    def options(self) -> GlbOptions:
        """Of the file. Raises ExportError."""
        channels = {} if self.channels is None else {"texture_channels": frozenset(self.channels)}
        return GlbOptions(
            lod=self.lod,
            texture_size=self.texture_size,
            texture_format=self.format,
            texture_atlas=self.atlas,
            morphs=None if self.morphs is None else parse_morphs(self.morphs),
            pose=self.pose,
            meshopt=self.meshopt,
            **channels,
        )


console = Console()


def export(command: Export) -> None:
    from portraiture.avatar import Avatar

    options = command.options()
    avatar = Avatar.load(command.avatar, asset_folder=asset_folder(command.assets))
    with console.status("Building and writing"):
        avatar.export(
            command.out,
            title=command.meta.title,
            author=command.meta.author,
            licence=command.meta.licence,
            options=options,
        )
    size = command.out.stat().st_size / 1e6
    console.print(f"Wrote {command.out} ({size:.1f} MB)", highlight=False, soft_wrap=True)
