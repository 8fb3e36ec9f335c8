"""On a Ray cluster: with a stand-in for the few functions of Ray that are called."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from batch_cases import FACTS, load_copy, whole, write_photos

from portraiture.batch.manifest import Manifest
from portraiture.batch.run import run_batch
from portraiture.errors import BatchError


class Dataset:
    """Rows in batches of numpy arrays, through one object of an actor's class."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def map_batches(
        self, actor: Callable[..., Any], *, fn_constructor_args: tuple[Any, ...], batch_size: int,
        batch_format: str, concurrency: int,
    ) -> Dataset:  # fmt: skip
        assert (batch_size, batch_format, concurrency) == (1, "numpy", 2)
        do = actor(*fn_constructor_args)
        batches = ({key: np.array([value]) for key, value in row.items()} for row in self.rows)
        made = [do(batch) for batch in batches]
        return Dataset([{key: value[0] for key, value in batch.items()} for batch in made])

    def iter_rows(self) -> Iterator[dict[str, Any]]:
        yield from reversed(self.rows)


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Addresses that it was asked to connect to."""
    asked: list[str] = []

    def init(*, address: str, ignore_reinit_error: bool) -> None:
        asked.append(address)
        if address == "nowhere":
            raise ConnectionError("no cluster")

    def from_items(rows: list[dict[str, Any]], *, override_num_blocks: int) -> Dataset:
        assert override_num_blocks == len(rows)
        return Dataset(rows)

    module, data = ModuleType("ray"), ModuleType("ray.data")
    vars(data).update(from_items=from_items)
    vars(module).update(init=init, data=data)
    monkeypatch.setitem(sys.modules, "ray", module)
    monkeypatch.setitem(sys.modules, "ray.data", data)
    yield asked


def test_a_batch_on_ray(ray: list[str], tmp_path: Path) -> None:
    case = SimpleNamespace(photos=tmp_path / "photos", out=tmp_path / "out", log=tmp_path / "log")
    write_photos(case.photos, {"a.jpg": "text a", "b.jpg": "refuse", "c.jpg": "break"})
    run = partial(
        run_batch, case.photos, case.out, make=partial(load_copy, case.log, 0.0), facts=FACTS,
        workers=2,
    )  # fmt: skip
    summary = run(ray="auto")
    states = {entry.name: entry.state for entry in summary.entries}
    assert states == {"a.jpg": "done", "b.jpg": "refused", "c.jpg": "failed"}
    assert whole(case.out / "a", "text a") and ray == ["auto"]
    assert run(ray="auto").kept == 2 and run().kept == 2
    manifest = Manifest(case.out, FACTS)
    assert manifest.entries["a.jpg"].outputs == ("a/a.txt", "a/b.txt", "a/c.txt")
    manifest.close()
    with pytest.raises(BatchError, match="nowhere"):
        run(ray="nowhere")


def test_without_ray_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    write_photos(tmp_path / "photos", {"a.jpg": "text"})
    with pytest.raises(BatchError, match=r"portraiture\[ray\]"):
        run_batch(
            tmp_path / "photos", tmp_path / "out", make=partial(load_copy, tmp_path / "log", 0.0),
            facts=FACTS, ray="local",
        )  # fmt: skip
