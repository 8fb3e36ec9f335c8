"""Superresolution on the CPU: bands of rows, channels last, bfloat16 where it is fast.

band of x ─4 convolutions─▶ odd/even rows, columns ─filter, activate─▶ y ─convolution─▶ z ─toRGB─▶
A transposed convolution of stride 2 is computed as four small convolutions, one for each parity of
row and column, without products with inserted zeros. Styles, demodulation and gains are folded into
the weights, which requires batch 1. A band stays in the cache and the next one reuses its memory,
so no new pages are allocated; bands run on all threads without a barrier between operators.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from portraiture.networks.layers import LRELU_SLOPE, SQRT2
from portraiture.networks.stylegan2 import SynthesisBlock, SynthesisLayer
from portraiture.networks.superres import Superresolution
from portraiture.networks.superres_numba import clamp_band, color_band, smooth_band
from portraiture.networks.winograd_numba import input_tiles, output_tiles, transform_kernels
from portraiture.ops.simd_numba import LANES
from portraiture.ops.workers import run_pieces

BAND = 32
"""Rows of a block's input per band."""
MARGIN = 2
"""Zero rows above and below a block's input."""
TILES = 512
"""Tiles of 2×2 pixels per matrix product."""
UNCLAMPED = 3e38
LRELU_SLOPE32 = np.float32(LRELU_SLOPE)


def fast_dtype() -> torch.dtype | None:
    """Data type of convolutions on this processor; None without oneDNN."""
    if not torch.backends.mkldnn.is_available():
        return None
    return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32


def supports(head: Superresolution, features: Tensor) -> bool:
    """Whether the processor has oneDNN, widths are multiples of the vector length (as in every
    published head) and the input's side is even."""
    widths = (head.block0.conv1.weight.shape[0], head.block1.conv1.weight.shape[0])
    return (
        fast_dtype() is not None
        and features.device.type == "cpu"
        and not any(width % LANES for width in widths)
        and head.resized(features[:1, :1]).shape[3] % 2 == 0
    )


def upsample_fast(
    head: Superresolution,
    features: Float[Tensor, "B C n n"],
    ws: Float[Tensor, "B N D"],
    *,
    dtype: torch.dtype | None = None,
) -> tuple[Float[Tensor, "B 3 m m"], Float[Tensor, "B 3 R R"]]:
    """`Superresolution.stages` without noise and gradients, float32 in and out.

    dtype: bfloat16 or float32, `fast_dtype()` by default. Raises RuntimeError if `supports` is
    false.
    """
    kind = dtype or fast_dtype()
    if kind is None or not supports(head, features):
        raise RuntimeError("the fast superresolution does not support this head, size or processor")
    with torch.no_grad():
        found = [_one(head, f[None], w[None], kind) for f, w in zip(features, ws, strict=True)]
    first, image = (torch.cat(parts) for parts in zip(*found, strict=True))
    return first, image


def _one(
    head: Superresolution, features: Tensor, ws: Tensor, kind: torch.dtype
) -> tuple[Tensor, Tensor]:
    styles, blocks = head.styles(ws), (head.block0, head.block1)
    features = head.resized(features.float())
    image = np.ascontiguousarray(features[0, :3].permute(1, 2, 0).numpy())
    x = F.pad(features, (0, 0, MARGIN, MARGIN))
    x = x.to(kind).contiguous(memory_format=torch.channels_last)
    folded: dict[int, _Folded] = {}

    def fold(k: int) -> None:
        folded[k] = _fold(blocks[k], styles[k], kind)

    run_pieces(fold, len(blocks))
    images = []
    for k in range(len(blocks)):
        x, image = _run_block(folded[k], x, image, keep=k == 0)
        images.append(torch.from_numpy(image).permute(2, 0, 1)[None].contiguous())
    return images[0], images[1]


@dataclass(frozen=True)
class _Folded:
    """A block's weights with styles, demodulation and gains folded in.

    conv0: the four parities (even rows first, even columns first) or the one plain convolution.
    """

    up: bool
    conv0: tuple[Tensor, ...]
    bias0: Tensor
    conv1: Tensor
    bias1: Tensor
    to_rgb: np.ndarray
    rgb_bias: np.ndarray
    clamp: float

    @property
    def width(self) -> int:
        return len(self.bias1)


def _fold(block: SynthesisBlock, styles: list[Tensor], kind: torch.dtype) -> _Folded:
    w0, b0 = modulated(block.conv0, styles[0])
    w1, b1 = modulated(block.conv1, styles[1])
    if block.up:
        rows, columns = ([2, 0], [1]), ([2, 0], [1])
        convs = [w0[:, :, r][:, :, :, c] for r in rows for c in columns]
    else:
        convs = [w0]
    rgb = block.torgb.weight[:, :, 0, 0] * (styles[2] * block.torgb.style_gain)
    clamp = block.conv1.clamp

    def ready(w: Tensor) -> Tensor:
        return w.to(kind).contiguous(memory_format=torch.channels_last)

    return _Folded(
        block.up, tuple(ready(w) for w in convs), b0 if block.up else b0.to(kind),
        transform_kernels(w1).to(kind), b1, rgb.float().reshape(-1).numpy(),
        block.torgb.bias.float().numpy(), UNCLAMPED if clamp is None else clamp,
    )  # fmt: skip


def modulated(layer: SynthesisLayer, styles: Tensor) -> tuple[Tensor, Tensor]:
    """Weight and bias times √2; leaky ReLU commutes with positive gains."""
    weight = layer.weight * styles[0][None, :, None, None]
    weight = weight * (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).rsqrt()
    return weight * SQRT2, layer.bias * SQRT2


def _run_block(
    block: _Folded, x: Tensor, image: np.ndarray, *, keep: bool
) -> tuple[Tensor, np.ndarray]:
    """Run a block. x: (1, C, H + 2·MARGIN, W), padded with rows of zeros. Returns the block's
    output in the same layout (empty unless `keep`) and the image (H', W, 3)."""
    n, scale, width = x.shape[3], 2 if block.up else 1, block.width
    side = scale * n
    out = np.empty((side, side, 3), np.float32)
    kept = _empty(width, side + 2 * MARGIN if keep else 0, side, x.dtype)
    if keep:
        kept[:, :, :MARGIN] = 0
        kept[:, :, -MARGIN:] = 0
    flat = _flat(kept)

    def work(piece: int) -> None:
        first, last = piece * BAND, min(piece * BAND + BAND, n)
        band = x[:, :, first : last + 2 * MARGIN]
        y = _grow(block, band, first == 0, last == n) if block.up else _same(block, band, first, n)
        z = _convolve3(y, block.conv1, block.bias1)
        color_band(
            _flat(z), flat, (scale * first + MARGIN) * side * width, block.to_rgb, block.rgb_bias,
            image, block.up, out, scale * first, scale * (last - first), side, width,
            np.float32(block.clamp),
        )  # fmt: skip

    run_pieces(work, -(-n // BAND))
    return kept, out


def _grow(block: _Folded, band: Tensor, at_top: bool, at_bottom: bool) -> Tensor:
    """The up-convolution of a band with one more input row on either side, at twice the size."""
    inner = band[:, :, 1:-1]
    ee, eo = (_convolve(band, w, None, (0, w.shape[3] - 1)) for w in block.conv0[:2])
    oe, oo = (_convolve(inner, w, None, (0, w.shape[3] - 1)) for w in block.conv0[2:])
    rows, n = band.shape[2] - 2 * MARGIN, band.shape[3]
    y = _empty(len(block.bias0), 2 * rows + 2, 2 * n, band.dtype)
    smooth_band(
        _flat(ee), _flat(eo), _flat(oe), _flat(oo), block.bias0.numpy(), _flat(y), rows, n,
        len(block.bias0), at_top, at_bottom, np.float32(block.clamp),
    )  # fmt: skip
    return y


def _same(block: _Folded, band: Tensor, first: int, n: int) -> Tensor:
    """The plain convolution of a band with one more row on either side."""
    y = _convolve(band, block.conv0[0], block.bias0, (0, 1), active=True)
    clamp_band(_flat(y), 0, y.numel(), np.float32(block.clamp))
    if first == 0:
        y[:, :, 0] = 0
    if first + y.shape[2] - 2 == n:
        y[:, :, -1] = 0
    return y


def _convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, padding: tuple[int, int], active: bool = False
) -> Tensor:
    """Convolution by oneDNN, with leaky ReLU fused if `active`."""
    y = torch.ops.mkldnn._convolution_pointwise(
        x, weight, bias, padding, (1, 1), (1, 1), 1,
        "leaky_relu" if active else "none", [0.2] if active else [], "",
    )  # fmt: skip
    return y.contiguous(memory_format=torch.channels_last)


def _convolve3(
    x: Float[Tensor, "1 C H W"], kernels: Float[Tensor, "16 C O"], bias: Float[Tensor, "O"]
) -> Float[Tensor, "1 O I W"]:
    """3×3 convolution by Winograd's method with leaky ReLU; rows are not padded."""
    c, rows, n = x.shape[1], x.shape[2] - 2, x.shape[3]
    outputs = len(bias)
    y = _empty(outputs, rows, n, x.dtype)
    step = max(1, TILES // (n // 2))
    flat, out, shift = _flat(x), _flat(y), bias.numpy()
    for first in range(0, rows // 2, step):
        tile_rows = min(step, rows // 2 - first)
        tiles = tile_rows * (n // 2)
        v = torch.empty(16, tiles, c, dtype=x.dtype)
        input_tiles(flat, 2 * first, tile_rows, n, c, _bits(v))
        m = torch.bmm(v, kernels)
        output_tiles(_bits(m), tile_rows, n, outputs, shift, LRELU_SLOPE32, out, 2 * first)
    return y


def _empty(channels: int, rows: int, columns: int, kind: torch.dtype) -> Tensor:
    """(1, C, rows, columns), channels last."""
    return torch.empty(1, rows, columns, channels, dtype=kind).permute(0, 3, 1, 2)


def _flat(x: Tensor) -> np.ndarray:
    """A channels-last tensor's memory: float32, or bfloat16 bits as int16."""
    return _bits(x.permute(0, 2, 3, 1))


def _bits(x: Tensor) -> np.ndarray:
    flat = x.reshape(-1)
    return (flat.view(torch.int16) if x.dtype == torch.bfloat16 else flat).numpy()
