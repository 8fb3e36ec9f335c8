"""Editing directions (InterFaceGAN, GOAE, PTI): one vector, or one for each layer of ws.

They come as .npy, as torch files, and as torch files that are called .npy.
"""

from __future__ import annotations

import io
from math import prod
from tokenize import TokenError

import numpy as np
import torch
from torch import Tensor

from portraiture.convert.account import Converted
from portraiture.convert.refusal import RefusalError, quoted
from portraiture.convert.tensors import MAX_ELEMENTS, Strided

NPY_START = b"\x93NUMPY"
W_DIM = 512
MAX_LAYERS = 18


def from_direction(value: Strided) -> Converted:
    """A tensor out of a torch file or pickle."""
    return _checked(value.tensor())


def from_npy(data: bytes) -> Converted:
    """A real .npy file; objects in it are refused, and its size must be what its header says."""
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        readers = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        if version not in readers:
            raise RefusalError(f"it is a .npy file of the unknown version {version}")
        shape, columns_first, dtype = readers[version](stream)
    except (ValueError, SyntaxError, TokenError, RecursionError, MemoryError, TypeError) as error:
        raise RefusalError(f"its .npy header is malformed ({quoted(str(error))})") from error
    if dtype.kind not in "fiu" or dtype.hasobject:
        raise RefusalError(f"it holds values of the type {quoted(str(dtype))}, not numbers")
    count, rest = prod(shape), len(data) - stream.tell()
    if not 0 < count <= MAX_ELEMENTS or count * dtype.itemsize != rest:
        raise RefusalError(f"it holds {rest:,} bytes, which don't make an array of shape {shape}")
    flat = np.frombuffer(data, dtype=dtype, offset=stream.tell())
    array = flat.reshape(shape, order="F" if columns_first else "C")
    return _checked(torch.from_numpy(array.astype(np.float32)))


def _checked(value: Tensor) -> Converted:
    """(512,), (N, 512) or either with a leading axis of one → (512,) or (N, 512)."""
    shape = tuple(value.shape)
    direction = value.squeeze(0) if value.ndim in (2, 3) and shape[0] == 1 else value
    fits = direction.ndim in (1, 2) and direction.shape[-1] == W_DIM
    if not fits or (direction.ndim == 2 and not 1 <= len(direction) <= MAX_LAYERS):
        raise RefusalError(f"it holds an array of shape {shape}, which is no editing direction")
    direction = direction.float().contiguous()
    if not bool(direction.isfinite().all()) or not bool(direction.any()):
        raise RefusalError("it holds an editing direction that is zero or not finite")
    config = {"w_dim": W_DIM, "layers": len(direction) if direction.ndim == 2 else 1}
    return Converted("direction", config, {"direction": direction})
