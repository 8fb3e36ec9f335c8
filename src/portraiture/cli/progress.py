"""Progress on the terminal: a bar for the current stage, then a table of seconds per stage."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from portraiture.progress import StageTimes


class TerminalProgress(StageTimes):
    """A `portraiture.progress.Progress` that shows a bar on standard error inside `with`.

    The first Ctrl-C asks the current stage to stop early; a second one ends the program.

    >>> with TerminalProgress() as progress:
    ...     create_files(photo, out, progress=progress)
    """

    def __init__(self) -> None:
        super().__init__()
        self._console = Console(stderr=True)
        self._bar = Progress(
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[scalars]}"),
            transient=True, console=self._console,
        )  # fmt: skip
        self._task = self._bar.add_task("Starting", total=None, scalars="")
        self._asked = False
        self._before: Any = None

    def __enter__(self) -> TerminalProgress:
        self._bar.start()
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.finish()
        self._bar.stop()
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def stage(self, name: str, total: int | None = None) -> None:
        super().stage(name, total)
        self._asked = False
        self._bar.reset(self._task, total=total, description=name, scalars="")

    def step(self, n: int = 1, **scalars: float) -> None:
        text = "  ".join(f"{name} {value:.4g}" for name, value in scalars.items())
        self._bar.update(self._task, advance=n, scalars=text)

    @property
    def cancelled(self) -> bool:
        return self._asked

    def table(self) -> Table:
        """Seconds per stage and in total."""
        table = Table("Stage", "Seconds", title=None)
        table.columns[1].justify = "right"
        for name, seconds in self.seconds.items():
            table.add_row(name, f"{seconds:.1f}")
        table.add_section()
        table.add_row("Total", f"{sum(self.seconds.values()):.1f}")
        return table

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        self._console.print("Stopping as soon as possible; press Ctrl-C again to quit at once.")
