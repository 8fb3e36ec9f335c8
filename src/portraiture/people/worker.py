"""Worker processes that render people, or pairs, during a training run and write one file each.

Worker k of n: person k, k + n, … ─people.people─▶ folder/person_*.npz   (folder/worker_k.log)
               or avatars         ─people.pairs──▶ folder/pair_*.npz
A worker imports only the engine, runs on one thread and exits with its parent process. An error
with one person is logged, and the worker continues with the next.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Literal, get_args

from portraiture.types import Style

Rendered = Literal["latents", "scenes", "pairs"]
"""Kinds of data, as of `portraiture synth`."""
STOP = "stop"
"""Name of the file that stops all workers of a folder."""
BACKLOG = 400
"""Maximum number of files waiting to be consumed before workers pause."""
GIVEN_UP = 5
"""Consecutive failures after which a worker exits."""


def start_workers(
    folder: Path,
    *,
    count: int,
    seed: int,
    views: int,
    size: int,
    kind: Rendered = "latents",
    style: Style = "natural",
) -> list[subprocess.Popen[bytes]]:
    """Start `count` processes that render people of a seed into `folder` until `STOP` appears in
    it. views: images of each; of pairs the photos. style: of the pairs."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / STOP).unlink(missing_ok=True)
    one = dict.fromkeys(
        ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"
    )
    environment = {**os.environ, **one, "CUDA_VISIBLE_DEVICES": "", "PYTHONUNBUFFERED": "1"}
    workers = []
    for k in range(count):
        command = [
            sys.executable, "-m", "portraiture.people.worker", str(folder),
            "--first", str(k), "--step", str(count), "--seed", str(seed), "--views", str(views),
            "--size", str(size), "--kind", kind, "--style", style,
        ]  # fmt: skip
        with (folder / f"worker_{k}.log").open("wb") as log:
            workers.append(
                subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
            )
    return workers


def stop_workers(folder: Path, workers: list[subprocess.Popen[bytes]]) -> None:
    """Stop the workers and wait for them."""
    (folder / STOP).touch()
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.wait()


def work(
    folder: Path, *, first: int, step: int, seed: int, views: int, size: int, kind: Rendered,
    style: Style, parent: int,
) -> None:  # fmt: skip
    """Render until `folder` contains `STOP`, the process `parent` has exited, or `GIVEN_UP` people
    in a row have failed."""
    from portraiture.people.pairs import PairConfig, make_pair, pair_path, pairs_in, save_pair
    from portraiture.people.people import make_person
    from portraiture.people.people_file import people_in, person_path, save_person

    def render(k: int) -> None:
        if kind == "pairs":
            pair = make_pair(k, PairConfig(seed=seed, photos=views, size=size, style=style))
            save_pair(pair, pair_path(folder, k))
            return
        person = make_person(k, seed=seed, views=views, size=size, scenes=kind == "scenes")
        save_person(person, person_path(folder, k))

    k, failures = first, 0
    while os.getppid() == parent and not (folder / STOP).exists() and failures < GIVEN_UP:
        if len(people_in(folder)) + len(pairs_in(folder)) > BACKLOG:
            time.sleep(0.5)
            continue
        begun = time.monotonic()
        try:
            render(k)
            failures = 0
            print(f"person {k}: {time.monotonic() - begun:.2f} s")
        except Exception:  # one failure must not stop the worker
            failures += 1
            traceback.print_exc()
        k += step


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    for name in ("first", "step", "seed", "views", "size"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--kind", choices=get_args(Rendered), required=True)
    parser.add_argument("--style", choices=get_args(Style), default="natural")
    found = parser.parse_args()
    parent = os.getppid()
    os.nice(5)
    import torch

    torch.set_num_threads(1)
    work(
        found.folder, first=found.first, step=found.step, seed=found.seed, views=found.views,
        size=found.size, kind=found.kind, style=found.style, parent=parent,
    )  # fmt: skip


if __name__ == "__main__":
    main()
