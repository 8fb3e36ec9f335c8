"""The text-guided image editor T of FF3D (Ma et al. 2023, section 3.1) as a protocol.

image, sentence ─n* = Add(E(I), n, τ)─▶ Editor.edit ─▶ image in the style
`edit_with_diffusers` has the published one, `embedded` our own. Letters: B images, S their side.
"""

from __future__ import annotations

from typing import Literal, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.progress import SILENT, Progress, raise_if_cancelled

DECORATION = "realistic, detail, 8k, photorealistic"
"""The decorative prompt t_d (section 4.1)."""
NEGATIVE = "unclear facial features, non-face objects, ugly, bad"
"""The negative prompt t_n (section 4.1)."""
DEGREE = 0.9
"""τ, the degree of noise addition (section 4.1)."""
STEPS = 20
"""DDIM steps (section 4.1)."""
EditStart = Literal["image", "noise"]
"""What denoising starts from: the noised image n* (Eq. 1), or plain noise n (figure 7c)."""


class Editor(Protocol):
    """An editor of images by a sentence. name: recorded with its results."""

    @property
    def name(self) -> str: ...

    def edit(
        self,
        images: Float[Tensor, "B 3 S S"],
        prompt: str,
        *,
        seed: int = 0,
        start: EditStart = "image",
        progress: Progress = SILENT,
    ) -> Float[Tensor, "B 3 S S"]:
        """Edit images in [-1, 1]. prompt: the style t, undecorated. seed: of the one n that all
        images share. A step of progress is an image. Raises RestyleError, CancelledError."""
        ...


def decorated(prompt: str) -> str:
    """The positive prompt of a style t (section 4.1)."""
    return f"turn the head into {prompt}, {DECORATION}"


def added(
    image: Float[Tensor, "B ..."], noise: Float[Tensor, "B ..."], kept: Float[Tensor, ""] | float
) -> Float[Tensor, "B ..."]:
    """Eq. 1: DDPM's noise addition. kept: ᾱ at the timestep that τ stands for."""
    kept = torch.as_tensor(kept, dtype=image.dtype, device=image.device)
    return kept.sqrt() * image + (1.0 - kept).sqrt() * noise


def timestep_of(degree: float, timesteps: int) -> int:
    """The timestep in 0 … timesteps - 1 that the degree τ in [0, 1] stands for."""
    return min(round(degree * timesteps), timesteps - 1)


def shared_noise(shape: tuple[int, ...], seed: int, like: Tensor) -> Tensor:
    """The n that all images of a set share, sampled on the CPU so that devices agree."""
    noise = torch.randn(1, *shape, generator=torch.Generator().manual_seed(seed))
    return noise.to(like.device, like.dtype)


def per_image(
    images: Float[Tensor, "B 3 S S"], size: int, progress: Progress
) -> list[Float[Tensor, "b 3 S S"]]:
    """Micro-batches of at most `size` images. Raises CancelledError before it begins."""
    raise_if_cancelled(progress)
    return list(images.split(max(1, size)))
