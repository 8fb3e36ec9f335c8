"""StyleGAN2's mapping and synthesis networks, skip architecture (Karras et al. 2020a, 2020b).

z, c ─Mapping─▶ ws ─affines─▶ styles S ─Synthesis─▶ image (or tri-planes)
Styles can be read (`Synthesis.styles`) and passed in (`Synthesis.forward(styles=…)`); features of
any resolution can be read and replaced through `edit_features`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from portraiture.networks.layers import (
    SQRT2,
    Linear,
    activate,
    fir_kernel,
    modulated_conv,
    normal,
    normalize_2nd_moment,
    upsample2,
)

Noise = Literal["const", "random", "none"]
EditFeatures = Callable[[int, Tensor], Tensor]


class Mapping(nn.Module):
    """z (and a condition) → ws; 2 layers in EG3D, 8 in StyleGAN2.

    choice_groups: (first, last) ranges of z, each a categorical choice: each is replaced by a
    one-hot of its argmax.
    """

    w_avg: Tensor

    def __init__(
        self, z_dim: int, c_dim: int, w_dim: int, num_ws: int, *, layers: int,
        choice_groups: tuple[tuple[int, int], ...] = (),
    ) -> None:  # fmt: skip
        super().__init__()
        self.z_dim, self.c_dim, self.num_ws, self.layers = z_dim, c_dim, num_ws, layers
        self.choice_groups = choice_groups
        if c_dim:
            self.embed = Linear(c_dim, w_dim)
        inputs = z_dim + (w_dim if c_dim else 0)
        for k in range(layers):
            layer = Linear(
                inputs if k == 0 else w_dim, w_dim, activation="lrelu", lr_multiplier=0.01
            )
            setattr(self, f"fc{k}", layer)
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(
        self,
        z: Float[Tensor, "B Z"],
        c: Float[Tensor, "B P"] | None,
        *,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
    ) -> Float[Tensor, "B N D"]:
        x = z.float()
        for first, last in self.choice_groups:
            x = _harden(x, first, last)
        x = normalize_2nd_moment(x)
        if c is not None:
            x = torch.cat([x, normalize_2nd_moment(self.embed(c.float()))], dim=1)
        for k in range(self.layers):
            x = getattr(self, f"fc{k}")(x)
        ws = x.unsqueeze(1).repeat(1, self.num_ws, 1)
        if truncation_psi != 1:
            cut = truncation_cutoff
            ws[:, :cut] = self.w_avg.lerp(ws[:, :cut], truncation_psi)
        return ws


def _harden(z: Tensor, first: int, last: int) -> Tensor:
    """z with z[:, first:last] replaced by a one-hot of its largest entry, scaled to unit power."""
    group = z[:, first:last]
    chosen = torch.zeros_like(group).scatter(1, group.argmax(1, keepdim=True), 1.0)
    chosen = chosen * (last - first) ** 0.5
    return torch.cat([z[:, :first], chosen, z[:, last:]], dim=1)


class SynthesisLayer(nn.Module):
    """Affine, modulated convolution, noise, bias, leaky ReLU."""

    noise_const: Tensor
    resample_filter: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        w_dim: int,
        resolution: int,
        *,
        up: bool,
        clamp: float | None,
    ) -> None:
        super().__init__()
        self.up, self.clamp = up, clamp
        self.affine = Linear(w_dim, inputs, bias_init=1.0)
        self.weight = nn.Parameter(normal(outputs, inputs, 3, 3))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("noise_const", normal(resolution, resolution))
        self.register_buffer("resample_filter", fir_kernel())

    def forward(self, x: Tensor, styles: Tensor, noise: Noise, gain: float = 1.0) -> Tensor:
        x = modulated_conv(
            x, self.weight, styles, demodulate=True, up=self.up, kernel=self.resample_filter
        )
        if noise == "const":
            x = x + (self.noise_const * self.noise_strength).to(x.dtype)
        elif noise == "random":
            random = torch.randn(x.shape[0], 1, *x.shape[2:], device=x.device, dtype=x.dtype)
            x = x + random * self.noise_strength.to(x.dtype)
        clamp = None if self.clamp is None else self.clamp * gain
        return activate(x, self.bias, gain=SQRT2 * gain, clamp=clamp)


class ToRGB(nn.Module):
    """1×1 modulated convolution without demodulation."""

    def __init__(self, inputs: int, outputs: int, w_dim: int, *, clamp: float | None) -> None:
        super().__init__()
        self.clamp = clamp
        self.affine = Linear(w_dim, inputs, bias_init=1.0)
        self.weight = nn.Parameter(normal(outputs, inputs, 1, 1))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.style_gain = inputs**-0.5

    def forward(self, x: Tensor, styles: Tensor) -> Tensor:
        x = modulated_conv(x, self.weight, styles * self.style_gain, demodulate=False)
        x = x + self.bias.to(x.dtype)[:, None, None]
        return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)


class SynthesisBlock(nn.Module):
    """One resolution: [const | up-convolution], convolution, toRGB added to the upsampled image."""

    resample_filter: Tensor

    def __init__(
        self,
        inputs: int,
        outputs: int,
        w_dim: int,
        resolution: int,
        channels: int,
        *,
        up: bool = True,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.first, self.up = inputs == 0, up
        self.register_buffer("resample_filter", fir_kernel())
        if self.first:
            self.const = nn.Parameter(normal(outputs, resolution, resolution))
        else:
            self.conv0 = SynthesisLayer(inputs, outputs, w_dim, resolution, up=up, clamp=clamp)
        self.conv1 = SynthesisLayer(outputs, outputs, w_dim, resolution, up=False, clamp=clamp)
        self.torgb = ToRGB(outputs, channels, w_dim, clamp=clamp)

    @property
    def convs(self) -> int:
        return 1 if self.first else 2

    def styles(self, ws: Float[Tensor, "B K D"]) -> list[Tensor]:
        """Styles of the convolutions in order, then of toRGB. K = convs + 1."""
        layers = ([] if self.first else [self.conv0]) + [self.conv1, self.torgb]
        return [layer.affine(w) for layer, w in zip(layers, ws.unbind(1), strict=True)]

    def forward(
        self, x: Tensor | None, image: Tensor | None, styles: list[Tensor], noise: Noise
    ) -> tuple[Tensor, Tensor]:
        if x is None:
            first = self.const.unsqueeze(0).expand(styles[0].shape[0], -1, -1, -1)
            below: Tensor = first.contiguous(memory_format=torch.channels_last)
        else:
            below = self.conv0(x, styles[0], noise)
        features: Tensor = self.conv1(below, styles[-2], noise)
        y: Tensor = self.torgb(features, styles[-1])
        if image is None:
            return features, y
        coarse = upsample2(image, self.resample_filter) if self.up else image
        return features, coarse + y.to(coarse.dtype)


class Synthesis(nn.Module):
    """Blocks b4 … b`resolution`. first: resolution of the learned constant, 4 in the papers; a
    larger one gives a supervised generator spatial information from the start."""

    def __init__(
        self,
        w_dim: int,
        resolution: int,
        channels: int,
        *,
        channel_base: int,
        channel_max: int,
        clamp: float | None = None,
        first: int = 4,
    ) -> None:
        super().__init__()
        self.resolutions = [2**k for k in range(2, resolution.bit_length()) if 2**k >= first]
        width = {r: min(channel_base // r, channel_max) for r in self.resolutions}
        for r in self.resolutions:
            inputs = 0 if r == first else width[r // 2]
            block = SynthesisBlock(inputs, width[r], w_dim, r, channels, clamp=clamp)
            setattr(self, f"b{r}", block)
        self.num_ws = sum(self.block(r).convs for r in self.resolutions) + 1

    def block(self, resolution: int) -> SynthesisBlock:
        return getattr(self, f"b{resolution}")

    def styles(self, ws: Float[Tensor, "B N D"]) -> dict[int, list[Tensor]]:
        """The style activations S of every block (StyleSpace, Wu et al. 2021)."""
        out: dict[int, list[Tensor]] = {}
        first = 0
        for r in self.resolutions:
            block = self.block(r)
            out[r] = block.styles(ws[:, first : first + block.convs + 1])
            first += block.convs
        return out

    def forward(
        self,
        ws: Float[Tensor, "B N D"] | None = None,
        *,
        styles: dict[int, list[Tensor]] | None = None,
        noise: Noise = "const",
        edit_features: EditFeatures | None = None,
        size: int | None = None,
    ) -> Float[Tensor, "B C R R"]:
        """The image of ws or of explicit styles. edit_features: is called with the features after
        each resolution and returns those to use. size: stop after this resolution and return its
        image."""
        if styles is None:
            assert ws is not None
            styles = self.styles(ws)
        x = image = None
        for r in self.resolutions:
            if size is not None and r > size:
                break
            x, image = self.block(r)(x, image, styles[r], noise)
            if edit_features is not None:
                x = edit_features(r, x)
        assert image is not None
        return image
