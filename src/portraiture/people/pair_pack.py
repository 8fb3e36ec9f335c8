"""Pack pairs of vectors and images for a training machine, as `people.pack` does people.

Pair ─WebP images; alpha and classes in xz─▶ bytes ─▶ Pair
About 20 kB for three images of 128 pixels, a fifth of a file of `save_pair`; slightly lossy.
"""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib

import numpy as np
from PIL import Image

from portraiture.errors import DataError
from portraiture.people.pack import webp
from portraiture.people.pairs import Pair, checked_pair

DAMAGED = (OSError, ValueError, KeyError, EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile)


def pack_pair(pair: Pair) -> bytes:
    """Compress one pair."""
    images = [webp(image) for image in pair.rgb]
    masks = lzma.compress(pair.alpha.tobytes() + pair.segmentation.tobytes())
    out = io.BytesIO()
    np.savez(
        out,
        vector=pair.vector,
        images=np.frombuffer(b"".join(images), np.uint8),
        lengths=np.array([len(image) for image in images], np.int32),
        masks=np.frombuffer(masks, np.uint8),
    )
    return out.getvalue()


def unpack_pair(data: bytes) -> Pair:
    """Decompress the output of `pack_pair`. Raises DataError on anything else."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            packed = dict(arrays)
        pieces = np.split(packed["images"], packed["lengths"].cumsum()[:-1])
        rgb = np.stack([np.asarray(Image.open(io.BytesIO(p.tobytes()))) for p in pieces])
        count = 2 * int(np.prod(rgb.shape[:3]))
        unpacked = lzma.LZMADecompressor().decompress(packed["masks"].tobytes(), count + 1)
        masks = np.frombuffer(unpacked, np.uint8).reshape(2, *rgb.shape[:3])
        arrays = {
            "vector": packed["vector"], "rgb": rgb, "alpha": masks[0].copy(),
            "segmentation": masks[1].copy(),
        }  # fmt: skip
    except (*DAMAGED, Image.DecompressionBombError) as error:
        raise DataError(f"the data hold no pair packed by pack_pair: {error}.") from error
    return checked_pair(arrays, "What pack_pair should have packed")
