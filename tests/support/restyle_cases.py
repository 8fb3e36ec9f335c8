"""A generator with a solid ball in its planes, and editors without networks, for restyling."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from encoder_cases import SIZES
from torch import Tensor

from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.image_to_planes import (
    ImageToPlanes,
    ImageToPlanesConfig,
    spread_of_planes,
)
from portraiture.progress import SILENT, Progress, raise_if_cancelled
from portraiture.restyle.editors import EditStart

NETWORK = ImageToPlanesConfig(
    image_size=32, code=8, code_size=16, widths=(16, 16, 16, 16), tokens=1, heads=2,
    layers=(8, 8, 8), plane_size=64, plane_features=8, w_dim=16,
)  # fmt: skip


def solid_generator(seed: int = 0) -> TriPlaneGenerator:
    """Of random weights, with something solid."""
    torch.manual_seed(seed)
    made = TriPlaneGenerator(SIZES).requires_grad_(False).eval()
    made.decoder.net[2].weight[0] *= 20.0
    made.decoder.net[2].bias[0] = 4.0
    return made


def random_head(generator: TriPlaneGenerator, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Planes and w+ of a random z."""
    z = torch.randn(1, SIZES.z_dim, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        ws = generator.mapping(z, None)
        return generator.planes(ws), ws


def untrained_planes(generator: TriPlaneGenerator, seed: int = 0) -> ImageToPlanes:
    """An image-to-plane network of random weights."""
    torch.manual_seed(seed)
    network = ImageToPlanes(NETWORK)
    network.spread.fill_(spread_of_planes(generator))
    return network.eval()


@dataclass
class Tinted:
    """An editor that mixes every image with one colour, or with its negative by the prompt's name.
    asked: prompts, seeds and starts of every call."""

    name: str = "tinted"
    asked: list[tuple[str, int, EditStart]] = field(default_factory=list)

    def edit(
        self, images: Tensor, prompt: str, *, seed: int = 0, start: EditStart = "image",
        progress: Progress = SILENT,
    ) -> Tensor:  # fmt: skip
        self.asked.append((prompt, seed, start))
        found = []
        for image in images:
            raise_if_cancelled(progress)
            found.append(tinted(image, prompt))
            progress.step()
        return torch.stack(found)


COLOURS = {"red": (1.0, -1.0, -1.0), "blue": (-1.0, -1.0, 1.0), "green": (-1.0, 1.0, -1.0)}


def tinted(image: Tensor, prompt: str) -> Tensor:
    if prompt == "negative":
        return -image
    colour = torch.tensor(COLOURS[prompt]).to(image)[:, None, None]
    return 0.5 * image + 0.5 * colour
