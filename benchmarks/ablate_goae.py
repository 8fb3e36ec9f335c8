"""GOAE's ablations (Yuan et al., tables 2 and 3) on our people: trains each variant, then measures.

    python benchmarks/ablate_goae.py encoder --data PEOPLE --out DIR --checkpoint RUN/checkpoints/X
    python benchmarks/ablate_goae.py alignment --data PEOPLE --out DIR --encoder ENCODER

encoder: from one checkpoint of `train encoder`, at which w alone has been learned (so that what is
left out has not acted yet), `--steps` more with everything, without D_Wc, and without what stands
for L_BG here, the density asked of empty space. alignment: attention and plain convolutions, from
the beginning. Then tables like `portraiture bench invert`'s; masks are among its methods. A variant
whose folder is complete is not trained again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.table import Table
from tyro.conf import Positional

from portraiture.checkpoints import load_generator
from portraiture.invert.bench import Judged, Row, bench, rows_as_json
from portraiture.invert.methods import encoder_method
from portraiture.invert.run import invert_target
from portraiture.media import atomic_path
from portraiture.metrics.extractors import identity_synthetic
from portraiture.metrics.networks import load_identity, load_parser
from portraiture.metrics.perceptual import perceptual_synthetic
from portraiture.train.alignment import AlignmentTraining
from portraiture.train.distributed import World
from portraiture.train.encoder import EncoderTraining
from portraiture.train.loop import run_recipe
from portraiture.train.recipes import Choices, make_recipe

ENCODERS: dict[str, Callable[[EncoderTraining], EncoderTraining]] = {
    "whole": lambda config: config,
    "without D_Wc": lambda config: replace(config, adversarial_weight=0.0),
    "without L_BG": lambda config: replace(
        config, drawing=replace(config.drawing, density_weight=0.0)
    ),
}
ALIGNMENTS: dict[str, Callable[[AlignmentTraining], AlignmentTraining]] = {
    "attention": lambda config: config,
    "convolution": lambda config: replace(
        config, alignment=replace(config.alignment, mixing="convolution")
    ),
}


def trained(recipe: Any, out: Path, steps: int, checkpoint: Path | None) -> Path:
    """What a variant left, after `steps` (of the whole run, with a checkpoint)."""
    recipe.config = replace(recipe.config, run=replace(recipe.config.run, steps=steps))
    if checkpoint is not None and not (out / "checkpoints").exists():
        (out / "checkpoints").mkdir(parents=True)
        shutil.copy(checkpoint, out / "checkpoints" / checkpoint.name)
    run_recipe(recipe, out, world=World())
    return out / "networks"


def main(
    what: Positional[Literal["encoder", "alignment"]],
    data: Path,
    out: Path,
    checkpoint: Path | None = None,
    encoder: str | None = None,
    steps: int = 300,
    people: int = 8,
    preset: Literal["tiny", "cpu", "gpu"] = "cpu",
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> None:
    """steps: more than the checkpoint's, or of an alignment. encoder: whose alignments to train."""
    generator, parser = load_generator("heads"), load_parser()
    methods = {}
    for name, change in (ENCODERS if what == "encoder" else ALIGNMENTS).items():
        choices = Choices(preset=preset, data=data, encoder=encoder)
        recipe: Any = make_recipe(what, choices)
        recipe.config = change(recipe.config)
        if what == "encoder":
            recipe.drawing.config = recipe.config.drawing
            if checkpoint is None:
                raise SystemExit("encoder needs --checkpoint.")
            steps_there = int(checkpoint.stem.split("-")[1])
            left = trained(recipe, out / name.replace(" ", "-"), steps_there + steps, checkpoint)
            weights, alignment = left / "encoder.safetensors", None
        else:
            left = trained(recipe, out / name, steps, None)
            weights, alignment = encoder, left / "alignment.safetensors"
        how = encoder_method(
            "encoder", generator, "heads", weights=weights, alignment=alignment, painted=False
        )
        methods[name] = partial(invert_target, how=how)
    judged = Judged(parser, perceptual_synthetic(parser), identity_synthetic(load_identity()))
    rows = bench(methods, generator, judged, people=people)
    show(rows)
    if json_file is not None:
        with atomic_path(json_file) as part:
            part.write_text(json.dumps(rows_as_json(rows), indent=1, allow_nan=False) + "\n")


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
