"""Turn a run of `portraiture train supervised-heads` into the weights that ship.

    python tools/pack_heads.py RUN --metrics SCORES.json --data TEXT --recipe TEXT

Keeps the moving average as float16 with a card. Scores are those of `benchmarks/eval_heads.py`;
weights whose scores are not better than the old card's are refused.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import tyro

from portraiture.checkpoints import load_card, load_generator, save_generator
from portraiture.convert.store import Card

OUT = Path("src/portraiture/assets/weights/heads")
BETTER_WHEN_LARGER = ("psnr_face_db", "detected", "identity_synthetic")


def main(
    run: Annotated[Path, tyro.conf.Positional],
    metrics: Path,
    data: str,
    recipe: str,
    out: Path = OUT,
    seed: int = 0,
) -> None:
    """Write the folder `out`. data, recipe: what the card says of the training."""
    generator = load_generator(run / "networks" / "heads.safetensors")
    scores = json.loads(metrics.read_text())
    if out.exists():
        old = load_card(out).metrics
        worse = [name for name in BETTER_WHEN_LARGER if scores[name] < old.get(name, -1.0)]
        if len(worse) > 1:
            raise SystemExit(f"The old weights are better in {', '.join(worse)}; kept.")
    known = {name: value for name, value in scores.items() if value == value}
    card = replace(
        Card("eg3d", {}),
        data=data,
        recipe=recipe,
        seed=seed,
        metrics={"command": "benchmarks/eval_heads.py", **known},
        licence="Apache-2.0",
    )
    for path in save_generator(generator, out, card, half=True, overwrite=True):
        print(f"{path} {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    tyro.cli(main)
