"""A progress that remembers what it was told, and cancels the work when it was told enough."""

from __future__ import annotations


class RecordedProgress:
    """stages: name and total, in order. steps: of each stage that was told any, how many. scalars:
    of every step. cancel_after: steps of one stage after which it is cancelled."""

    def __init__(self, cancel_after: int | None = None) -> None:
        self.stages: list[tuple[str, int | None]] = []
        self.steps: dict[str, int] = {}
        self.scalars: list[dict[str, float]] = []
        self._cancel_after = cancel_after

    def stage(self, name: str, total: int | None = None) -> None:
        self.stages.append((name, total))
        self.steps.setdefault(name, 0)

    def step(self, n: int = 1, **scalars: float) -> None:
        self.steps[self.stages[-1][0]] += n
        self.scalars.append(scalars)

    @property
    def cancelled(self) -> bool:
        if self._cancel_after is None or not self.stages:
            return False
        return self.steps[self.stages[-1][0]] >= self._cancel_after
