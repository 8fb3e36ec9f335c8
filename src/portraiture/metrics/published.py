"""Metrics under their standard names, through published networks whose weights the user has.

Files are read without executing anything in them; every tensor has to fit. None is shipped or
downloaded, and their licences are the user's to mind.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from portraiture.convert.state_file import read_state
from portraiture.errors import CheckpointError
from portraiture.metrics.extractors import FeatureExtractor
from portraiture.metrics.perceptual import ImageDistance
from portraiture.perception.arcface import SIZE as ARCFACE_SIZE
from portraiture.perception.arcface import ArcFace
from portraiture.perception.bisenet import BiSeNet
from portraiture.perception.identity import face_crop
from portraiture.perception.inception import Inception
from portraiture.perception.lpips import Kind, Lpips

ARCFACE_BOX = (0.07, 0.0, 0.93, 0.86)
"""The part of an EG3D crop in which the mean face's eyes, nose and mouth lie nearest to where
ArcFace's alignment puts them, in the crop's sides; moved down by 1.6 % to lie inside."""


def identity_arcface(path: Path | str) -> FeatureExtractor:
    """Cosine similarity by ArcFace's IR-SE50 (`model_ir_se50.pth`). Raises CheckpointError."""
    network = ArcFace()
    _fill(network, read_state(path), path)
    return FeatureExtractor("identity", partial(_embedded, network))


def fid(path: Path | str) -> FeatureExtractor:
    """Features for FID (`pt_inception-2015-12-05-6726825d.pth`). Raises CheckpointError."""
    network = Inception()
    _fill(network, read_state(path), path)
    return FeatureExtractor("fid", partial(_pooled, network))


def lpips(network: Path | str, comparison: Path | str, *, kind: Kind = "alex") -> ImageDistance:
    """LPIPS from torchvision's weights of AlexNet or VGG-16 and those of the comparison
    (`alex.pth`, `vgg.pth`). Raises CheckpointError."""
    distance = Lpips(kind)
    tensors = {k: v for k, v in read_state(network).items() if not k.startswith("classifier.")}
    _fill(distance, tensors, network, prefix="features.")
    _fill(distance, read_state(comparison), comparison, prefix="lin")
    name = "lpips" if kind == "alex" else f"lpips-{kind}"
    return ImageDistance(name, torch.no_grad()(distance))


def parser_bisenet(path: Path | str) -> BiSeNet:
    """The face parser of `79999_iter.pth`, whose `segment` is that of `ParserNetwork`. Raises
    CheckpointError."""
    network = BiSeNet()
    tensors = {k: v for k, v in read_state(path).items() if not k.startswith("cp.resnet.fc.")}
    _fill(network, tensors, path)
    return network


@torch.no_grad()
def _embedded(network: ArcFace, images: Float[Tensor, "B 3 R R"]) -> Float[Tensor, "B 512"]:
    return network(face_crop(images, ARCFACE_SIZE, box=ARCFACE_BOX))


@torch.no_grad()
def _pooled(network: Inception, images: Float[Tensor, "B 3 R R"]) -> Float[Tensor, "B 2048"]:
    """Of images as they would be in a file."""
    return network(((images + 1.0) * 127.5).round().clamp(0.0, 255.0) / 127.5 - 1.0)


def _fill(
    network: nn.Module, tensors: dict[str, Tensor], source: Path | str, *, prefix: str = ""
) -> None:
    """Give the network these tensors, which must be all that it has below a prefix and no others;
    evaluation mode."""
    expected = {k: v for k, v in network.state_dict().items() if k.startswith(prefix)}
    optional = {name for name in expected if name.endswith("num_batches_tracked")}
    missing = sorted(expected.keys() - tensors.keys() - optional)
    unknown = sorted(tensors.keys() - expected.keys())
    if missing or unknown:
        what = f"lacks {missing[0]}" if missing else f"has an unknown tensor {unknown[0][:80]!r}"
        raise CheckpointError(f"{source} {what}.")
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            have, want = tuple(tensor.shape), tuple(expected[name].shape)
            raise CheckpointError(f"{source} has {name} in shape {have}, not {want}.")
    network.load_state_dict(tensors, strict=False)
    network.eval().requires_grad_(False)
