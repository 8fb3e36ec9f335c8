"""Turn what `portraiture train` left of an encoder or an alignment into the weights that ship.

    python tools/pack_encoder.py RUN/networks/encoder.safetensors swin-w \\
        --metrics SCORES.json --data TEXT --recipe TEXT

Keeps the moving average as float16 with a card; `tools/pack_int8.py` then makes it smaller. SCORES:
a flat JSON of numbers, which says how they were measured under "command".
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import tyro

from portraiture.invert.weights import load_alignment, load_encoder, save
from portraiture.weights import Card

WEIGHTS = Path("src/portraiture/assets/weights")


def main(
    network: Annotated[Path, tyro.conf.Positional],
    name: Annotated[Literal["swin-w", "goae-alignment"], tyro.conf.Positional],
    metrics: Path,
    data: str,
    recipe: str,
    seed: int = 0,
) -> None:
    """Write the shipped weights `name`. data, recipe: what the card says of the training."""
    scores, out = json.loads(metrics.read_text()), WEIGHTS / name
    if "command" not in scores:
        raise SystemExit(f'{metrics} does not say its "command".')
    part = load_alignment(network) if name == "goae-alignment" else load_encoder(network)
    card = Card(
        "goae-encoder", {}, data=data, recipe=recipe, seed=seed, metrics=scores,
        licence="Apache-2.0",
    )  # fmt: skip
    for path in save(part, out, card, overwrite=True):
        print(f"{path} {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    tyro.cli(main)
