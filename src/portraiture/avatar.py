"""`Avatar`: the noun that travels. Parameters, style, expression, texture, camera and light.

One JSON file holds it whole, the texture included, and loads back bit-exact.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray
from PIL import Image

from portraiture.engine.build import build_bust
from portraiture.engine.concepts.makeover import Makeover, makeover_of
from portraiture.engine.concepts.table import find_concepts
from portraiture.engine.packs.assets import Asset, find_assets, find_named
from portraiture.engine.packs.dress import dress
from portraiture.engine.parameters import AvatarParameters
from portraiture.engine.sample import sample_parameters
from portraiture.engine.sample_expression import portrait_expression
from portraiture.engine.style.recipes import STYLES, style_shading
from portraiture.errors import AvatarError, ExportError
from portraiture.export.gltf import write_glb
from portraiture.export.options import AS_BUILT, GlbOptions
from portraiture.export.ply import write_obj, write_ply
from portraiture.export.video import over, studio_wall
from portraiture.export.vrm import VrmMeta, check_options, write_vrm
from portraiture.media import atomic_path
from portraiture.paths import check_file, check_name
from portraiture.recent import Recent
from portraiture.render.framing import portrait_camera
from portraiture.render.light import studio_light
from portraiture.render.light_record import finite_array, light_of, light_record
from portraiture.render.mesh import render_rgba
from portraiture.types import Bust, Camera, Licence, Light, Style

FORMAT = "portraiture-avatar"
VERSION = 1
MAX_TEXTURE = 4096
THUMBNAIL_SIZE = 512
SUFFIXES = (".glb", ".vrm", ".obj", ".ply")


def check_style(style: object) -> None:
    """Raises AvatarError where `style` is none of the styles."""
    if style not in STYLES:
        raise AvatarError(f"There is no style {style!r}; choose one of {', '.join(STYLES)}.")


@dataclass(frozen=True)
class Avatar:
    """One person in one style.

    expression: ARKit weights of the photo, or how a sampled person looks into the camera (exports
    are neutral and carry it as a note).
    albedo: (S, S, 3) skin texture from a photo, or None for the procedural one.
    camera, light: those of the photo, where there was one.
    concepts: names of what the engine makes of the person as it is built ("elf", "marble"), see
    `engine.concepts`; their parameters are in `parameters` already.
    assets: names of MakeHuman assets worn, resolved in installed packs or `asset_folder`.
    provenance: plain facts about where the avatar comes from.
    """

    parameters: AvatarParameters = field(default_factory=AvatarParameters)
    style: Style = "natural"
    expression: Mapping[str, float] = field(default_factory=dict)
    albedo: UInt8[ndarray, "s s 3"] | None = None
    camera: Camera | None = None
    light: Light | None = None
    assets: tuple[str, ...] = ()
    asset_folder: Path | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)
    concepts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_style(self.style)
        find_concepts(self.concepts)
        if len(set(self.concepts)) != len(self.concepts):
            raise AvatarError("An avatar has each concept once.")

    @property
    def makeover(self) -> Makeover | None:
        """What the concepts change as the bust is built; None without any."""
        return makeover_of(self.concepts)

    @staticmethod
    def sample(seed: int, *, style: Style = "natural", asset_folder: Path | None = None) -> Avatar:
        """A natural random person; the same seed gives the same person.

        asset_folder: MakeHuman assets to choose hair, brows, clothes and skin from as well.
        """
        parameters = sample_parameters(seed)
        worn = dress(parameters, find_assets(asset_folder), seed) if asset_folder else []
        return Avatar(
            parameters=parameters,
            style=style,
            expression=portrait_expression(seed),
            assets=tuple(asset.name for asset in worn),
            asset_folder=asset_folder,
            provenance={"seed": str(seed)},
        )

    def bust(self, *, expression: Mapping[str, float] | None = None) -> Bust:
        """Build the geometry. expression: ARKit weights, default neutral. Raises AssetError when
        a worn asset is not installed."""
        return build_bust(
            self.parameters,
            expression=expression,
            style=self.style,
            albedo=self.albedo,
            assets=self.worn_assets(),
            makeover=self.makeover,
        )

    @cached_property
    def _busts(self) -> Recent[Hashable, Bust]:
        """By what a render's bust depends on beside this record's frozen fields."""
        return Recent(1)

    def worn_assets(self) -> Sequence[Asset]:
        """The assets by name. Raises AssetError when one cannot be found."""
        return [find_named(name, self.asset_folder) for name in self.assets]

    def render(
        self,
        *,
        yaw: float = 0.0,
        pitch: float = 0.0,
        size: int = 512,
        expression: Mapping[str, float] | None = None,
        background: tuple[float, float, float] | None = None,
    ) -> Float32[ndarray, "h w 4"]:
        """A portrait from `yaw` and `pitch` (radians; positive yaw shows the person's left). The
        bust is built for the first one of an expression."""
        worn = self.worn_assets()
        stamps = [(asset, asset.path.stat().st_mtime_ns) for asset in worn]
        skin = None if self.albedo is None else hash((self.albedo.shape, self.albedo.tobytes()))
        key = (*stamps, skin, *sorted((expression or {}).items()))
        bust = self._busts.get(key, lambda: self.bust(expression=expression))
        return render_rgba(
            bust,
            portrait_camera(bust, yaw=yaw, pitch=pitch),
            size=size,
            light=studio_light(),
            background=background,
            shading=style_shading(self.style),
        )

    def export(
        self,
        path: Path | str,
        *,
        title: str | None = None,
        author: str | None = None,
        licence: Licence = "private",
        options: GlbOptions = AS_BUILT,
    ) -> Path:
        """Write .glb, .vrm, .obj or .ply.

        title, author, licence: of a VRM; the title is by default the file's name, the licence
        `export.vrm.LICENCES`. Its thumbnail is the front. options: of a GLB or VRM. Raises
        OutputError, before any work, on another suffix or where nothing can be written; AvatarError
        on a blank title or author; ExportError for options that the format does not allow.
        """
        path = Path(path)
        check_file(path, SUFFIXES)
        meta = VrmMeta(title, author, licence).check()
        suffix = path.suffix.lower()
        if suffix == ".vrm":
            check_options(options)
        elif suffix != ".glb" and options != AS_BUILT:
            raise ExportError(f"There are no options for {suffix} files; write a .glb or .vrm.")
        match suffix:
            case ".glb":
                write_glb(self.bust(expression=self.expression), path, options)
            case ".vrm":
                bust = self.bust(expression=self.expression)
                wall = studio_wall(THUMBNAIL_SIZE, THUMBNAIL_SIZE)
                front = over(self.render(size=THUMBNAIL_SIZE), wall)
                write_vrm(
                    bust, path, name=meta.titled(path.stem), author=meta.author,
                    licence=meta.licence, thumbnail=front, options=options,
                )  # fmt: skip
            case ".obj":
                write_obj(self.bust(), path)
            case _:
                write_ply(self.bust(), path)
        return path

    def save(self, path: Path | str) -> Path:
        """Write the avatar's JSON whole or not at all."""
        path = Path(path)
        with atomic_path(path) as partial:
            partial.write_text(json.dumps(self.to_dict(), indent=1))
        return path

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        out: dict[str, Any] = {
            "format": FORMAT,
            "version": VERSION,
            "style": self.style,
            "parameters": self.parameters.to_dict(),
            "expression": dict(self.expression),
            "assets": list(self.assets),
            "provenance": dict(self.provenance),
        }
        if self.concepts:
            out["concepts"] = list(self.concepts)
        if self.camera is not None:
            out["camera"] = {
                "T_world_cam": self.camera.T_world_cam.tolist(),
                "intrinsics": self.camera.intrinsics.tolist(),
            }
        if self.light is not None:
            out["light"] = light_record(self.light)
        if self.albedo is not None:
            out["albedo_png"] = _encode_png(self.albedo)
        return out

    @staticmethod
    def load(path: Path | str, *, asset_folder: Path | None = None) -> Avatar:
        """Read what `save` wrote. Raises AvatarError with one sentence on anything else."""
        path = Path(path)
        check_name(path, AvatarError)
        try:
            values = json.loads(path.read_text())
        except FileNotFoundError:
            raise AvatarError(f"There is no avatar file {path}.") from None
        except (OSError, ValueError, RecursionError) as error:
            raise AvatarError(f"{path} is not an avatar file: {error}.") from None
        return Avatar.from_dict(values, asset_folder=asset_folder)

    @staticmethod
    def from_dict(values: Any, *, asset_folder: Path | None = None) -> Avatar:
        """The inverse of `to_dict`. Raises AvatarError."""
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise AvatarError("This file is not a Portraiture avatar.")
        if values.get("version") != VERSION:
            raise AvatarError(
                f"This avatar has format version {values.get('version')!r}; "
                f"this program reads {VERSION}."
            )
        check_style(values.get("style"))
        try:
            if not isinstance(values.get("concepts", []), list):
                raise TypeError("its concepts are no list")
            return Avatar(
                parameters=AvatarParameters.from_dict(values["parameters"]),
                style=values["style"],
                expression={str(k): float(v) for k, v in values.get("expression", {}).items()},
                albedo=_decode_png(values["albedo_png"]) if "albedo_png" in values else None,
                camera=_camera(values["camera"]) if "camera" in values else None,
                light=light_of(values["light"]) if "light" in values else None,
                assets=tuple(str(name) for name in values.get("assets", ())),
                asset_folder=asset_folder,
                provenance={str(k): str(v) for k, v in values.get("provenance", {}).items()},
                concepts=tuple(str(name) for name in values.get("concepts", ())),
            )
        except (
            KeyError, TypeError, ValueError, AttributeError, OSError, SyntaxError,
            Image.DecompressionBombError,
        ) as error:  # fmt: skip
            raise AvatarError(f"The avatar file is damaged: {error}.") from None


def _encode_png(image: ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", optimize=False, compress_level=6)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _decode_png(text: str) -> ndarray:
    with Image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=["PNG"]) as image:
        if max(image.size) > MAX_TEXTURE or image.size[0] != image.size[1]:
            raise AvatarError(f"The avatar's texture has an impossible size {image.size}.")
        return np.array(image.convert("RGB"))


def _camera(values: Mapping[str, Any]) -> Camera:
    return Camera(
        finite_array(values["T_world_cam"], (4, 4)), finite_array(values["intrinsics"], (3, 3))
    )
