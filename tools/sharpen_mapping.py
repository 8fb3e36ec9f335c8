"""Reduce the mapping's error on the engine's parameters, for a trained generator.

    python tools/sharpen_mapping.py RUN/networks/heads.safetensors OUT.safetensors

No images are needed: a fixed linear layer reads the parameters from w; a correction of w for the
remaining error follows from the mean change of w per parameter, and the mapping is trained towards
the corrected w. Loss weights are those of pre-training (`generate.train.pretrain_mapping`).
Letters: N people, A numbers, D w dimension.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import tyro
from jaxtyping import Float
from rich.progress import track
from torch import Tensor

from portraiture.checkpoints import load_card, load_generator, save_generator
from portraiture.generate.train.pretrain_mapping import PEOPLE_SEED, describe_people, number_weights
from portraiture.networks.stylegan2 import Mapping
from portraiture.people.latent import LATENT_SIZE, sample_latents

NEARNESS = 0.2
"""Weight of the distance from the w that is wanted, in units of w's variance."""

BATCH, EXAM = 512, 4_000


def main(
    network: Annotated[Path, tyro.conf.Positional],
    out: Annotated[Path, tyro.conf.Positional],
    people: int = 40_000,
    steps: int = 7_000,
    rate: float = 0.3,
) -> None:
    """Write the generator with its mapping sharpened."""
    generator = load_generator(network)
    mapping = generator.backbone.mapping
    z = torch.from_numpy(sample_latents(people, PEOPLE_SEED))
    truth, weight = _normal(describe_people(z))
    before = _w(mapping, z)
    reader, encoder = _read(before, truth), _encode(before, truth)
    wanted = before + (truth - _said(before, reader)) @ encoder
    _train(mapping, z, truth, wanted, reader, weight, steps=steps, rate=rate)
    after = _w(mapping, z)
    mapping.w_avg.copy_(after.mean(0))
    for name, w in (("before", before), ("after", after)):
        error = (_said(w[:EXAM], reader) - truth[:EXAM]).square().mean(0)
        print(f"unknown {name}: {float((error * weight).sum()):.4f}, weighted")
    save_generator(generator, out, load_card(network), overwrite=True)


def _normal(numbers: Float[Tensor, "N A"]) -> tuple[Float[Tensor, "N A"], Float[Tensor, "A"]]:
    """Numbers that change, normalised, and their weights."""
    spread = numbers.std(0)
    kept = spread > 1e-4
    weight = number_weights(LATENT_SIZE)
    normal = (numbers - numbers.mean(0)) / spread.clamp_min(1e-6)
    return normal[:, kept], weight[kept] / weight[kept].sum()


@torch.no_grad()
def _w(mapping: Mapping, z: Float[Tensor, "N Z"]) -> Float[Tensor, "N D"]:
    return torch.cat([mapping(part, None)[:, 0] for part in z.split(4_000)])


def _with_one(x: Tensor) -> Tensor:
    return torch.cat([x, torch.ones(len(x), 1)], 1).double()


def _read(w: Float[Tensor, "N D"], truth: Float[Tensor, "N A"]) -> Float[Tensor, "D1 A"]:
    """Numbers from w, by least squares."""
    return torch.linalg.lstsq(_with_one(w[EXAM:]), truth[EXAM:].double()).solution.float()


def _encode(w: Float[Tensor, "N D"], truth: Float[Tensor, "N A"]) -> Float[Tensor, "A D"]:
    """How w changes with each number, by ridge regression: choices are one-hot."""
    x = _with_one(truth[EXAM:])
    gram = x.T @ x + torch.eye(x.shape[1], dtype=torch.float64)
    return torch.linalg.solve(gram, x.T @ w[EXAM:].double()).float()[:-1]


def _said(w: Float[Tensor, "N D"], reader: Float[Tensor, "D1 A"]) -> Float[Tensor, "N A"]:
    return w @ reader[:-1] + reader[-1]


def _train(
    mapping: Mapping, z: Tensor, truth: Tensor, wanted: Tensor, reader: Tensor, weight: Tensor,
    *, steps: int, rate: float,
) -> None:  # fmt: skip
    """The first `EXAM` people are not trained on."""
    mapping.requires_grad_(True)
    optimizer = torch.optim.Adam(mapping.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, 1e-5)
    variance = wanted.var(0).mean()
    rng = torch.Generator().manual_seed(0)
    for _ in track(range(steps), "Mapping"):
        chosen = torch.randint(EXAM, len(z), (BATCH,), generator=rng)
        w = mapping(z[chosen], None)[:, 0]
        wrong = ((_said(w, reader) - truth[chosen]).square() * weight).sum(1).mean()
        far = (w - wanted[chosen]).square().mean() / variance
        optimizer.zero_grad(set_to_none=True)
        (wrong + NEARNESS * far).backward()
        optimizer.step()
        schedule.step()
    mapping.requires_grad_(False)


if __name__ == "__main__":
    tyro.cli(main)
