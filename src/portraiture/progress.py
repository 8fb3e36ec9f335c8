"""Named stages of long work: a live progress display and the seconds each took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table


class Stages:
    """Runs stages one after another under one display.

    >>> with Stages(total=2) as stages:
    ...     with stages.stage("Align the photo"):
    ...         ...
    """

    def __init__(self, total: int, *, quiet: bool = False) -> None:
        self.seconds: list[tuple[str, float]] = []
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            transient=True,
            disable=quiet,
            console=Console(stderr=True),
        )
        self._total = total

    def __enter__(self) -> Stages:
        self._progress.start()
        self._task = self._progress.add_task("Starting", total=self._total)
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Show `name` while the block runs and remember how long it took."""
        self._progress.update(self._task, description=name)
        start = time.perf_counter()
        yield
        self.seconds.append((name, time.perf_counter() - start))
        self._progress.advance(self._task)

    def within(self, what: str, step: int, steps: int, loss: float) -> None:
        """Tell how far the present stage is."""
        text = f"{what}: step {step} of {steps}, loss {loss:.4f}"
        self._progress.update(self._task, description=text)

    def table(self) -> Table:
        """A table of stages and seconds with their sum."""
        table = Table("Stage", "Seconds", title=None)
        table.columns[1].justify = "right"
        for name, seconds in self.seconds:
            table.add_row(name, f"{seconds:.1f}")
        table.add_section()
        table.add_row("Total", f"{sum(s for _, s in self.seconds):.1f}")
        return table
