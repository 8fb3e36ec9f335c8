"""Perceptual distance: features of a trained network, normalised per pixel (Zhang et al. 2018).

Any network with `features` can be used: the shipped face parser (`ParserNetwork.features`), or
SqueezeNet v1.0 (Iandola et al. 2016): conv1 ─pool─ fire2, 3, 4 ─pool─ fire5, 6. Its input is BGR,
0 to 255, minus the ImageNet mean. The user supplies its weights; nothing is downloaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from portraiture.errors import CheckpointError, TrainingError
from portraiture.weights import read_tensors

MEAN_BGR = (104.0, 117.0, 123.0)
POOLED_BEFORE = ("fire2", "fire5")
FIRES = ("fire2", "fire3", "fire4", "fire5", "fire6")
TAPS = ("conv1", "fire3", "fire4", "fire6")


class FeatureNetwork(Protocol):
    """Images (B, 3, H, W) in [-1, 1] → feature maps (B, C, h, w), fine to coarse."""

    def features(self, images: Tensor) -> list[Tensor]: ...


class SqueezeFeatures(nn.Module):
    """The first layers of SqueezeNet, frozen.

    tensors: `conv1.weight`, `fire2.squeeze.weight`, `fire2.e1.weight`, `fire2.e3.weight` … and
    biases.
    """

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        super().__init__()
        self.names = {name: name.replace(".", "_") for name in tensors if _used(name)}
        for name, attribute in self.names.items():
            tensor = tensors[name].float().contiguous()
            self.register_buffer(attribute, tensor, persistent=False)
        mean = torch.tensor(MEAN_BGR).view(1, 3, 1, 1)
        self.register_buffer("mean", mean, persistent=False)

    def features(self, images: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
        """Images in [-1, 1] RGB → features of `TAPS`, not normalised."""
        x = (images.flip(1) + 1.0) * 127.5 - self._tensor("mean")
        x = F.relu(self._conv(x, "conv1", stride=2))
        taps = [x]
        for fire in FIRES:
            if fire in POOLED_BEFORE:
                x = F.max_pool2d(x, 3, 2, ceil_mode=True)
            x = F.relu(self._conv(x, f"{fire}.squeeze"))
            wide = self._conv(x, f"{fire}.e1"), self._conv(x, f"{fire}.e3", padding=1)
            x = F.relu(torch.cat(wide, 1))
            if fire in TAPS:
                taps.append(x)
        return taps

    def _conv(self, x: Tensor, name: str, *, stride: int = 1, padding: int = 0) -> Tensor:
        weight, bias = self._tensor(f"{name}_weight"), self._tensor(f"{name}_bias")
        return F.conv2d(x, weight.to(x.dtype), bias.to(x.dtype), stride, padding)

    def _tensor(self, name: str) -> Tensor:
        return getattr(self, name.replace(".", "_"))


def _used(name: str) -> bool:
    return name.split(".")[0] in ("conv1", *FIRES)


def load_squeeze(path: Path) -> SqueezeFeatures:
    """Read the weights. Raises TrainingError if the file is not SqueezeNet's."""
    try:
        tensors = read_tensors(path)
    except CheckpointError as error:
        raise TrainingError(
            f"{path} cannot be read as SqueezeNet weights in safetensors ({error})."
        ) from error
    parts = ["conv1", *(f"{fire}.{part}" for fire in FIRES for part in ("squeeze", "e1", "e3"))]
    missing = [part for part in parts if not {f"{part}.weight", f"{part}.bias"} <= tensors.keys()]
    if missing:
        raise TrainingError(f"{path} does not hold SqueezeNet: {missing[0]} is missing.")
    return SqueezeFeatures(tensors)


def perceptual_distance(
    network: FeatureNetwork,
    a: Float[Tensor, "B 3 H W"],
    b: Float[Tensor, "B 3 H W"],
) -> Float[Tensor, " B"]:
    """Mean over positions of the squared difference of unit feature vectors, summed over the
    feature maps (B, C, h, w). Gradients flow to `a` only. Images in [-1, 1]."""
    with torch.no_grad():
        wanted = unit_features(network, b)
    return distance_to_features(network, a, wanted)


def unit_features(network: FeatureNetwork, images: Float[Tensor, "B 3 H W"]) -> list[Tensor]:
    """The features of images, each position's vector of length 1."""
    return [_unit(x) for x in network.features(images)]


def distance_to_features(
    network: FeatureNetwork, images: Float[Tensor, "B 3 H W"], wanted: list[Tensor]
) -> Float[Tensor, " B"]:
    """`perceptual_distance` to an image that many are compared with. wanted: its
    `unit_features`."""
    pairs = zip(unit_features(network, images), wanted, strict=True)
    return torch.stack([(x - y).square().sum(1).mean((1, 2)) for x, y in pairs]).sum(0)


def _unit(x: Tensor) -> Tensor:
    return x / (x.square().sum(1, keepdim=True) + 1e-8).sqrt()
