"""The encoders that GOAE is compared with, pSp (Richardson et al., CVPR 2021) and e4e (Tov et al.,
SIGGRAPH 2021), which predict rows of w+ from three levels of a convolutional pyramid.

photo ─residual units─▶ fine, mid, coarse ─from coarse to fine, added─▶ three maps
map ─a branch per row: strided convolutions to one pixel, linear─▶ a row
pSp: w+ = w_avg + rows.  e4e: w+ = w_avg + row 0 + (0, Δ1, Δ2, …)
Implemented from the papers; names are ours. Letters: B photos, C channels of a map, n its side, N
rows of w+, D w dimension.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from portraiture.networks.ir_se import Unit


@dataclass(frozen=True)
class PyramidConfig:
    """kind: meaning of the rows. widths, units: of the four stages, each of which halves the size;
    the last three are the fine, middle and coarse maps. rows: number of rows of w+ from the coarse,
    middle and fine maps; the coarse one also gives the first row. branch: channels of a branch's
    convolutions. generator: fingerprint of the mapping whose w it predicts, if known. The defaults
    are the papers', on IR-SE50."""

    kind: Literal["psp", "e4e"] = "psp"
    image_size: int = 256
    widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    units: tuple[int, int, int, int] = (3, 4, 14, 3)
    w_dim: int = 512
    rows: tuple[int, int, int] = (2, 4, 11)
    branch: int = 512
    generator: str = ""

    @property
    def num_ws(self) -> int:
        return 1 + sum(self.rows)


class PyramidEncoder(nn.Module):
    """Photo → w+ - w_avg."""

    model_name: ClassVar = "pyramid-encoder"

    def __init__(self, config: PyramidConfig) -> None:
        super().__init__()
        self.config = config
        first = config.widths[0]
        self.stem = nn.Sequential(
            nn.Conv2d(3, first, 3, 1, 1, bias=False), nn.BatchNorm2d(first), nn.PReLU(first)
        )
        self.stages = nn.ModuleList()
        for before, width, count in zip(
            (first, *config.widths), config.widths, config.units, strict=False
        ):
            units = [Unit(before, width, stride=2)]
            units += [Unit(width, width) for _ in range(count - 1)]
            self.stages.append(nn.Sequential(*units))
        _, fine, mid, coarse = config.widths
        self.mid_to_coarse = nn.Conv2d(mid, coarse, 1)
        self.fine_to_coarse = nn.Conv2d(fine, coarse, 1)
        side = config.image_size >> len(config.widths)
        counts = (1 + config.rows[0], *config.rows[1:])
        self.branches = nn.ModuleList(
            _branch(coarse, config.branch, config.w_dim, side << level)
            for level, count in enumerate(counts)
            for _ in range(count)
        )

    def forward(
        self, photos: Float[Tensor, "B 3 R R"], *, levels: int = 3
    ) -> Float[Tensor, "B N D"]:
        """w+ - w_avg of photos in [-1, 1]. levels: number of maps in use whose rows of e4e differ
        from the first (its progressive training); pSp trains all rows at once."""
        x = self.stem(photos)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        _, fine, mid, coarse = maps
        mid = _doubled(coarse) + self.mid_to_coarse(mid)
        fine = _doubled(mid) + self.fine_to_coarse(fine)
        counts = (1 + self.config.rows[0], *self.config.rows[1:])
        ends = [sum(counts[: k + 1]) for k in range(3)]
        used = ends[2] if self.config.kind == "psp" else (1, *ends)[levels]
        seen = [k for k, count in enumerate(counts) for _ in range(count)]
        found = [
            branch((coarse, mid, fine)[level]).flatten(1)
            for branch, level in zip(self.branches[:used], seen[:used], strict=True)
        ]
        if self.config.kind == "psp":
            return torch.stack(found, 1)
        rows = [found[0], *(found[0] + change for change in found[1:])]
        return torch.stack([*rows, *[found[0]] * (ends[2] - used)], 1)


def _branch(inputs: int, width: int, outputs: int, side: int) -> nn.Sequential:
    """Strided convolutions to one pixel, then a linear layer with small initial weights."""
    layers: list[nn.Module] = []
    while side > 1:
        layers += [nn.Conv2d(inputs, width, 3, 2, 1), nn.LeakyReLU(0.01, inplace=True)]
        inputs, side = width, -(-side // 2)
    last = nn.Conv2d(inputs, outputs, 1)
    nn.init.normal_(last.weight, std=0.1 * inputs**-0.5)
    if last.bias is not None:
        nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)


def _doubled(x: Float[Tensor, "B C n n"]) -> Float[Tensor, "B C m m"]:
    return F.interpolate(x, scale_factor=2.0, mode="bilinear")
