"""Which way reads the choices off photos of real people best: fit, regressor or cascade.

    python benchmarks/eval_choices.py PORTRAITS [--count 97] [--fit] [--regressor R.safetensors]
        [--cascade FOLDER] [--also NAME=FOLDER …] [--json F]

PORTRAITS is laid out as `data.portrait_folder` reads it; of its portraits sorted by id, every tenth
is read, which nothing shipped has learned from. The methods are those of `eval_parametrize.py`, the
choices those of `eval_likeness.py`, compared with the folder's annotations; * marks the best.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from eval_likeness import right_choices
from eval_parametrize import methods_of
from rich.console import Console
from rich.table import Table
from tyro.conf import Positional

from portraiture.cli.progress import TerminalProgress
from portraiture.data.portrait_folder import held_out, read_portraits
from portraiture.errors import PhotoError
from portraiture.evaluate.parametrize import Method
from portraiture.media import atomic_path
from portraiture.models import Models
from portraiture.photo.align import align
from portraiture.progress import Progress

Shares = dict[str, dict[str, float]]
"""By method and choice; "read" is the share of photos that could be read."""


def main(
    folder: Positional[Path],
    count: int = 1000,
    fit: bool = False,
    regressor: Path | None = None,
    cascade: Path | None = None,
    also: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = (),
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> None:
    """count: at most so many portraits, evenly over the ids."""
    methods = methods_of(Models(), fit, regressor, cascade, also)
    if not methods:
        raise SystemExit("Say what to measure: --fit, --regressor, --cascade or --also.")
    with TerminalProgress() as progress:
        shares = measured(folder, count, methods, progress)
    Console().print(table_of(shares))
    if json_file is not None:
        with atomic_path(json_file) as part:
            part.write_text(json.dumps(shares, indent=1) + "\n")


def measured(folder: Path, count: int, methods: Mapping[str, Method], progress: Progress) -> Shares:
    """Shares of right choices on held-out portraits."""
    held = held_out(read_portraits(folder))[1]
    count = min(count, len(held))
    chosen = [held[k] for k in np.linspace(0, len(held) - 1, count).astype(int)]
    right: dict[str, list[dict[str, bool]]] = {name: [] for name in methods}
    progress.stage("Read portraits", count * len(methods))
    for portrait in chosen:
        for name, method in methods.items():
            try:
                found = method(align(portrait.photo).image)
            except PhotoError:
                right[name].append({"read": False})
            else:
                right[name].append({"read": True, **right_choices(found, portrait.seen)})
            progress.step()
    read = [all(row["read"] for row in rows) for rows in zip(*right.values(), strict=True)]
    return {name: shares_of(rows, read) for name, rows in right.items()}


def shares_of(rows: list[dict[str, bool]], everybody: list[bool]) -> dict[str, float]:
    """The share of True of every choice, over the rows that have it and that `everybody` read; of
    "read", over all rows."""
    read = float(np.mean([row["read"] for row in rows]))
    rows = [row for row, all_read in zip(rows, everybody, strict=True) if all_read]
    names = dict.fromkeys(name for row in rows for name in row if name != "read")
    found = {name: float(np.mean([row[name] for row in rows if name in row])) for name in names}
    return {"read": read, **found}


def table_of(shares: Shares) -> Table:
    """A row of each choice."""
    table = Table("Choice", *shares, title="Right choices on held-out portraits, %")
    for choice in dict.fromkeys(name for one in shares.values() for name in one):
        values = [one.get(choice, float("nan")) for one in shares.values()]
        best = np.nanmax(values)
        table.add_row(
            choice, *(f"{100 * value:.1f}{'*' if value == best else ''}" for value in values)
        )
    return table


if __name__ == "__main__":
    tyro.cli(main)
