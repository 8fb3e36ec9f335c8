"""Face identity: an image to a unit vector, close for the same person (ResNet-18, He et al. 2016;
trained with CosFace).

EG3D crop ─face_crop─▶ 112² ─stem─▶ four stages of two residual blocks ─▶ embedding
Letters: B faces, D length of an embedding, R side of a crop.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

FACE_BOX = (0.08, 0.08, 0.92, 0.92)
"""Left, top, right and bottom of the face in an EG3D crop, in its sides."""


@dataclass(frozen=True)
class IdentityConfig:
    """width: channels of the first stage, doubled by each later one (64 in ResNet-18). neck:
    channels before the embedding. embedding: its length. size: side of the faces, pixels."""

    width: int = 32
    neck: int = 128
    embedding: int = 256
    size: int = 112


class IdentityNetwork(nn.Module):
    """Faces to unit vectors."""

    def __init__(self, config: IdentityConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.width << stage for stage in range(4)]
        self.stem = _convolution(3, config.width, 7, stride=2)
        blocks, before = [], config.width
        for stage, width in enumerate(widths):
            blocks += [Residual(before, width, stride=1 if stage == 0 else 2)]
            blocks += [Residual(width, width)]
            before = width
        self.blocks = nn.Sequential(*blocks)
        self.neck = _convolution(before, config.neck, 1)
        side = -(-config.size // 32)
        self.embedding = nn.Linear(config.neck * side * side, config.embedding, bias=False)
        self.norm = nn.BatchNorm1d(config.embedding, affine=False)

    def features(self, faces: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B C"]:
        """The last stage's features averaged over the face, C = 8 width, which the Fréchet distance
        `frechet-synthetic` compares."""
        return self._last_stage(faces).float().mean((2, 3))

    def forward(self, faces: Float[Tensor, "B 3 S S"]) -> Float[Tensor, "B D"]:
        """Unit embeddings of faces in [-1, 1], S = ``config.size`` (see `face_crop`)."""
        x = F.relu(self.neck(self._last_stage(faces)))
        x = self.norm(self.embedding(x.flatten(1)).float())
        return F.normalize(x, dim=1)

    def _last_stage(self, faces: Tensor) -> Tensor:
        x = F.relu(self.stem(faces.contiguous(memory_format=torch.channels_last)))
        return self.blocks(F.max_pool2d(x, 3, 2, 1))


class Residual(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        self.first = _convolution(inputs, outputs, 3, stride=stride)
        self.second = _convolution(outputs, outputs, 3)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else _convolution(inputs, outputs, 1, stride=stride)

    def forward(self, x: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O h w"]:
        y = self.second(F.relu(self.first(x)))
        return F.relu(y + self.shortcut(x))


class Pointwise(nn.Conv2d):
    """1×1 convolution of every `stride`-th pixel.

    oneDNN (torch 2.13, AVX2, one thread) writes past its memory in the backward pass of a strided
    1×1 convolution of fewer than eight channels, channels last; without a stride it does not.
    """

    def forward(self, x: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O h w"]:
        down, right = self.stride
        return F.conv2d(x[:, :, ::down, ::right], self.weight, self.bias)


def _convolution(inputs: int, outputs: int, size: int, *, stride: int = 1) -> nn.Sequential:
    """A convolution and batch normalisation."""
    layer = Pointwise if size == 1 else nn.Conv2d
    return nn.Sequential(
        layer(inputs, outputs, size, stride, size // 2, bias=False), nn.BatchNorm2d(outputs)
    )


def face_crop(
    images: Float[Tensor, "B 3 R R"], size: int = 112, *, box: tuple[float, ...] = FACE_BOX
) -> Float[Tensor, "B 3 S S"]:
    """The face region of EG3D crops (from `photo.align` or the generators), at `size` pixels;
    differentiable."""
    side = images.shape[-1]
    left, top, right, bottom = (round(edge * side) for edge in box)
    face = images[:, :, top:bottom, left:right]
    return F.interpolate(face, (size, size), mode="bilinear", antialias=True)


def similarity(a: Float[Tensor, "*n D"], b: Float[Tensor, "*n D"]) -> Float[Tensor, "*n"]:
    """Cosine of unit embeddings, in [-1, 1]."""
    return (a * b).sum(-1)
