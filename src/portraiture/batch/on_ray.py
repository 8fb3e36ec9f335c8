"""The photos of a batch on a Ray cluster, whose machines share the folders of photos and output."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from portraiture.batch.attempt import MakeDo, Outcome, Task, attempt
from portraiture.errors import BatchError
from portraiture.progress import SILENT, Progress, raise_if_cancelled

MAX_BLOCKS = 10_000


class Actor:
    """Does photos on one of the cluster's processes; loads its networks once."""

    def __init__(self, make: MakeDo) -> None:
        self._do = make()

    def __call__(self, batch: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """batch: columns number, name, photo, folder. Gives number and outcome as JSON."""
        columns = (batch[name] for name in ("name", "photo", "folder"))
        outcomes = [
            attempt(self._do, Task(str(name), Path(str(photo)), Path(str(folder))))
            for name, photo, folder in zip(*columns, strict=True)
        ]
        return {
            "number": [int(number) for number in batch["number"]],
            "outcome": [json.dumps(vars(outcome)) for outcome in outcomes],
        }


def on_ray(
    make: MakeDo, tasks: Sequence[Task], workers: int, address: str, progress: Progress = SILENT
) -> Generator[tuple[Task, Outcome], None, None]:
    """Each task with its outcome, as they end, from `workers` actors. address: of the cluster, or
    "local". Raises BatchError without Ray or where there is no cluster, CancelledError."""
    try:
        import ray  # pyright: ignore[reportMissingImports]
        import ray.data  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise BatchError(
            'Ray is not installed; install it with pip install "portraiture[ray]" or leave out'
            " --ray."
        ) from error
    try:
        ray.init(address=address, ignore_reinit_error=True)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise BatchError(f"There is no Ray cluster at {address}; check the address.") from error
    rows = [
        {"number": number, "name": task.name, "photo": str(task.photo), "folder": str(task.folder)}
        for number, task in enumerate(tasks)
    ]
    blocks = min(len(rows), MAX_BLOCKS)
    dataset = ray.data.from_items(rows, override_num_blocks=blocks).map_batches(
        Actor, fn_constructor_args=(make,), batch_size=1, batch_format="numpy", concurrency=workers
    )
    for row in dataset.iter_rows():
        outcome = json.loads(row["outcome"])
        outcome["outputs"] = tuple(outcome["outputs"])
        yield tasks[int(row["number"])], Outcome(**outcome)
        raise_if_cancelled(progress)
