"""Training logs: log.jsonl, and TensorBoard events if it is installed."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from portraiture.media import atomic_path
from portraiture.train.distributed import World, mean_over_processes

logger = logging.getLogger(__name__)


class Meter:
    """Means of metrics between two log rows, accumulated on the device without synchronisation."""

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, metrics: Mapping[str, Tensor | float]) -> None:
        """Add the metrics of one step; steps may omit some."""
        for name, value in metrics.items():
            value = torch.as_tensor(value, dtype=torch.float32).detach()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] = self._counts.get(name, 0) + 1

    def means(self, world: World) -> dict[str, float]:
        """Means since the last call, over all processes; resets the meter."""
        names = sorted(self._sums)
        if not names:
            return {}
        stacked = torch.stack([(self._sums[n] / self._counts[n]).to(world.device) for n in names])
        values = mean_over_processes(stacked, world).tolist()
        self._sums, self._counts = {}, {}
        return dict(zip(names, values, strict=True))


Write = Callable[[int, Mapping[str, float]], None]
"""Writes a row for a step."""


@contextmanager
def open_log(out: Path, step: int, world: World, *, board: bool = True) -> Iterator[Write]:
    """Write rows to out/log.jsonl, and to TensorBoard in out/events if it is installed and `board`;
    only the leading process writes. Non-finite values become null, so that rows are valid JSON.

    step: rows of later steps are removed first; they belong to a run that was killed after its last
    checkpoint and will be written again.
    """
    if not world.leads:
        yield lambda step, values: None
        return
    path = out / "log.jsonl"
    rows = [row for row in read_log(path) if (row["step"] or 0) <= step]
    with atomic_path(path) as partial:
        partial.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with path.open("a") as file, _open_board(out / "events", step, wanted=board) as show:

        def write(step: int, values: Mapping[str, float]) -> None:
            row = {k: float(f"{v:.6g}") if math.isfinite(v) else None for k, v in values.items()}
            file.write(json.dumps({"step": step} | row) + "\n")
            file.flush()
            show(step, values)

        yield write


@contextmanager
def _open_board(folder: Path, step: int, *, wanted: bool) -> Iterator[Write]:
    """Scalars for TensorBoard; does nothing if it is not installed."""
    if not wanted or find_spec("tensorboard") is None:
        yield lambda step, values: None
        return
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder), purge_step=step + 1) as writer:

        def write(step: int, values: Mapping[str, float]) -> None:
            for key, value in values.items():
                writer.add_scalar(key, value, step)

        yield write


def read_log(path: Path) -> list[dict[str, float | None]]:
    """Rows of a log.jsonl, oldest first; a truncated last line is dropped."""
    if not path.exists():
        return []
    rows = []
    for line in path.read_text().splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            logger.warning("A truncated line of %s is dropped.", path)
    return rows
