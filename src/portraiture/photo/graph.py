"""Run a converted convolutional network: operations and weights from one file.

The four networks in ``assets/landmarks`` were converted by ``tools/convert_landmarks.py``, which
documents the file. The operations follow TensorFlow Lite, and mediapipe for the three that resample
a region of the features ("Attention Mesh", Grishchenko et al. 2020, section 3).

Dimension letters: B images, S side in pixels, R rows, K numbers of a row, P pixels of a region.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from safetensors import safe_open
from torch import Tensor

ASSETS = Path(__file__).parents[1] / "assets" / "landmarks"


class Graph(torch.nn.Module):
    """A network of `assets/landmarks`. size: side of its square input in pixels. regions: indices
    of the points that define each region it resamples.

    It is immutable after loading, so that threads may share it.
    """

    def __init__(self, path: Path):
        super().__init__()
        with safe_open(path, "pt") as file:
            graph = json.loads(file.metadata()["graph"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        self.size: int = graph["size"]
        self._input: str = graph["input"]
        self._outputs: dict[str, str] = graph["outputs"]
        self._operations: list[dict[str, Any]] = graph["operations"]
        for name, shape in graph["sparse"].items():
            mask, values = tensors.pop(f"{name}.mask"), tensors.pop(f"{name}.values")
            tensors[name] = _dense(mask, values, shape)
        used = {one[key] for one in self._operations for key in ("weight", "bias") if key in one}
        if used != set(tensors):
            raise ValueError(f"{path.name} and its operations disagree: {used ^ set(tensors)}")
        for name, tensor in tensors.items():
            layout = torch.channels_last if tensor.dim() == 4 else torch.contiguous_format
            tensor = tensor.float().contiguous(memory_format=layout)
            self.register_buffer(name, tensor, persistent=False)
        self.regions: list[list[int]] = [
            one["points"] for one in self._operations if one["op"] == "region"
        ]
        self._last_use = {
            name: i for i, one in enumerate(self._operations) for name in one["inputs"]
        }
        self._last_use |= {name: len(self._operations) for name in self._outputs.values()}

    @torch.inference_mode()
    def forward(self, images: Float[Tensor, "B 3 S S"]) -> dict[str, Tensor]:
        """The network's outputs by name: images B × C × H × W, points B × R × K."""
        if images.shape[1:] != (3, self.size, self.size):
            raise ValueError(f"images of 3 × {self.size}² are needed, not {tuple(images.shape)}")
        values = {self._input: images}
        for i, one in enumerate(self._operations):
            inputs = [values[name] for name in one["inputs"]]
            values[one["output"]] = self._run(one, *inputs)
            for name in one["inputs"]:
                if self._last_use[name] == i:
                    values.pop(name, None)
        return {ours: values[name] for ours, name in self._outputs.items()}

    def _run(self, one: dict[str, Any], x: Tensor, *others: Tensor) -> Tensor:
        weight: Any = self._buffers.get(one.get("weight", ""))
        bias = self._buffers.get(one.get("bias", ""))
        match one["op"]:
            case "conv":
                return _convolved(x, weight, bias, one)
            case "deconv":
                return F.conv_transpose2d(x, weight, bias, one["stride"])
            case "prelu":
                return F.prelu(x, weight)
            case "scale":
                return x * weight
            case "add":
                return (x + others[0]).relu_() if one["relu"] else x + others[0]
            case "mul":
                return x * others[0]
            case "hard_swish":
                return F.hardswish(x)
            case "logistic":
                return x.sigmoid()
            case "max_pool":
                return F.max_pool2d(x, 2)
            case "mean":
                return x.mean((2, 3), keepdim=True)
            case "pad_channels":
                return F.pad(x, (0, 0, 0, 0, 0, one["count"]))
            case "double":
                return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            case "depth_to_space":
                return _depth_to_space(x, one["block"])
            case "rows":
                x = x.permute(0, 2, 3, 1) if x.dim() == 4 else x
                return x.reshape(x.shape[0], -1, one["width"])
            case "concatenation":
                return torch.cat([x, *others], 1)
            case "region":
                return _region(x, one)
            case "sample":
                return _sample(x, others[0], one["size"])
            case "transform":
                return x @ others[0][:, :2, :2].mT + others[0][:, None, :2, 3]
            case op:
                raise ValueError(f"operation {op} is not known")


@lru_cache(maxsize=8)
def load(name: str) -> Graph:
    """A network by the stem of its file in `assets/landmarks`, loaded once and shared."""
    return Graph(ASSETS / f"{name}.safetensors")


def _convolved(x: Tensor, weight: Any, bias: Any, one: dict[str, Any]) -> Tensor:
    """Convolution. margin: left, right, top, bottom padding (TensorFlow pads asymmetrically if the
    stride does not divide the size)."""
    margin = one["margin"]
    even = len(set(margin)) == 1
    x = x if even else F.pad(x, margin)
    x = F.conv2d(x, weight, bias, one["stride"], margin[0] if even else 0, groups=one["groups"])
    return x.relu_() if one["relu"] else x


def _dense(mask: Tensor, values: Tensor, shape: list[int]) -> Tensor:
    """A dense weight from its values and the bit mask of their positions (most significant bit
    first)."""
    bits = (mask[:, None] >> torch.arange(7, -1, -1, dtype=torch.uint8)) & 1
    dense = torch.zeros(shape, dtype=values.dtype).flatten()
    dense[bits.flatten()[: dense.numel()].bool()] = values
    return dense.view(shape)


def _depth_to_space(x: Tensor, block: int) -> Tensor:
    """Rearrange the channels (row, column, channel) of each pixel to a block of pixels."""
    count, channels, height, width = x.shape
    x = x.view(count, block, block, channels // block**2, height, width)
    x = x.permute(0, 3, 4, 1, 5, 2)
    return x.reshape(count, -1, height * block, width * block)


def _region(points: Float[Tensor, "B R K"], one: dict[str, Any]) -> Float[Tensor, "B 4 4"]:
    """The transform from pixels of an upright crop around some points to the points' plane.

    The crop's x axis runs from the point `left` to the point `right`; its sides are `scale` times
    those of the box around `points`; it has `size` pixels a side.
    """
    along = points[:, one["right"], :2] - points[:, one["left"], :2]
    angle = torch.atan2(along[:, 1], along[:, 0])
    c, s = angle.cos(), angle.sin()
    turn = torch.stack([torch.stack([c, -s], 1), torch.stack([s, c], 1)], 1)
    upright = points[:, one["points"], :2] @ turn
    low, high = upright.amin(1), upright.amax(1)
    linear = turn * (one["scale"] / one["size"] * (high - low))[:, None]
    centre = ((low + high) / 2)[:, None] @ turn.mT
    matrix = torch.eye(4, dtype=points.dtype, device=points.device).repeat(len(points), 1, 1)
    matrix[:, :2, :2] = linear
    matrix[:, :2, 3] = centre[:, 0] - linear.sum(2) * (one["size"] / 2)
    return matrix


def _sample(
    x: Float[Tensor, "B C H W"], matrix: Float[Tensor, "B 4 4"], size: int
) -> Float[Tensor, "B C P P"]:
    """Resample x to a crop of `size` pixels through a pixel transform, bilinear, zero outside.

    Pixel centres lie at +0.5 on both sides.
    """
    height, width = x.shape[2:]
    steps = torch.arange(size, dtype=x.dtype, device=x.device) + 0.5
    grid = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1).view(-1, 2)
    at = grid @ matrix[:, :2, :2].mT + matrix[:, None, :2, 3]
    extent = torch.tensor([width, height], dtype=x.dtype, device=x.device)
    inside = ((at >= 0.5) & (at <= extent - 0.5)).all(2).to(x.dtype)
    at = (2 * at / extent - 1).view(-1, size, size, 2)
    crop = F.grid_sample(x, at, align_corners=False)
    return crop * inside.view(-1, 1, size, size)
