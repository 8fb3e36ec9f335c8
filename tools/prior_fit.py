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


def fit(
    model: HeadModel,
    basis: tuple[np.ndarray, np.ndarray],
    targets: np.ndarray,
    weight: np.ndarray,
    prior: Prior,
    *,
    steps: int = 500,
    realign: int = 50,
    points: float = EFFECTIVE_POINTS,
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
    count = len(goal)
    factor = torch.as_tensor(prior.factor, dtype=torch.float32)
    mean = torch.as_tensor(prior.mean, dtype=torch.float32)
    centre = torch.as_tensor(PHENOTYPE_MEAN, dtype=torch.float32)
    spread = torch.as_tensor(PHENOTYPE_DEVIATION, dtype=torch.float32)
    body = torch.zeros(count, 7, requires_grad=True)
    axes = torch.zeros(count, len(mean), requires_grad=True)
    optimiser = torch.optim.Adam([body, axes], lr=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps, eta_min=0.003)
    still = torch.zeros(count, len(ACTIONS))
    aligned = torch.zeros_like(goal)

    def coefficients() -> torch.Tensor:
        phenotypes = (centre + spread * body).clamp(0.02, 0.98)
        return model.coefficients(phenotypes, (mean + axes @ factor.T).clamp(-1, 1), still)

    for step in range(steps):
        c = coefficients()
        if step % realign == 0:
            with torch.no_grad():
                posed = template + (c @ shapes.flatten(1)).unflatten(1, (-1, 3))
                aligned = rigid_align(goal, posed, w)
                pull = (aligned - template).flatten(1) @ scaled.T
                rest = ((aligned - template).square().sum(2) * w).sum(1)
        square = ((c @ gram) * c).sum(1) - 2 * (c * pull).sum(1) + rest
        loss = 0.5 * points * square / NOISE_M**2
        loss = loss + 0.5 * axes.square().sum(1) + 0.5 * body.square().sum(1)
        optimiser.zero_grad()
        loss.sum().backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        posed = template + (coefficients() @ shapes.flatten(1)).unflatten(1, (-1, 3))
        aligned = rigid_align(goal, posed, w)
        return Fit(
            (centre + spread * body).clamp(0.02, 0.98).numpy(),
            (mean + axes @ factor.T).clamp(-1, 1).numpy().astype(np.float64),
            (posed - aligned).norm(dim=2).numpy(),
            aligned.numpy(),
        )


def rigid_align(source: torch.Tensor, goal: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """`source` (B, P, 3) rotated and moved onto `goal`, least squares (Kabsch 1976)."""
    w = (weight / weight.sum())[None, :, None]
    a, b = (source * w).sum(1, keepdim=True), (goal * w).sum(1, keepdim=True)
    u, _, vt = torch.linalg.svd(((source - a) * w).transpose(1, 2) @ (goal - b))
    flip = torch.ones(len(u), 3)
    flip[:, 2] = torch.det(u @ vt).sign()
    return (source - a) @ (u * flip[:, None]) @ vt + b


def basis_of(model: HeadModel, rows: np.ndarray, mix: np.ndarray | None = None):
    """Template and shapes of vertices `rows` (P,), or of points with barycentric `mix` (P, K) on
    rows (P, K)."""
    if mix is None:
        return model.arrays["template"][rows], model.arrays["shapes"][:, rows]
    template = np.einsum("pk,pkc->pc", mix, model.arrays["template"][rows])
    return template, np.einsum("pk,spkc->spc", mix, model.arrays["shapes"][:, rows])
