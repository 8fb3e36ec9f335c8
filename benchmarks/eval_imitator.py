"""How well an imitator stands for the engine: PSNR on held-out strict vectors, and whether images
change steadily from one vector to another.

    python benchmarks/eval_imitator.py NETWORK [--avatars 40] [--json F] [--sheet F.png]

The sheet has rows of avatars by the engine and by the imitator, and ways from one to another
(figure 1 of AgileAvatar).
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from jaxtyping import UInt8
from numpy import ndarray
from PIL import Image
from rich.console import Console
from rich.table import Table

from portraiture.cli.progress import TerminalProgress
from portraiture.evaluate.imitator import HELD_OUT, Imitated, imitated, measure_imitator, way
from portraiture.media import atomic_path
from portraiture.parametrize.cascade import load_imitator
from portraiture.parametrize.networks import Imitator
from portraiture.parametrize.vector import vector_of
from portraiture.people.pairs import sample_avatar

COLUMNS = 9


def main(
    network: Annotated[Path, tyro.conf.Positional],
    avatars: int = 40,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
    sheet: Path | None = None,
) -> None:
    """Print the table; write it as JSON, and a sheet."""
    if avatars < 2:
        raise SystemExit("--avatars must be at least 2.")
    imitator = load_imitator(network)
    with TerminalProgress() as progress:
        found, renders = measure_imitator(imitator, avatars=avatars, progress=progress)
    Console().print(table_of(found))
    if json_file is not None:
        with atomic_path(json_file) as part:
            part.write_text(json.dumps(asdict(found), indent=1) + "\n")
    if sheet is not None:
        Image.fromarray(sheet_of(imitator, renders[:COLUMNS])).save(sheet)


def table_of(found: Imitated) -> Table:
    """Measured and asked for."""
    table = Table("Imitator", "Measured", "Target", title=f"{found.avatars} held-out avatars")
    table.add_row("PSNR against the engine, dB", f"{found.psnr:.2f}", ">= 24")
    table.add_row("of the worst tenth", f"{found.lowest:.2f}", "")
    table.add_row("steps that lead to the goal", f"{100 * found.rising:.1f} %", "100 %")
    table.add_row("largest step over the mean", f"{found.roughest:.2f}", "")
    return table


def sheet_of(imitator: Imitator, renders: list[UInt8[ndarray, "n n 3"]]) -> UInt8[ndarray, "h w 3"]:
    """Rows: the engine, the imitator, and the ways between the first avatars."""
    known = [vector_of(sample_avatar(k, seed=HELD_OUT)) for k in range(len(renders))]
    vectors = torch.stack(known).to(imitator.w_avg)
    rows = [np.concatenate(renders, 1), np.concatenate(list(imitated(imitator, vectors)), 1)]
    for k in range(1, min(4, len(renders))):
        images = way(imitator, vectors[k - 1], vectors[k], len(renders))
        rows.append(np.concatenate(list(images), 1))
    return np.concatenate(rows)


if __name__ == "__main__":
    tyro.cli(main)
