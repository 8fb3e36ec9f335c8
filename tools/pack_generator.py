"""Turn what a run of `portraiture train` left into the weights that ship.

    python tools/pack_generator.py RUN/networks/heads.safetensors heads \\
        --metrics SCORES.json --data TEXT --recipe TEXT [--before OLD_SCORES.json]

Keeps the moving average as float16 with a card. Scores are those of `benchmarks/eval_heads.py` or
`eval_faces.py`; weights are refused if one of these is worse than on the old card, or none better.
--before: the old weights' scores by the same command on the same people, where those of the card
are of people that the engine no longer makes; the new card has them as well.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from portraiture.checkpoints import load_card, load_generator, load_image_generator, save_generator
from portraiture.weights import Card

WEIGHTS = Path("src/portraiture/assets/weights")
BETTER_WHEN_LARGER = ("psnr_face_db", "detected", "identity_synthetic")


def main(
    network: Annotated[Path, tyro.conf.Positional],
    name: Annotated[Literal["heads", "faces2d"], tyro.conf.Positional],
    metrics: Path,
    data: str,
    recipe: str,
    before: Path | None = None,
    seed: int = 0,
) -> None:
    """Write the shipped weights `name`. data, recipe: what the card says of the training."""
    generator = load_generator(network) if name == "heads" else load_image_generator(network)
    scores, out = json.loads(metrics.read_text()), WEIGHTS / name
    missing = [score for score in BETTER_WHEN_LARGER if scores.get(score) is None]
    if missing:
        raise SystemExit(f"{metrics} lacks {', '.join(missing)}.")
    if out.exists():
        old = load_card(out).metrics if before is None else json.loads(before.read_text())
        if before is not None and any(old[key] != scores[key] for key in ("people", "samples")):
            raise SystemExit(f"{before} and {metrics} are of other numbers of people.")
        gains = [scores[score] - old.get(score, -1.0) for score in BETTER_WHEN_LARGER]
        if min(gains) < 0.0 or max(gains) <= 0.0:
            raise SystemExit("The old weights are better in one score, or as good in all; kept.")
    known = {score: value for score, value in scores.items() if value is not None}
    if before is not None:
        known["before"] = {k: v for k, v in json.loads(before.read_text()).items() if v is not None}
    script = "benchmarks/eval_heads.py" if name == "heads" else "benchmarks/eval_faces.py"
    card = replace(
        Card("eg3d" if name == "heads" else "stylegan2", {}),
        data=data,
        recipe=recipe,
        seed=seed,
        metrics={"command": script, **known},
        licence="Apache-2.0",
    )
    for path in save_generator(generator, out, card, storage="float16", overwrite=True):
        print(f"{path} {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    tyro.cli(main)
