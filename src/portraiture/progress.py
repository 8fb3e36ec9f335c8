"""How far long work has come, for whoever watches it, and whether it is still wanted.

work ─stage(name, total), step(n, loss=…)─▶ Progress ◀─cancelled─ whoever watches
The command line draws a bar (`cli.progress`); a service may fill a row, a studio a socket.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

from portraiture.errors import CancelledError

Item = TypeVar("Item")


class Progress(Protocol):
    """What long work tells and asks. One work at a time, from one thread."""

    def stage(self, name: str, total: int | None = None) -> None:
        """Begin a stage of `total` steps, None where their number is unknown; the one before
        ends."""
        ...

    def step(self, n: int = 1, **scalars: float) -> None:
        """`n` more steps of this stage are done. scalars: what is worth showing, such as a loss."""
        ...

    @property
    def cancelled(self) -> bool:
        """Whether to end this stage early. An optimisation then returns what it has; other work
        raises `CancelledError` (see `raise_if_cancelled`)."""
        ...


class Silent:
    """Nobody watches, and nothing is cancelled."""

    def stage(self, name: str, total: int | None = None) -> None:
        pass

    def step(self, n: int = 1, **scalars: float) -> None:
        pass

    @property
    def cancelled(self) -> bool:
        return False


SILENT = Silent()


class StageTimes:
    """Passes everything on and measures the stages.

    seconds: wall time by stage, in their order; the stage that runs is added when it ends, at the
    next `stage` or at `finish`.
    """

    def __init__(self, progress: Progress = SILENT) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress
        self._running: tuple[str, float] | None = None

    def stage(self, name: str, total: int | None = None) -> None:
        self.finish()
        self._running = name, time.perf_counter()
        self._progress.stage(name, total)

    def step(self, n: int = 1, **scalars: float) -> None:
        self._progress.step(n, **scalars)

    @property
    def cancelled(self) -> bool:
        return self._progress.cancelled

    def finish(self) -> None:
        """The stage that runs has ended. Stages of one name are added up."""
        if self._running is not None:
            name, start = self._running
            elapsed = time.perf_counter() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + elapsed
            self._running = None


def raise_if_cancelled(progress: Progress) -> None:
    """Raises CancelledError where the work is no longer wanted."""
    if progress.cancelled:
        raise CancelledError("Cancelled; nothing was written.")


def counted(items: Iterable[Item], progress: Progress) -> Iterator[Item]:
    """The items, each a step when the next is asked for. Raises CancelledError."""
    for item in items:
        yield item
        progress.step()
        raise_if_cancelled(progress)
