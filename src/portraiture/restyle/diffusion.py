"""Denoising diffusion for our own editor: DDPM's schedule (Ho et al. 2020), v (Salimans and Ho
2022), DDIM's sampler (Song et al. 2021), and InstructPix2Pix's guidance (Brooks et al. 2023).

Letters: T timesteps, B images.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

FIRST_BETA, LAST_BETA = 1e-4, 0.02
"""Of the linear schedule (Ho et al. 2020, section 4)."""
Predict = Callable[[Tensor, float], Tensor]
"""Noisy images and a timestep → v."""


def kept_signal(timesteps: int) -> Float[Tensor, "T"]:
    """ᾱ of every timestep, the share of the image's variance that is left."""
    scale = 1000.0 / timesteps
    betas = torch.linspace(scale * FIRST_BETA, scale * LAST_BETA, timesteps, dtype=torch.float64)
    return (1.0 - betas).cumprod(0).float()


def v_of(
    image: Float[Tensor, "B ..."], noise: Float[Tensor, "B ..."], kept: Float[Tensor, "B ..."]
) -> Float[Tensor, "B ..."]:
    """√ᾱ·ε - √(1 - ᾱ)·x (Salimans and Ho 2022, section 4)."""
    return kept.sqrt() * noise - (1.0 - kept).sqrt() * image


def ddim_times(first: int, steps: int) -> list[int]:
    """Descending timesteps from `first` to 0; fewer where there are not as many."""
    times = torch.linspace(first, 0, steps).round().long().tolist()
    return list(dict.fromkeys(times))


def ddim(
    predict: Predict, noisy: Float[Tensor, "B ..."], times: list[int], kept: Float[Tensor, "T"]
) -> Float[Tensor, "B ..."]:
    """Denoise from times[0] through all of them to the image (Song et al. 2021, Eq. 12, σ = 0)."""
    x = noisy
    for k, time in enumerate(times):
        now = float(kept[time])
        then = float(kept[times[k + 1]]) if k + 1 < len(times) else 1.0
        v = predict(x, float(time))
        image = now**0.5 * x - (1.0 - now) ** 0.5 * v
        noise = (1.0 - now) ** 0.5 * x + now**0.5 * v
        x = then**0.5 * image + (1.0 - then) ** 0.5 * noise
    return x


def guided(
    none: Tensor, of_image: Tensor, of_both: Tensor, image_guidance: float, text_guidance: float
) -> Tensor:
    """Predictions without conditions, with the image, and with image and sentence, combined (Brooks
    et al. 2023, Eq. 3)."""
    return none + image_guidance * (of_image - none) + text_guidance * (of_both - of_image)
