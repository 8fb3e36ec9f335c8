"""One texture for all opaque parts, and one mesh for those whose materials agree.

parts ─opaque─▶ tiles (the range of UVs that a part uses) ─packed─▶ atlas images ─merged─▶ parts

Textures that repeat are baked as often as a part's UVs repeat them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from portraiture.export.flat import OUTLINE_SUFFIX, is_flat, is_outline, is_unshaded
from portraiture.export.options import ALL_CHANNELS, Channel
from portraiture.export.texture_size import resized, resized_color, resized_normal
from portraiture.types import Material, MaterialKind, Morph, Part

_DETAIL: dict[MaterialKind, float] = {"skin": 1.0, "eye": 0.6, "mouth": 0.5, "cloth": 0.35}
"""How many texels of its own texture a part keeps, a side, relative to the skin."""

_OTHER_DETAIL = 0.35
_LEAST = 4
"""Least side of a tile in texels."""


@dataclass(frozen=True)
class _Tile:
    """The range of UVs that a part uses, (2,) low and high, in whole texels of its base colour, and
    its width and height in those."""

    low: Float[ndarray, "2"]
    high: Float[ndarray, "2"]
    texels: Int[ndarray, "2"]

    def of(self, image: UInt8[ndarray, "h w *c"]) -> UInt8[ndarray, "H W *c"]:
        """The range's texels of `image`, which repeats."""
        height, width = image.shape[:2]
        left, bottom = np.floor(self.low * (width, height) + 0.5).astype(int)
        right, top = np.floor(self.high * (width, height) + 0.5).astype(int)
        columns = np.arange(left, max(right, left + 1)) % width
        rows = (height - 1 - np.arange(bottom, max(top, bottom + 1))[::-1]) % height
        return image[np.ix_(rows, columns)]


@dataclass(frozen=True)
class _Place:
    """Where a tile lies in the atlas, in texels from the top left."""

    x: int
    y: int
    width: int
    height: int


def packed(
    parts: Sequence[Part], side: int, *, channels: frozenset[Channel] = ALL_CHANNELS
) -> tuple[Part, ...]:
    """The parts with the textures of all opaque ones in one atlas of `side` x `side` texels.

    Opaque parts are merged where shading and metal agree; merged parts are two-sided if one of
    them was, and come first. Parts with alpha stay as they are. channels: those that will be
    written; of the others, whose mean counts, a merged part has its own texels alone.
    """
    opaque = [part for part in parts if part.material.alpha_mode == "opaque" and len(part.faces)]
    if not opaque:
        return tuple(parts)
    tiles = [_tile(part) for part in opaque]
    margin = max(2, side // 256)
    places = _places(opaque, tiles, side, margin)
    images = _images(opaque, tiles, places, side, margin)
    groups: dict[tuple, list[tuple[Part, _Place]]] = {}
    for part, tile, place in zip(opaque, tiles, places, strict=True):
        moved = replace(part, uv=_moved(part.uv, tile, place, side))
        groups.setdefault(_agreement(part), []).append((moved, place))
    merged = [
        _merged([part for part, _ in group], images.of([at for _, at in group], channels))
        for group in groups.values()
    ]
    rest = [part for part in parts if part.material.alpha_mode != "opaque"]
    return (*merged, *rest)


def _agreement(part: Part) -> tuple:
    """What parts must have in common to share a material."""
    material = part.material
    flat = is_flat(material)
    tone = (material.finish, is_unshaded(material)) if flat else None
    return tone, is_outline(part), 0.0 if flat else material.metallic


def _tile(part: Part) -> _Tile:
    height, width = part.material.base_color.shape[:2]
    used = part.uv[np.unique(part.faces)].astype(np.float64) * (width, height)
    low = np.floor(used.min(0) + 1e-3)
    high = np.maximum(np.ceil(used.max(0) - 1e-3), low + 1.0)
    return _Tile(low / (width, height), high / (width, height), (high - low).astype(int))


def _places(parts: Sequence[Part], tiles: Sequence[_Tile], side: int, margin: int) -> list[_Place]:
    """The tiles as large as fits, in the proportions of their own textures and `_DETAIL`."""
    largest = np.array([tile.texels for tile in tiles])
    detail = [_DETAIL.get(part.material.kind, _OTHER_DETAIL) for part in parts]
    wanted = largest * np.array(detail)[:, None]
    low, high = 0.0, 8.0
    best = None
    for _ in range(24):
        scale = 0.5 * (low + high)
        sizes = np.clip(np.rint(wanted * scale).astype(int), _LEAST, np.maximum(largest, _LEAST))
        found = _arranged(sizes + 2 * margin, side)
        if found is None:
            high = scale
        else:
            low, best = scale, (found, sizes)
    assert best is not None, "a few tiles of the least size fit in every atlas"
    return [
        _Place(x + margin, y + margin, int(w), int(h)) for (x, y), (w, h) in zip(*best, strict=True)
    ]


def _arranged(sizes: Int[ndarray, "N 2"], side: int) -> list[tuple[int, int]] | None:
    """Corners of rectangles without overlap, or None: each goes into the free rectangle that it
    fits most closely, whose rest is cut in two (Jylänki 2010, guillotine, best short side)."""
    free = [(0, 0, side, side)]
    corners = [(0, 0)] * len(sizes)
    for index in np.argsort(-sizes.max(1), kind="stable").tolist():
        w, h = (int(length) for length in sizes[index])
        fitting = [
            (min(fw - w, fh - h), x, y, fw, fh)
            for x, y, fw, fh in free
            if fw >= w <= fw and fh >= h
        ]
        if not fitting:
            return None
        _, x, y, fw, fh = min(fitting)
        free.remove((x, y, fw, fh))
        if fw - w < fh - h:
            free += [(x + w, y, fw - w, h), (x, y + h, fw, fh - h)]
        else:
            free += [(x + w, y, fw - w, fh), (x, y + h, w, fh - h)]
        corners[index] = (x, y)
    return corners


@dataclass(frozen=True)
class _Images:
    """The atlas; normal: None where no part has one."""

    color: UInt8[ndarray, "h w 4"]
    normal: UInt8[ndarray, "s s 3"] | None
    roughness: UInt8[ndarray, "h w"]

    def of(self, places: Sequence[_Place], channels: frozenset[Channel]) -> _Images:
        """The atlas in `channels`, and a column of the texels at `places` in the others."""

        def own(image: ndarray) -> ndarray:
            tiles = [image[p.y : p.y + p.height, p.x : p.x + p.width] for p in places]
            return np.concatenate([tile.reshape(-1, 1, *image.shape[2:]) for tile in tiles])

        color = self.color if "baseColor" in channels else own(self.color)
        rough = self.roughness if "metallicRoughness" in channels else own(self.roughness)
        return _Images(color, self.normal, rough)


def _images(
    parts: Sequence[Part],
    tiles: Sequence[_Tile],
    places: Sequence[_Place],
    side: int,
    margin: int,
) -> _Images:
    color = np.zeros((side, side, 4), np.uint8)
    color[...] = (127, 127, 127, 255)
    normal = np.full((side, side, 3), (128, 128, 255), np.uint8)
    roughness = np.full((side, side), 255, np.uint8)
    for part, tile, place in zip(parts, tiles, places, strict=True):
        material = part.material
        _put(color, material.base_color, tile, place, margin, resized_color)
        if material.normal is not None:
            _put(normal, material.normal, tile, place, margin, resized_normal)
        even = np.full(material.base_color.shape[:2], 255, np.uint8)
        rough = even if material.roughness is None else material.roughness
        scaled = np.rint(rough * float(material.roughness_factor)).astype(np.uint8)
        _put(roughness, scaled, tile, place, margin, resized)
    color[..., 3] = 255
    has_normal = any(part.material.normal is not None for part in parts)
    return _Images(color, normal if has_normal else None, roughness)


def _put(
    atlas: ndarray,
    image: ndarray,
    tile: _Tile,
    place: _Place,
    margin: int,
    resize: Callable[[ndarray, int, int], ndarray],
) -> None:
    """Draw the tile of `image`, its border repeated over the margin."""
    patch = resize(tile.of(image), place.height, place.width)
    border = ((margin, margin), (margin, margin), *((0, 0),) * (image.ndim - 2))
    patch = np.pad(patch, border, mode="edge")
    y, x = place.y - margin, place.x - margin
    atlas[y : y + patch.shape[0], x : x + patch.shape[1]] = patch


def _moved(uv: ndarray, tile: _Tile, place: _Place, side: int) -> Float[ndarray, "V 2"]:
    share = (uv - tile.low) / (tile.high - tile.low)
    across = (place.x + share[:, 0] * place.width) / side
    down = (place.y + (1.0 - share[:, 1]) * place.height) / side
    return np.stack([across, 1.0 - down], axis=1).astype(np.float32)


def _merged(parts: Sequence[Part], images: _Images) -> Part:
    """One part of several, named after the first."""
    first = parts[0].material
    flat, outline = is_flat(first), is_outline(parts[0])
    kinds = {part.material.kind for part in parts}
    kind: MaterialKind = first.kind if len(kinds) == 1 or (is_unshaded(first) and flat) else "plain"
    material = Material(
        kind=kind,
        base_color=images.color,
        normal=None if flat else images.normal,
        roughness=None if flat else images.roughness,
        roughness_factor=1.0,
        metallic=first.metallic,
        double_sided=any(part.material.double_sided for part in parts) and not outline,
        finish=first.finish,
    )
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])[:-1]
    names = dict.fromkeys(name for part in parts for name in part.morphs)
    return Part(
        name="avatar" + OUTLINE_SUFFIX if outline and len(parts) > 1 else parts[0].name,
        vertices=np.concatenate([part.vertices for part in parts]),
        faces=np.concatenate([part.faces + k for part, k in zip(parts, starts, strict=True)]),
        normals=np.concatenate([part.normals for part in parts]),
        uv=np.concatenate([part.uv for part in parts]),
        material=material,
        segment=np.concatenate([part.segment for part in parts]),
        joints=np.concatenate([part.joints for part in parts]),
        weights=np.concatenate([part.weights for part in parts]),
        morphs={name: _joined(parts, starts, name) for name in names},
    )


def _joined(parts: Sequence[Part], starts: Int[ndarray, "N"], name: str) -> Morph:
    moving = [
        (part.morphs[name], k) for part, k in zip(parts, starts, strict=True) if name in part.morphs
    ]
    return Morph(
        np.concatenate([morph.indices + k for morph, k in moving]),
        np.concatenate([morph.deltas for morph, _ in moving]),
    )
