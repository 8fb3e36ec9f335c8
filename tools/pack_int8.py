"""Store weights in 8 bits, and say on their card what that does to their scores.

    python tools/pack_int8.py heads OUT                      # a candidate, to be measured
    python benchmarks/eval_heads.py HELD_OUT --network heads --json before.json
    python benchmarks/eval_heads.py HELD_OUT --network OUT --json after.json
    python tools/pack_int8.py heads OUT --before before.json --after after.json --command TEXT

The last call adds to the card's metrics {"stored": "int8", "before": scores, "after": scores},
whose "command" says how both were measured. What was there, of the weights in 16 bits, stays.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from portraiture.checkpoints import find_weights
from portraiture.weights import read_weights, write_weights


def main(
    network: Annotated[str, tyro.conf.Positional],
    out: Annotated[Path, tyro.conf.Positional],
    before: Path | None = None,
    after: Path | None = None,
    command: str = "",
) -> None:
    """network: a shipped name or a path. command: how `before` and `after` were measured."""
    card, tensors = read_weights(find_weights(network))
    if (before is None) != (after is None) or (before is None) != (not command):
        raise SystemExit("Give --before, --after and --command together.")
    metrics: dict[str, Any] = {**card.metrics, "stored": "int8"}
    if before is not None and after is not None:
        metrics["before"] = {"command": command, **json.loads(before.read_text())}
        metrics["after"] = json.loads(after.read_text())
    card = replace(card, metrics=metrics, sha256="")
    for path in write_weights(out, tensors, card, storage="int8", overwrite=True):
        print(f"{path} {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    tyro.cli(main)
