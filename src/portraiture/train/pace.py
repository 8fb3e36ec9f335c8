"""Fit the number of steps of a run to a time limit.

The speed of a GPU is unknown before the first steps, and cosine decay has to reach its end, so the
lengths are updated with every log row.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

SPARE = 4.0
"""Seconds before the time limit at which a fitted schedule ends."""


LENGTHS = (
    "decay_steps", "margin_steps", "levels_from", "whole_from", "whole_decay", "images_from",
    "fade_steps", "real_from", "epoch_steps",
)  # fmt: skip
"""Config fields that are measured in steps."""


class Pace:
    """Time left until `deadline` (of `time.monotonic`) and the mean length of a step."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.total = max(deadline - time.monotonic(), 0.0)
        self._marks: list[tuple[int, float]] = []

    def mark(self, step: int) -> None:
        """Record that `step` steps are done now."""
        self._marks.append((step, time.monotonic()))

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return max(self.deadline - time.monotonic(), 0.0)

    def steps_in(self, seconds: float, *, since: int = 0) -> int:
        """Number of steps that fit in `seconds`, at least one, at the mean speed after step
        `since`.

        The first interval is ignored if there are two more, since libraries select their kernels in
        it. Without marks after that step, all marks are used.
        """
        marks = [mark for mark in self._marks if mark[0] >= since]
        if len(marks) < 2:
            marks = self._marks
        marks = marks[1:] if len(marks) > 2 else marks
        (first, begun), (last, now) = marks[0], marks[-1]
        if last == first:
            return 1
        return max(1, int(seconds * (last - first) / max(now - begun, 1e-6)))


def fit_schedule(recipe: Any, original: Any, step: int, pace: Pace) -> None:
    """Fit a recipe's schedule to the time limit, by its own `fit_time` or else by scaling all
    lengths of the original config."""
    if hasattr(recipe, "fit_time"):
        recipe.fit_time(step, pace)
        return
    steps = step + pace.steps_in(pace.left)
    factor = steps / original.run.steps
    changes = {
        name: _scaled(getattr(original, name), factor)
        for name in LENGTHS
        if hasattr(original, name)
    }
    run = replace(recipe.config.run, steps=steps)
    recipe.config = replace(recipe.config, run=run, **changes)


def _scaled(value: int | tuple[int, ...], factor: float) -> int | tuple[int, ...]:
    if isinstance(value, tuple):
        return tuple(max(round(factor * part), min(part, 1)) for part in value)
    return max(round(factor * value), min(value, 1))
