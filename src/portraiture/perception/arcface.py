"""ArcFace's network IR-SE50 (Deng et al. 2019): a face to a unit vector, for weights supplied by
the user (`model_ir_se50.pth`). Module names are those of the published file.

112² face ─input_layer─▶ 24 residual units with squeeze and excitation ─▶ output_layer ─▶ 512
Letters: B faces.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from portraiture.networks.ir_se import Unit

SIZE = 112
STAGES = ((64, 3), (128, 4), (256, 14), (512, 3))
"""Channels and units of each stage; every stage halves the size."""


class ArcFace(nn.Module):
    """IR-SE50."""

    def __init__(self) -> None:
        super().__init__()
        self.input_layer = nn.Sequential(
            nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64)
        )
        units, before = [], 64
        for width, count in STAGES:
            units.append(Unit(before, width, stride=2))
            units += [Unit(width, width) for _ in range(count - 1)]
            before = width
        self.body = nn.Sequential(*units)
        side = SIZE >> len(STAGES)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(before), nn.Dropout(), nn.Flatten(),
            nn.Linear(before * side * side, 512), nn.BatchNorm1d(512),
        )  # fmt: skip

    def forward(self, faces: Float[Tensor, "B 3 112 112"]) -> Float[Tensor, "B 512"]:
        """Unit embeddings of aligned faces, RGB in [-1, 1]."""
        return F.normalize(self.output_layer(self.body(self.input_layer(faces))), dim=1)
