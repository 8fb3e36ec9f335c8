"""Maximum a posteriori phenotypes and local changes for points on scans, many scans at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from portraiture.engine.actions import ACTIONS
from portraiture.engine.head import HeadModel
from portraiture.engine.prior import Prior

PHENOTYPE_MEAN = np.array([0.45, 0.56, 0.5, 0.5, 0.33, 0.33, 0.34])
PHENOTYPE_DEVIATION = np.array([0.4, 0.08, 0.15, 0.2, 0.5, 0.5, 0.5])
NOISE_M = 1e-3
EFFECTIVE_POINTS = 300.0
"""Neighbouring vertices err alike, so thousands of them count as this many."""


@dataclass(frozen=True)
class Fit:
    """phenotypes: (B, 7), local: (B, N), error: (B, P) metres, aligned: (B, P, 3) targets."""

    phenotypes: np.ndarray
    local: np.ndarray
    error: np.ndarray
    aligned: np.ndarray


class _Heads:
    """Many heads in whitened coordinates: body (B, 7) for phenotypes, axes (B, N) for changes."""

    def __init__(self, model: HeadModel, prior: Prior, count: int) -> None:
        self.model = model
        self.mean = torch.as_tensor(prior.mean, dtype=torch.float32)
        self.factor = torch.as_tensor(prior.factor, dtype=torch.float32)
        self.body = torch.zeros(count, 7, requires_grad=True)
        self.axes = torch.zeros(count, len(prior.mean), requires_grad=True)

    def phenotypes(self) -> torch.Tensor:
        mean, deviation = (
            torch.as_tensor(a, dtype=torch.float32) for a in (PHENOTYPE_MEAN, PHENOTYPE_DEVIATION)
        )
        return (mean + deviation * self.body).clamp(0.02, 0.98)

    def local(self) -> torch.Tensor:
        return (self.mean + self.axes @ self.factor.T).clamp(-1, 1)

    def coefficients(self) -> torch.Tensor:
        still = torch.zeros(len(self.body), len(ACTIONS))
        return self.model.coefficients(self.phenotypes(), self.local(), still)

    def surprise(self) -> torch.Tensor:
        """(B,) minus the logarithm of the prior, up to a constant."""
        return 0.5 * (self.axes.square().sum(1) + self.body.square().sum(1))


def fit(
    model: HeadModel,
    basis: tuple[np.ndarray, np.ndarray],
    targets: np.ndarray,
    weight: np.ndarray,
    prior: Prior,
    *,
    steps: int = 500,
    realign: int = 50,
) -> Fit:
    """Maximum a posteriori phenotypes and local changes for targets (B, P, 3) of P points.

    basis: template (P, 3) and shapes (S, P, 3) of those points. Adam in whitened coordinates on
    the normal equations, with a rigid alignment of the targets every `realign` steps.
    """
    template, shapes = (torch.as_tensor(a, dtype=torch.float32) for a in basis)
    w = torch.as_tensor(weight, dtype=torch.float32)
    scaled = (shapes * w[:, None]).flatten(1)
    gram = scaled @ shapes.flatten(1).T
    goal = torch.as_tensor(targets, dtype=torch.float32)
    heads = _Heads(model, prior, len(goal))
    optimiser = torch.optim.Adam([heads.body, heads.axes], lr=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, eta_min=0.003)

    @torch.no_grad()
    def align() -> tuple[torch.Tensor, torch.Tensor]:
        """Current points and targets, less the template."""
        moved = (heads.coefficients() @ shapes.flatten(1)).unflatten(1, (-1, 3))
        return moved, rigid_align(goal, template + moved, w) - template

    for step in range(steps):
        if step % realign == 0:
            _, wanted = align()
            pull = wanted.flatten(1) @ scaled.T
            rest = (wanted.square().sum(2) * w).sum(1)
        c = heads.coefficients()
        square = ((c @ gram) * c).sum(1) - 2 * (c * pull).sum(1) + rest
        loss = 0.5 * EFFECTIVE_POINTS / NOISE_M**2 * square + heads.surprise()
        optimiser.zero_grad()
        loss.sum().backward()
        optimiser.step()
        schedule.step()
    moved, wanted = align()
    return Fit(
        phenotypes=heads.phenotypes().detach().numpy(),
        local=heads.local().detach().numpy().astype(np.float64),
        error=(moved - wanted).norm(dim=2).numpy(),
        aligned=(wanted + template).numpy(),
    )


def rigid_align(source: torch.Tensor, goal: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """`source` (B, P, 3) rotated and moved onto `goal`, least squares (Kabsch 1976)."""
    w = (weight / weight.sum()).to(source.dtype)[None, :, None]
    a, b = (source * w).sum(1, keepdim=True), (goal * w).sum(1, keepdim=True)
    u, _, vt = torch.linalg.svd(((source - a) * w).transpose(1, 2) @ (goal - b))
    flip = torch.ones(len(u), 3, dtype=source.dtype)
    flip[:, 2] = torch.det(u @ vt).sign()
    return (source - a) @ (u * flip[:, None]) @ vt + b


def basis_of(
    model: HeadModel, rows: np.ndarray, mix: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Template and shapes of vertices `rows` (P,), or of points with barycentric `mix` (P, K) on
    rows (P, K)."""
    if mix is None:
        return model.arrays["template"][rows], model.arrays["shapes"][:, rows]
    template = np.einsum("pk,pkc->pc", mix, model.arrays["template"][rows])
    return template, np.einsum("pk,spkc->spc", mix, model.arrays["shapes"][:, rows])
