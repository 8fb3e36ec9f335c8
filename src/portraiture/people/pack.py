"""Pack many people into one small file, to send to a training machine.

PersonViews ─WebP images; depth of n² pixels in 13 bits; xz─▶ people.zip ─▶ PersonViews
About 90 kB per person with four views of 256 pixels, a twentieth of `save_person`'s file. Images
are slightly lossy (41 dB). Depth is stored at half the side, as `people_set` uses it: the output of
`neural_depth` for an unpacked person equals that for the original up to the 13-bit quantisation.
"""

from __future__ import annotations

import io
import lzma
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8, UInt16
from numpy import ndarray
from PIL import Image

from portraiture.errors import DataError
from portraiture.media import atomic_path
from portraiture.people.people_file import DEPTH_RANGE, NEAREST, PersonViews
from portraiture.people.people_set import neural_depth

QUALITY = 90
"""WebP quality of the images."""
DEPTH_STEPS = (1 << 13) - 2
"""Quantisation steps of depth over `DEPTH_RANGE`, 0.0002 EG3D units each; 0 is background."""


def pack_person(person: PersonViews) -> bytes:
    """Compress one person."""
    images = [webp(image) for image in person.rgb]
    depth, solid = _merged(person.depth)
    along = np.diff(depth.astype(np.int32), axis=2, prepend=0).astype(np.int16).view(np.uint16)
    planes = [
        (along & 255).astype(np.uint8), (along >> 8).astype(np.uint8),
        np.packbits(solid), person.alpha, person.segmentation,
    ]  # fmt: skip
    out = io.BytesIO()
    np.savez(
        out,
        z=person.z,
        cameras=person.cameras,
        landmarks=person.landmarks,
        points=person.points,
        unit_m=np.float32(person.unit_m),
        images=np.frombuffer(b"".join(images), np.uint8),
        lengths=np.array([len(image) for image in images], np.int32),
        planes=np.frombuffer(lzma.compress(b"".join(p.tobytes() for p in planes)), np.uint8),
        **({} if person.scenes is None else {"scenes": person.scenes}),
    )
    return out.getvalue()


def unpack_person(data: bytes) -> PersonViews:
    """Decompress the output of `pack_person`. Raises DataError on anything else."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            packed = dict(arrays)
        ends = packed["lengths"].cumsum()
        pieces = np.split(packed["images"], ends[:-1])
        rgb = np.stack([np.asarray(Image.open(io.BytesIO(p.tobytes()))) for p in pieces])
        depth, alpha, segmentation = _read_planes(packed["planes"], len(rgb), rgb.shape[1])
        return PersonViews(
            z=packed["z"], rgb=rgb, alpha=alpha, depth=depth, segmentation=segmentation,
            cameras=packed["cameras"], landmarks=packed["landmarks"], points=packed["points"],
            unit_m=float(packed["unit_m"]), scenes=packed.get("scenes"),
        )  # fmt: skip
    except (OSError, ValueError, KeyError, EOFError, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise DataError(f"the data hold no person packed by pack_person: {error}.") from error


def write_pack(path: Path, packed: Iterable[bytes], *, limit_bytes: int) -> int:
    """Write as many packed people (`pack_person`) or pairs (`pair_pack`) as fit into `limit_bytes`,
    in order; returns their number."""
    count, size = 0, 0
    with atomic_path(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        for data in packed:
            size += len(data) + 200
            if size > limit_bytes:
                break
            # a fixed time stamp makes the file deterministic
            archive.writestr(zipfile.ZipInfo(f"{count:05d}.npz", (1980, 1, 1, 0, 0, 0)), data)
            count += 1
    return count


def read_pack(path: Path) -> list[bytes]:
    """Read what `write_pack` wrote, each one still compressed. Raises DataError."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [archive.read(name) for name in sorted(archive.namelist())]
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} holds no packed people: {error}.") from error


def webp(image: UInt8[ndarray, "R R 3"]) -> bytes:
    """An image as WebP of `QUALITY`."""
    out = io.BytesIO()
    Image.fromarray(image).save(out, "WEBP", quality=QUALITY, method=4)
    return out.getvalue()


def _merged(
    depth: Float32[ndarray, "V R R"],
) -> tuple[UInt16[ndarray, "V n n"], UInt8[ndarray, "V n n"]]:
    """Quantised depth at half the resolution, and the mask of pixels with a single surface."""
    pairs = [neural_depth(view) for view in depth]
    merged = np.stack([pair[0][0, 0].numpy() for pair in pairs])
    steps = np.round(np.clip((merged - NEAREST) / DEPTH_RANGE, 0.0, 1.0) * DEPTH_STEPS) + 1.0
    solid = np.stack([pair[1][0, 0].numpy() for pair in pairs])
    return np.where(merged > 0, steps, 0.0).astype(np.uint16), solid.astype(np.uint8)


def _read_planes(
    packed: UInt8[ndarray, "L"], views: int, side: int
) -> tuple[
    Float32[ndarray, "V R R"], UInt8[ndarray, "V R R"], UInt8[ndarray, "V R R"]
]:  # fmt: skip
    """Depth, alpha and segmentation. Where four pixels do not share a single surface, one of them
    gets the depth and the others are background."""
    n = side // 2
    data = np.frombuffer(lzma.decompress(packed.tobytes()), np.uint8)
    few, bits, many = views * n * n, -(-views * n * n // 8), views * side * side
    if len(data) != 2 * few + bits + 2 * many:
        raise ValueError("the planes are cut short")
    low, high, solid, alpha, segmentation = np.split(
        data, np.cumsum([few, few, bits, many])
    )  # fmt: skip
    along = (low.astype(np.uint16) | (high.astype(np.uint16) << 8)).view(np.int16)
    steps = along.reshape(views, n, n).astype(np.int32).cumsum(2)
    depth = np.where(steps > 0, (steps - 1) / DEPTH_STEPS * DEPTH_RANGE + NEAREST, 0.0)
    filled = np.unpackbits(solid, count=few).reshape(views, n, n)
    whole = np.repeat(np.repeat(depth * filled, 2, 1), 2, 2)
    whole[:, ::2, ::2] = depth
    shape = (views, side, side)
    return whole.astype(np.float32), alpha.reshape(shape).copy(), segmentation.reshape(shape).copy()
