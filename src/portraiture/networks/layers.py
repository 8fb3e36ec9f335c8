"""The layers of StyleGAN2-ADA (Karras et al. 2020a, 2020b), in plain torch.

Parameter names and layouts are those of the published checkpoints. Modules cache nothing: styles
and features are passed as arguments. Letters: B batch, C channels, H×W, D w dimension.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

LRELU_SLOPE = 0.2
SQRT2 = 2.0**0.5


def normalize_2nd_moment(x: Float[Tensor, "B C"], epsilon: float = 1e-8) -> Float[Tensor, "B C"]:
    """x divided by its root mean square (Karras et al. 2020a, input of the mapping network)."""
    return x * (x.square().mean(dim=1, keepdim=True) + epsilon).rsqrt()


def activate(
    x: Float[Tensor, "B C ..."], bias: Float[Tensor, "C"], *, gain: float, clamp: float | None
) -> Float[Tensor, "B C ..."]:
    """Bias, leaky ReLU, gain, clamp."""
    x = x + bias.to(x.dtype).view(1, -1, *([1] * (x.ndim - 2)))
    x = F.leaky_relu(x, LRELU_SLOPE) * gain
    return x if clamp is None else x.clamp(-clamp, clamp)


def normal(*shape: int, over: float = 1.0) -> Float[Tensor, "..."]:
    """`torch.randn(*shape) / over`. On the meta device, whose tensors have no values, nothing is
    drawn: for that torch imports its compiler, which takes a second."""
    values = torch.empty(shape)
    return values if values.is_meta else values.normal_().div_(over)


class Linear(nn.Module):
    """Fully connected layer with equalised learning rate: weight·lr/√in, bias·lr."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        activation: Literal["linear", "lrelu"] = "linear",
        lr_multiplier: float = 1.0,
        bias_init: float = 0.0,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.weight = nn.Parameter(normal(outputs, inputs, over=lr_multiplier))
        self.bias = nn.Parameter(torch.full((outputs,), bias_init / lr_multiplier))
        self.weight_gain = lr_multiplier / inputs**0.5
        self.bias_gain = lr_multiplier

    def forward(self, x: Float[Tensor, "B I"]) -> Float[Tensor, "B O"]:
        y = F.linear(
            x, self.weight.to(x.dtype) * self.weight_gain, (self.bias * self.bias_gain).to(x.dtype)
        )
        return F.leaky_relu(y, LRELU_SLOPE) * SQRT2 if self.activation == "lrelu" else y

    def effective(self) -> tuple[Float[Tensor, "O I"], Float[Tensor, "O"]]:
        """Weight and bias with their gains."""
        return self.weight * self.weight_gain, self.bias * self.bias_gain


def fir_kernel() -> Float[Tensor, "4 4"]:
    """The [1, 3, 3, 1] low-pass filter, outer product, sum 1."""
    f = (1.0, 3.0, 3.0, 1.0)
    return torch.tensor([[a * b / sum(f) ** 2 for a in f] for b in f])


def fir(
    x: Float[Tensor, "B C H W"], kernel: Float[Tensor, "K K"], *, gain: float, padding: int
) -> Float[Tensor, "B C I J"]:
    """2-D filtering of each channel; the kernel is symmetric, so no flip is needed."""
    weight = (kernel * gain).to(x.dtype).expand(x.shape[1], 1, -1, -1)
    if x.is_cuda:  # torch's depthwise kernel; channels_last would select cuDNN's
        x = x.contiguous()
    return F.conv2d(x, weight, padding=padding, groups=x.shape[1])


def upsample2(
    x: Float[Tensor, "B C H W"], kernel: Float[Tensor, "4 4"]
) -> Float[Tensor, "B C I J"]:
    """Double the size: insert zeros and filter with gain 4, as one transposed convolution."""
    if x.is_cuda:  # grouped transposed convolutions are slow on CUDA
        return upsample2_bilinear(x)
    weight = (kernel * 4.0).to(x.dtype).expand(x.shape[1], 1, -1, -1)
    return F.conv_transpose2d(x, weight, stride=2, padding=1, groups=x.shape[1])


def upsample2_bilinear(x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C I J"]:
    """`upsample2` with `fir_kernel`, as bilinear interpolation of a zero-padded image."""
    padded = F.pad(x, (1, 1, 1, 1))
    fine = F.interpolate(padded, scale_factor=2, mode="bilinear", align_corners=False)
    return fine[..., 2:-2, 2:-2]


def downsample2(
    x: Float[Tensor, "B C H W"], kernel: Float[Tensor, "4 4"]
) -> Float[Tensor, "B C I J"]:
    """Halve the size: filter and keep every second sample."""
    weight = kernel.to(x.dtype).expand(x.shape[1], 1, -1, -1)
    return F.conv2d(x, weight, stride=2, padding=1, groups=x.shape[1])


def modulated_conv(
    x: Float[Tensor, "B C H W"],
    weight: Float[Tensor, "O C K K"],
    styles: Float[Tensor, "B C"],
    *,
    demodulate: bool,
    up: bool = False,
    kernel: Float[Tensor, "4 4"] | None = None,
) -> Float[Tensor, "B O I J"]:
    """Convolution with input channels scaled by `styles` (Karras et al. 2020a, eqs. 1, 3).

    The scale is applied to the activations and the demodulation to the result, which is equivalent
    and shares one weight over the batch. up: transposed convolution with stride 2, then `kernel`.
    """
    y = x * styles.to(x.dtype)[:, :, None, None]
    w = weight.to(x.dtype)
    if up:
        assert kernel is not None
        y = F.conv_transpose2d(y, w.transpose(0, 1), stride=2)
        y = fir(y, kernel, gain=4.0, padding=1)
    else:
        y = F.conv2d(y, w, padding=weight.shape[2] // 2)
    if demodulate:
        energy = torch.einsum("ocij,bc->bo", weight.square(), styles.square())
        y = y * (energy + 1e-8).rsqrt().to(x.dtype)[:, :, None, None]
    return y
