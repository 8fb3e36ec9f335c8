"""The command batch."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tyro.conf import Positional

from portraiture.cli.progress import TerminalProgress
from portraiture.types import DeviceName, Style

if TYPE_CHECKING:
    from portraiture.batch.run import Summary

console = Console()
REASONS = 20
"""Photos whose reasons are shown; the manifest has all."""
FAILED = 1
"""Exit code where photos failed."""


@dataclass(frozen=True)
class Batch:
    """Do many photos: an avatar or a neural head of each, in a folder of its own.

    Run it again to go on after an interruption: it does only what is missing or failed, or whose
    photo has changed. manifest.parquet in the output folder says of every photo whether it is
    done, refused (with the reason) or failed (to be tried again). Exit code 1 where photos failed.

    Example: portraiture batch people avatars --workers 2
    """

    photos: Positional[Path]
    """Folder with photos, or a pattern in quotes ("people/*.jpg"); subfolders are left out."""
    out: Positional[Path]
    """Output folder; alice.jpg goes to the folder alice in it."""
    verb: Literal["create", "invert"] = "create"
    """create makes avatars, invert neural heads."""
    style: Style | None = None
    """Look of create's avatars, by default natural."""
    workers: int | None = None
    """Processes of one thread and some 1.5 GB each, by default as many as cores."""
    ray: str | None = None
    """Address of a Ray cluster that shares both folders, or "local"."""
    device: DeviceName = "auto"
    """Where invert computes; auto takes CUDA where there is one."""


def batch(command: Batch) -> None:
    from portraiture.batch.run import batch as run_batch
    from portraiture.batch.run import default_workers

    workers = default_workers() if command.workers is None else command.workers
    with TerminalProgress() as progress:
        summary = run_batch(
            command.photos, command.out, verb=command.verb, style=command.style,
            device=command.device, workers=workers, ray=command.ray, progress=progress,
        )  # fmt: skip
    _show(summary, command.out)
    if any(entry.state == "failed" for entry in summary.entries):
        sys.exit(FAILED)


def _show(summary: Summary, out: Path) -> None:
    """What became of the photos, and why some are missing."""
    states = Counter(entry.state for entry in summary.entries)
    table = Table("Photos", "Number")
    table.columns[1].justify = "right"
    if summary.kept:
        table.add_row("done or refused before", str(summary.kept))
    for state in ("done", "refused", "failed"):
        table.add_row(state, str(states[state]))
    if summary.entries:
        table.add_section()
        table.add_row("a minute", f"{summary.per_minute:.1f}")
    console.print(table)
    told = [entry for entry in summary.entries if entry.state != "done"]
    for entry in told[:REASONS]:
        line = f"{entry.name}: {entry.state}. {entry.reason}"
        console.print(escape(line), highlight=False, soft_wrap=True)
    if len(told) > REASONS:
        console.print(f"… and {len(told) - REASONS} more", highlight=False)
    name = out / "manifest.parquet"
    console.print(f"See {name}", markup=False, highlight=False, soft_wrap=True)
