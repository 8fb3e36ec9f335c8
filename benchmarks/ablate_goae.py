"""GOAE's ablations (Yuan et al., tables 2 and 3) on our people: trains each variant, then measures.

    python benchmarks/ablate_goae.py encoder --data PEOPLE --out DIR --encoder swin-w
    python benchmarks/ablate_goae.py alignment --data PEOPLE --out DIR --encoder swin-w

encoder: from one encoder that has learned w alone (so that what is left out has not acted yet),
`--steps` of the losses on what is drawn, D_Wc and the levels: with everything, without D_Wc, and
without what stands for L_BG here, the density asked of empty space. alignment: attention and plain
convolutions from the image, as in the paper, and ours, from what is carried to the planes, all
from the beginning; then attention with other masks. No textures are projected. Tables like
`portraiture bench invert`'s. A variant whose folder is complete is not trained again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.table import Table
from tyro.conf import Positional

from portraiture.cli.recipes import Choices, make_recipe
from portraiture.evaluate.inversion import MetricNetworks, Row, bench, rows_as_json
from portraiture.invert.goae.presets import ALIGNMENT
from portraiture.invert.goae.train_alignment import AlignmentTraining
from portraiture.invert.goae.train_encoder import EncoderTraining
from portraiture.invert.method import encoder_method
from portraiture.media import atomic_path
from portraiture.metrics.extractors import identity_synthetic
from portraiture.metrics.perceptual import perceptual_synthetic
from portraiture.models import default_models
from portraiture.networks.goae_alignment import AlignmentConfig
from portraiture.train.distributed import World
from portraiture.train.loop import Recipe, run_recipe
from portraiture.triplane.visibility import MixedPlanes

ENCODERS: dict[str, Callable[[EncoderTraining], EncoderTraining]] = {
    "whole": lambda config: config,
    "without D_Wc": lambda config: replace(config, adversarial_weight=0.0),
    "without L_BG": lambda config: replace(config, truth=replace(config.truth, density_weight=0.0)),
}
ALIGNMENTS: dict[str, AlignmentConfig] = {
    "attention": replace(ALIGNMENT["cpu"].alignment, mixing="attention", carried=False),
    "convolution": replace(ALIGNMENT["cpu"].alignment, mixing="convolution", carried=False),
    "carried": replace(ALIGNMENT["cpu"].alignment, mixing="convolution", carried=True),
}
MASKS: dict[str, MixedPlanes] = {"front mask": "front", "F* everywhere": "none"}
"""Other masks, of attention alone."""


def main(
    what: Positional[Literal["encoder", "alignment"]],
    data: Path,
    out: Path,
    encoder: str = "swin-w",
    steps: int = 300,
    rate: float | None = None,
    people: int = 8,
    preset: Literal["tiny", "cpu", "gpu"] = "cpu",
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> None:
    """encoder: to begin with, or whose alignments to train. rate: of the alignments, or of the
    encoder's whole lesson, instead of the preset's."""
    choices = Choices(preset=preset, data=data, encoder=encoder, steps=steps)
    models = default_models()
    make = partial(encoder_method, models, "aligned")
    methods = {"w+": make(weights=encoder)}
    for name in ENCODERS if what == "encoder" else ALIGNMENTS:
        run = out / name.replace(" ", "-")
        if what == "encoder":
            run_recipe(encoder_recipe(choices, ENCODERS[name], rate), run, world=World())
            methods[name] = make(weights=run / "networks/encoder.safetensors")
        else:
            run_recipe(alignment_recipe(choices, ALIGNMENTS[name], rate), run, world=World())
            make_aligned = partial(
                make, weights=encoder, alignment=run / "networks/alignment.safetensors"
            )
            methods[name] = make_aligned()
            if name == "attention":
                methods |= {f"{name}, {k}": make_aligned(mixed=v) for k, v in MASKS.items()}
    parser = models.parser()
    metrics = MetricNetworks(
        models.portrait_parser(),
        perceptual_synthetic(parser),
        identity_synthetic(models.identity()),
    )
    rows = bench(methods, models.generator(), metrics, people=people)
    show(rows)
    if json_file is not None:
        with atomic_path(json_file) as part:
            part.write_text(json.dumps(rows_as_json(rows), indent=1, allow_nan=False) + "\n")


def encoder_recipe(
    choices: Choices, change: Callable[[EncoderTraining], EncoderTraining], rate: float | None
) -> Recipe:
    """The encoder's whole lesson from the first step on, the levels joining in its first half, and
    without what the paper has not (`latent_prior`), which would do some of D_Wc's work. The metric
    of w is measured more roughly than the preset's, which takes as long as the lesson."""
    recipe: Any = make_recipe("encoder", choices)
    config: EncoderTraining = recipe.config
    steps = config.run.steps
    config = replace(
        config, whole_from=0, whole_rate=rate or config.whole_rate, whole_decay=steps,
        levels_from=(0, steps // 4, steps // 2), prior_weight=0.0, metric_gradients=120,
    )  # fmt: skip
    recipe.config = change(config)
    return recipe


def alignment_recipe(choices: Choices, sizes: AlignmentConfig, rate: float | None) -> Recipe:
    """One alignment's lesson; sizes of F stay the preset's."""
    recipe: Any = make_recipe("alignment", choices)
    config: AlignmentTraining = recipe.config
    own = replace(
        config.alignment, mixing=sizes.mixing, carried=sizes.carried,
        feature_ratio=sizes.feature_ratio,
    )  # fmt: skip
    recipe.config = replace(
        config, alignment=own, learning_rate=rate or config.learning_rate,
        decay_steps=config.run.steps,
    )  # fmt: skip
    return recipe


def show(rows: list[Row]) -> None:
    """Every row."""
    table = Table("Variant", "Input", "View", "MSE", "PSNR", "Percept.", "Identity", "Depth")
    for row in sorted(rows, key=lambda row: (row.where, row.yaw)):
        s = row.scores
        table.add_row(row.method, f"{row.yaw}°", row.where, f"{s.mse:.4f}", f"{s.psnr:.2f}",
                      f"{s.perceptual:.4f}", f"{s.identity:.3f}", f"{s.depth:.4f}")  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    tyro.cli(main)
