"""Find MakeHuman's community assets in a folder and fit them to a head.

folder ──find_assets──▶ Asset ──fit_asset──▶ Part
                          └─────skin_albedo─▶ texture in engine UV
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from portraiture.cache import cache_path
from portraiture.engine.head import HeadModel
from portraiture.engine.packs.asset_part import material_of, part_of, wear
from portraiture.engine.packs.licence import UNKNOWN, header_of, licence_text, licence_title
from portraiture.engine.packs.mhclo import (
    MaterialFile,
    read_mhclo,
    read_mhmat,
    read_obj,
    read_text,
    read_texture,
)
from portraiture.engine.shape import HeadShape
from portraiture.engine.skin.texels import resample_makehuman
from portraiture.errors import AssetError
from portraiture.types import MaterialKind, Part, Segment

AssetKind = Literal["hair", "brows", "lashes", "teeth", "tongue", "clothes", "hat", "skin", "eyes"]

FOLDERS: dict[str, AssetKind] = {
    "hair": "hair",
    "eyebrows": "brows",
    "eyelashes": "lashes",
    "teeth": "teeth",
    "tongue": "tongue",
    "eyes": "eyes",
    "skins": "skin",
    "clothes": "clothes",
}
"""MakeHuman's folder names and the kind of asset in each."""

HAT_WORDS = frozenset({"hat", "hats", "cap", "caps", "fedora", "beanie", "helmet", "beret"})
IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
MAX_ASSETS = 5000


@dataclass(frozen=True)
class Asset:
    """One piece of a pack.

    path: its .mhclo, .mhmat (eyes, skins) or image (skins). root: the pack's folder; files that it
    refers to must lie inside. licence: a short name such as ``"CC0 1.0"``.
    """

    name: str
    kind: AssetKind
    path: Path
    licence: str
    root: Path


@dataclass(frozen=True)
class _Look:
    """How a kind is rendered: shading, alpha cutoff, texture size, whether expressions move it."""

    material: MaterialKind
    cutoff: float
    side: int
    moves: bool


LOOKS: dict[AssetKind, _Look] = {
    "hair": _Look("hair", 0.4, 1024, False),
    "brows": _Look("hair", 0.3, 512, True),
    "lashes": _Look("hair", 0.3, 512, True),
    "teeth": _Look("mouth", 0.5, 512, True),
    "tongue": _Look("mouth", 0.5, 512, True),
    "clothes": _Look("cloth", 0.5, 1024, False),
    "hat": _Look("cloth", 0.5, 1024, False),
}


def packs_folder() -> Path:
    """Folder of the installed packs, inside the cache folder."""
    return cache_path("assets")


def find_assets(folder: Path) -> list[Asset]:
    """Find every asset under `folder`, sorted by kind and name.

    The kind comes from MakeHuman's folder names, else from tags and the asset's name. Files that
    resolve through links to outside the folder are skipped. Raises AssetError when `folder` is not
    a folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise AssetError(f"{folder} is not a folder of MakeHuman assets.")
    root = folder.resolve()
    pack_licence = licence_title(licence_text(root))
    found: list[Asset] = []
    for path in sorted(root.rglob("*")):
        if not path.is_file() or not path.resolve().is_relative_to(root):
            continue
        kind = _kind(path, root)
        if kind is not None:
            own = licence_title(header_of(path)) if path.suffix not in IMAGES else UNKNOWN
            licence = own if own != UNKNOWN else pack_licence
            found.append(Asset(path.stem, kind, path, licence, root))
        if len(found) > MAX_ASSETS:
            raise AssetError(f"{folder} holds more than {MAX_ASSETS} assets.")
    return sorted(found, key=lambda asset: (asset.kind, asset.name))


def _kind(path: Path, root: Path) -> AssetKind | None:
    """Kind of the asset at `path`; None for files that are only parts of an asset."""
    names = [root.name.lower(), *(p.lower() for p in path.relative_to(root).parts[:-1])]
    by_folder = _first_kind(reversed(names))
    suffix = path.suffix.lower()
    if suffix == ".mhclo":
        if by_folder in (None, "clothes"):
            return _kind_by_words(path)
        return None if by_folder in ("skin", "eyes") else by_folder
    if by_folder == "eyes" and suffix == ".mhmat":
        return "eyes"
    if by_folder == "skin":
        described = any(path.parent.glob("*.mhmat"))
        is_skin = suffix == ".mhmat" or (suffix in IMAGES and not described)
        return "skin" if is_skin else None
    return None


def _kind_by_words(path: Path) -> AssetKind:
    """Kind by the words of the file's name and tags; clothes by default."""
    words = set(path.stem.lower().replace("_", " ").rstrip("0123456789").split())
    for line in read_text(path).splitlines():
        if line.startswith("tag "):
            words.update(line.lower().split()[1:])
        elif line.startswith("verts"):
            break
    if words & HAT_WORDS:
        return "hat"
    return _first_kind(sorted(words)) or "clothes"


def _first_kind(words: Iterable[str]) -> AssetKind | None:
    for word in words:
        if word in FOLDERS:
            return FOLDERS[word]
    return None


def find_named(name: str, folder: Path | None = None) -> Asset:
    """Find the asset called `name` in `folder`, else in the installed packs. Raises AssetError if
    there is none."""
    places = [] if folder is None else [Path(folder)]
    if packs_folder().is_dir():
        places += sorted(p for p in packs_folder().iterdir() if _is_pack(p))
    for place in places:
        for asset in find_assets(place):
            if asset.name == name:
                return asset
    raise AssetError(
        f"The asset {name!r} is not installed; give its folder with --assets or install its pack."
    )


def _is_pack(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def fit_asset(asset: Asset, shape: HeadShape, *, rgb: Float[ndarray, "3"] | None = None) -> Part:
    """Fit an asset to one head, cropped to the bust.

    rgb: sRGB colour in [0, 1] for hair, brows and lashes; None keeps the pack's own.
    Raises AssetError when its files are missing or damaged, or for skins (see `skin_albedo`) and
    eyes, which are not meshes.
    """
    look = LOOKS.get(asset.kind)
    if look is None:
        raise AssetError(f"The asset {asset.name} is a picture for {asset.kind}, not a mesh.")
    garment = read_mhclo(asset.path, asset.root)
    worn = wear(garment, read_obj(garment.obj), shape)
    file = MaterialFile()
    if garment.material is not None and garment.material.is_file():
        file = read_mhmat(garment.material, asset.root)
    material = material_of(
        file,
        look.material,
        cutoff=look.cutoff,
        side=look.side,
        rgb=rgb if look.material == "hair" else None,
        label=asset.name,
    )
    part = part_of(worn, shape, material, asset.kind, moves=look.moves)
    return replace(part, segment=_segments(asset.kind, part))


def _segments(kind: AssetKind, part: Part) -> UInt8[ndarray, " F"]:
    """Left and right are those of the image: the person's right is the image's left."""
    left = part.vertices[part.faces, 0].mean(1) < 0.0
    sides: dict[str, tuple[Segment, Segment]] = {
        "brows": (Segment.LEFT_BROW, Segment.RIGHT_BROW),
        "lashes": (Segment.LEFT_EYE, Segment.RIGHT_EYE),
        "hair": (Segment.HAIR, Segment.HAIR),
        "hat": (Segment.HAT, Segment.HAT),
        "clothes": (Segment.CLOTH, Segment.CLOTH),
    }
    first, second = sides.get(kind, (Segment.MOUTH, Segment.MOUTH))
    return np.where(left, int(first), int(second)).astype(np.uint8)


def skin_albedo(asset: Asset, model: HeadModel, *, size: int = 1024) -> UInt8[ndarray, "s s 3"]:
    """Resample a photographic skin to albedo in the engine's UV. Raises AssetError."""
    path: Path | None = asset.path
    if asset.path.suffix.lower() == ".mhmat":
        path = read_mhmat(asset.path, asset.root).diffuse
    if asset.kind != "skin" or path is None:
        raise AssetError(f"The asset {asset.name} has no skin texture.")
    image = np.ascontiguousarray(read_texture(path)[:, :, :3])
    return resample_makehuman(image, model, size)
