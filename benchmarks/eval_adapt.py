"""3DAvatarGAN on people whose truth is known: cameras, front plane, and, with --style, a style.

    python benchmarks/eval_adapt.py [--samples 60] [--pairs 20]
        [--portraits FOLDER] [--style STYLE --domain pixar --people 20]

Cameras: of samples of heads from known angles, and with --portraits (synth --kind latents --style
STYLE) of the engine's portraits in a style, whose true angles nothing but this script reads. Front
plane: shares of the difference between two people that one or two planes carry. --style: Fréchet
to the portraits, M_d, S_d, relief and identity across the link, and the Chamfer distance to the
engine's person in --domain, for the style with and without its warp.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import radians
from pathlib import Path

import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Table

from portraiture.adapt.images import open_style_images
from portraiture.adapt.prepare import prepare_images, truth_of_people
from portraiture.adapt.run import find_style
from portraiture.cli.progress import TerminalProgress
from portraiture.evaluate.adapt import (
    StyleMetrics,
    front_plane_analysis,
    recovery,
    recovery_of_samples,
    score_style,
)
from portraiture.metrics.extractors import frechet_synthetic, identity_synthetic
from portraiture.models import Models
from portraiture.people.latent import sample_latents
from portraiture.people.people import render_person
from portraiture.people.people_file import PersonViews
from portraiture.progress import Progress
from portraiture.types import Style

SHIFTED = ((radians(8.0), radians(-5.0)), (radians(15.0), radians(6.0)))
"""Means and standard deviations of the known angles: away from the front."""
HELD_OUT_SEED = 0xADA


@dataclass(frozen=True)
class Options:
    samples: int = 60
    """Samples of heads whose cameras are recovered; 0 leaves this out."""
    pairs: int = 20
    """Pairs of people whose planes are swapped; 0 leaves this out."""
    portraits: Path | None = None
    """People of synth in a style."""
    prepared: Path | None = None
    """Where they are prepared, or have been."""
    style: str | None = None
    """A trained style."""
    domain: Style = "pixar"
    """What it was trained on."""
    people: int = 20
    """Held-out people that a style is scored on."""


def main(options: Options) -> None:
    models, console, rows = Models(), Console(), {}
    heads = models.generator()
    with TerminalProgress() as progress:
        if options.samples:
            means, spreads = SHIFTED
            angles = np.random.default_rng(0).normal(means, spreads, (options.samples, 2))
            rows["cameras of heads"] = asdict(recovery_of_samples(heads, angles, progress=progress))
        if options.pairs:
            shares = front_plane_analysis(heads, pairs=options.pairs, progress=progress)
            rows["front plane"] = asdict(shares)
        if options.portraits is not None:
            rows["cameras of portraits"] = asdict(_portraits(options, models, progress))
        if options.style is not None:
            for amount in (0.0, 1.0):
                rows[f"style, warp {amount:g}"] = _style(options, models, amount, progress)
    table = Table("What", "Figure", "Value")
    for what, figures in rows.items():
        for name, value in figures.items():
            table.add_row(what, name, "–" if value is None else f"{value:.4g}")
    console.print(table)


def _portraits(options: Options, models: Models, progress: Progress):
    assert options.portraits is not None and options.prepared is not None
    made = prepare_images(
        options.portraits, options.prepared, crops=True, models=models, overwrite=True,
        progress=progress,
    )  # fmt: skip
    truth = truth_of_people(options.portraits)
    return recovery(made.cameras, truth)


def _style(
    options: Options, models: Models, amount: float, progress: Progress
) -> dict[str, float | None]:
    assert options.style is not None and options.prepared is not None
    heads, identity = models.generator(), models.identity()
    images = open_style_images(options.prepared, size=heads.config.image_size, mirror=False)
    count = min(len(images.images), 200)
    targets = [images.images.batch(k, 10, torch.Generator())[0] for k in range(count // 10)]
    z = sample_latents(options.people, HELD_OUT_SEED)

    def truth(index: int) -> PersonViews:
        return render_person(z[index], np.zeros((1, 2)), size=256, style=options.domain)

    metrics = StyleMetrics(frechet_synthetic(identity), identity_synthetic(identity))
    scores = score_style(
        heads, find_style(options.style, models), metrics, latents=torch.from_numpy(z),
        targets=targets, cameras=images.cameras, truth=truth, exaggerate=amount, progress=progress,
    )  # fmt: skip
    return asdict(scores)


if __name__ == "__main__":
    main(tyro.cli(Options))
