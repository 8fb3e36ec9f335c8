"""LResNet-18, LiftedGAN's face embedding (Shi et al. 2021, trained with CosFace), for weights
supplied by the user. Module names are those of the published file.

128² face ─conv 4×4─▶ 64² ─four stages of two residual units─▶ 8² ─linear─▶ 512
Letters: B faces, C channels, H and W sides.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

SIZE = 128
STAGES = ((64, 1), (128, 2), (256, 2), (512, 2))
"""Channels and stride of each stage of two units."""


class LResNetUnit(nn.Module):
    """Pre-activated residual unit, whose second convolution has the stride (Deng et al. 2019)."""

    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm2d(before)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.bn1, self.prelu = nn.BatchNorm2d(after), nn.PReLU(after)
        self.conv2 = nn.Conv2d(after, after, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        same = stride == 1 and before == after
        shortcut = nn.Conv2d(before, after, 1, stride, bias=False)
        self.downsample = None if same else nn.Sequential(shortcut, nn.BatchNorm2d(after))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B _ _ _"]:
        y = self.bn2(self.conv2(self.prelu(self.bn1(self.conv1(self.bn0(x))))))
        return y + (x if self.downsample is None else self.downsample(x))


class LResNet18(nn.Module):
    """The embedding network."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, STAGES[0][0], 4, 2, padding=1, bias=False)
        self.bn1, self.act_layer = nn.BatchNorm2d(STAGES[0][0]), nn.PReLU(STAGES[0][0])
        before = STAGES[0][0]
        for k, (width, stride) in enumerate(STAGES, 1):
            units = nn.Sequential(LResNetUnit(before, width, stride), LResNetUnit(width, width))
            setattr(self, f"layer{k}", units)
            before = width
        side = SIZE // 2 // (2 ** sum(stride == 2 for _, stride in STAGES))
        self.bn4 = nn.BatchNorm2d(before)
        self.fc5, self.bn5 = nn.Linear(before * side * side, 512), nn.BatchNorm1d(512)

    def forward(self, faces: Float[Tensor, "B 3 128 128"]) -> Float[Tensor, "B 512"]:
        """Unit embeddings of faces, RGB in [-1, 1]."""
        x = self.act_layer(self.bn1(self.conv1(faces)))
        for k in range(1, len(STAGES) + 1):
            x = getattr(self, f"layer{k}")(x)
        return F.normalize(self.bn5(self.fc5(self.bn4(x).flatten(1))), dim=1)
