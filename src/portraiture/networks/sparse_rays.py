"""Volume-render a subset of an image's rays, with gradients.

Letters: B heads, C channels and P side of a plane, R rays of an image, M of them sampled.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.triplane.sampling import Marched
from portraiture.triplane.volume import render_rays


def march_some(
    network: TriPlaneGenerator, planes: Float[Tensor, "B 3 C P P"],
    rays: tuple[Float[Tensor, "B R 3"], Float[Tensor, "B R 3"]], pixels: Int[Tensor, "B M"],
    samples: int, generator: torch.Generator,
) -> Marched:  # fmt: skip
    """Volume-render the rays of the given pixels, with the given numbers of coarse and fine
    samples."""
    sampling = replace(
        network.config.rendering, depth_resolution=samples, importance_resolution=samples
    )
    origins, directions = (pick(r, pixels) for r in rays)
    return render_rays(planes, network.decoder, origins, directions, sampling, generator=generator)


def pick(values: Float[Tensor, "B R C"], index: Int[Tensor, "B M"]) -> Float[Tensor, "B M C"]:
    """Gather the indexed rows of each example."""
    return values.gather(1, index[..., None].expand(-1, -1, values.shape[-1]))
