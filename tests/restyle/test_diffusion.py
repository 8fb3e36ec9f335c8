"""The schedule, v and DDIM: against diffusers' scheduler, and on a distribution whose denoiser is
known in closed form."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor

from portraiture.restyle.diffusion import ddim, ddim_times, guided, kept_signal, v_of


def test_ddim_is_diffusers() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from diffusers import DDIMScheduler
    theirs = DDIMScheduler(
        beta_start=1e-4, beta_end=0.02, beta_schedule="linear", prediction_type="v_prediction",
        clip_sample=False, timestep_spacing="trailing", set_alpha_to_one=True,
    )  # fmt: skip
    kept = kept_signal(1000)
    assert torch.allclose(kept, theirs.alphas_cumprod, rtol=1e-4)
    theirs.set_timesteps(20)
    times = theirs.timesteps.tolist()
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 4, 4, generator=rng)
    weight = torch.randn(3, 3, generator=rng) * 0.3

    def predict(noisy: Tensor, time: float) -> Tensor:
        return torch.einsum("ij,bjhw->bihw", weight, noisy).tanh() * (1.0 + time / 1000.0)

    wanted = x
    for time in times:
        wanted = theirs.step(predict(wanted, time), time, wanted).prev_sample
    assert torch.allclose(ddim(predict, x, times, kept), wanted, atol=1e-4)


def test_v_is_the_derivative_of_the_angle() -> None:
    """x_φ = cos φ·x + sin φ·ε, v = dx_φ/dφ (Salimans and Ho 2022, appendix D)."""
    rng = torch.Generator().manual_seed(0)
    image, noise = torch.randn(2, 5, generator=rng, dtype=torch.float64)
    angle = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    for k in range(5):
        (slope,) = torch.autograd.grad(angle.cos() * image[k] + angle.sin() * noise[k], angle)
        found = v_of(image[k], noise[k], angle.detach().cos().square())
        assert float(found) == pytest.approx(float(slope))


def test_noise_becomes_the_data_of_an_ideal_denoiser() -> None:
    """Data N(m, s²): the best v is linear in the noisy sample, and the flow maps a quantile of the
    noise to the same quantile of the data."""
    mean, spread = 0.6, 0.25
    kept = kept_signal(1000)

    def predict(noisy: Tensor, time: float) -> Tensor:
        a, b = float(kept[int(time)]) ** 0.5, float(1.0 - kept[int(time)]) ** 0.5
        image = mean + a * spread**2 / (a**2 * spread**2 + b**2) * (noisy - a * mean)
        noise = (noisy - a * image) / b
        return a * noise - b * image

    quantiles = torch.tensor([-2.0, -1.0, 0.0, 0.5, 1.5])
    found = ddim(predict, quantiles, ddim_times(999, 500), kept)
    assert torch.allclose(found, mean + spread * quantiles, atol=0.02)


def test_times_fall_to_zero() -> None:
    assert ddim_times(900, 4) == [900, 600, 300, 0]
    assert ddim_times(2, 10) == [2, 1, 0]
    assert len(ddim_times(900, 20)) == 20


def test_guidance_of_one_is_the_whole_prediction() -> None:
    parts = [torch.randn(3, generator=torch.Generator().manual_seed(k)) for k in range(3)]
    assert torch.allclose(guided(*parts, 1.0, 1.0), parts[2], atol=1e-6)
    assert torch.allclose(guided(*parts, 1.0, 0.0), parts[1], atol=1e-6)
    assert torch.allclose(guided(*parts, 0.0, 0.0), parts[0], atol=1e-6)
