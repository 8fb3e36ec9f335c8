"""Learning rate schedules."""

from __future__ import annotations

import math


def annealed(step: int, steps: int, *, warmup: int = 0, last: float = 0.01) -> float:
    """Factor on the learning rate at `step`: linear warm-up over `warmup` steps, and cosine decay
    that reaches `last` after `steps` and stays there."""
    along = min(step / max(1, steps), 1.0)
    factor = last + (1.0 - last) * 0.5 * (1.0 + math.cos(math.pi * along))
    return factor * min(1.0, (step + 1) / max(1, warmup))
