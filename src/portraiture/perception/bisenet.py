"""BiSeNet (Yu et al. 2018) on ResNet-18: a face parser for weights supplied by the user
(`79999_iter.pth`, trained on CelebAMask-HQ). Module names are those of the published file.

512² ─ResNet-18─▶ 1/8, 1/16, 1/32 ─attention, from the coarsest up─▶ fused at 1/8 ─▶ logits
Letters: B images, H×W pixels (multiples of 32).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from portraiture.types import Segment

SIZE = 512
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""ImageNet's colour statistics in [0, 1]."""

CLASSES = (
    Segment.BACKGROUND, Segment.SKIN, Segment.LEFT_BROW, Segment.RIGHT_BROW, Segment.LEFT_EYE,
    Segment.RIGHT_EYE, Segment.GLASSES, Segment.LEFT_EAR, Segment.RIGHT_EAR, Segment.EARRING,
    Segment.NOSE, Segment.MOUTH, Segment.UPPER_LIP, Segment.LOWER_LIP, Segment.NECK,
    Segment.NECKLACE, Segment.CLOTH, Segment.HAIR, Segment.HAT,
)  # fmt: skip
"""Segments in the order of the published weights' classes."""


class BiSeNet(nn.Module):
    """The parser; the auxiliary training heads are kept so that files load strictly."""

    def __init__(self) -> None:
        super().__init__()
        self.cp = ContextPath()
        self.ffm = Fusion()
        self.conv_out = Head(256, 256)
        self.conv_out16 = Head(128, 64)
        self.conv_out32 = Head(128, 64)

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 19 H W"]:
        """Logits, in the published order of classes, of images in [-1, 1]."""
        mean, std = (images.new_tensor(x).view(1, 3, 1, 1) for x in (MEAN, STD))
        fine, coarse = self.cp(((images + 1.0) * 0.5 - mean) / std)
        logits = self.conv_out(self.ffm(fine, coarse))
        return F.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=True)

    @torch.no_grad()
    def segment(self, images: Float[Tensor, "B 3 R R"]) -> UInt8[Tensor, "B R R"]:
        """The most likely `Segment` of each pixel of square images in [-1, 1] of any size."""
        side = images.shape[-1]
        large = F.interpolate(images, (SIZE, SIZE), mode="bilinear", antialias=side > SIZE)
        logits = F.interpolate(self(large), (side, side), mode="bilinear")
        table = torch.tensor([int(segment) for segment in CLASSES], dtype=torch.uint8)
        return table.to(images.device)[logits.argmax(1)]


class ContextPath(nn.Module):
    """ResNet-18 and attention on its two coarsest outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.resnet = ResNet18()
        self.arm16 = Attention(256, 128)
        self.arm32 = Attention(512, 128)
        self.conv_head32 = Convolution(128, 128, 3)
        self.conv_head16 = Convolution(128, 128, 3)
        self.conv_avg = Convolution(512, 128, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Features at 1/8: fine ones, and upsampled coarser ones."""
        eighth, sixteenth, last = self.resnet(x)
        coarse = self.arm32(last) + self.conv_avg(last.mean((2, 3), keepdim=True))
        coarse = self.conv_head32(F.interpolate(coarse, sixteenth.shape[-2:]))
        middle = self.arm16(sixteenth) + coarse
        return eighth, self.conv_head16(F.interpolate(middle, eighth.shape[-2:]))


class ResNet18(nn.Module):
    """He et al. 2016, without the classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(Residual(64, 64), Residual(64, 64))
        self.layer2 = nn.Sequential(Residual(64, 128, stride=2), Residual(128, 128))
        self.layer3 = nn.Sequential(Residual(128, 256, stride=2), Residual(256, 256))
        self.layer4 = nn.Sequential(Residual(256, 512, stride=2), Residual(512, 512))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features at 1/8, 1/16 and 1/32."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        eighth = self.layer2(self.layer1(x))
        sixteenth = self.layer3(eighth)
        return eighth, sixteenth, self.layer4(sixteenth)


class Residual(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class Convolution(nn.Module):
    """Convolution, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, 1, size // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class Attention(nn.Module):
    """Attention refinement: channels weighted by global context."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = Convolution(inputs, outputs, 3)
        self.conv_atten = nn.Conv2d(outputs, outputs, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return x * torch.sigmoid(self.bn_atten(self.conv_atten(x.mean((2, 3), keepdim=True))))


class Fusion(nn.Module):
    """Feature fusion: fine and coarse features with residual channel attention."""

    def __init__(self) -> None:
        super().__init__()
        self.convblk = Convolution(256, 256, 1)
        self.conv1 = nn.Conv2d(256, 64, 1, bias=False)
        self.conv2 = nn.Conv2d(64, 256, 1, bias=False)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        x = self.convblk(torch.cat([fine, coarse], 1))
        mean = x.mean((2, 3), keepdim=True)
        return x + x * torch.sigmoid(self.conv2(F.relu(self.conv1(mean))))


class Head(nn.Module):
    """Features to logits."""

    def __init__(self, inputs: int, middle: int) -> None:
        super().__init__()
        self.conv = Convolution(inputs, middle, 3)
        self.conv_out = nn.Conv2d(middle, len(CLASSES), 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_out(self.conv(x))
