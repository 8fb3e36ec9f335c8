"""Runs a training bundle (written by `cli.bundle`) on the target machine.

bundle ─▶ workers render people ─▶ folder ─▶ DevicePeople ┐
       └▶ packed people ────────────────────▶ DevicePeople ┴▶ check ─▶ run_recipe ─every 2 min─▶ out
Needs only the bundle and the machine's Python packages. If a worker fails, training goes on without
the people that it would have rendered.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from portraiture.adapt.images import IMAGES, StyleImages, unpack_images
from portraiture.cli.choices import Choices
from portraiture.cli.recipes import make_recipe
from portraiture.data.pair_set import PairSet
from portraiture.errors import DataError
from portraiture.generate.train.supervised_heads import SupervisedHeads
from portraiture.media import write_image
from portraiture.people.on_device import DevicePeople, load_people
from portraiture.people.pack import read_pack, unpack_person
from portraiture.people.pair_pack import unpack_pair
from portraiture.people.pairs import pair_path, pairs_in, save_pair
from portraiture.people.people_file import PersonViews, people_in, person_path, save_person
from portraiture.people.people_set import PeopleSet
from portraiture.people.worker import start_workers, stop_workers
from portraiture.train.distributed import World, open_world
from portraiture.train.loop import Recipe, Watch, export_networks, run_recipe, to_device
from portraiture.train.pace import fit_schedule
from portraiture.train.rng import DATA, generator, step_rng
from portraiture.train.state import TrainState
from portraiture.types import RecipeName

LAST = 14.0
"""Seconds reserved at the end for writing the last files."""
FRESH_SEED = 72
"""Seed of the people that workers render."""
CAPACITY = 8_000
"""Maximum number of people in GPU memory (13 GB)."""
MOVED_FROM = 10_000
"""File number of the first newly rendered person."""
SAVE_EVERY = 120.0
"""Seconds between saves."""
LOADERS = 6
"""Data loader threads, for batches that are made on the CPU."""
GROWING: tuple[RecipeName, ...] = (
    "supervised-heads", "supervised-faces", "encoder", "alignment", "i2t", "attributes", "imitator",
    "faces-encoder", "mapper", "regressor",
)  # fmt: skip
"""Recipes whose data grows by newly rendered people; the others use the bundle's only."""


@dataclass(frozen=True)
class Options:
    """Options of train.py. minutes: run time of the program. out: results. work: scratch files."""

    minutes: float
    out: Path
    work: Path
    device: str
    workers: int
    steps: int | None
    batch: int | None
    trial: bool


def main(bundle: Path, begun: float, arguments: list[str] | None = None) -> int:
    """Run a bundle; returns the exit code. begun: `time.monotonic` at the program's start."""
    options, log = _options(bundle, arguments), Log(begun)
    options.out.mkdir(parents=True, exist_ok=True)
    options.work.mkdir(parents=True, exist_ok=True)
    plan = json.loads((bundle / "bundle.json").read_text())
    log(f"{plan['recipe']} ({plan['choices']['preset']}); python {sys.version.split()[0]}")
    _describe_machine(log)
    os.environ.setdefault("NUMBA_CACHE_DIR", str(options.work / "numba"))
    fresh = options.work / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    count = options.workers if plan["recipe"] in GROWING else 0
    workers = start_workers(
        fresh, count=count, seed=FRESH_SEED, views=plan.get("views", 0), size=plan.get("size", 0),
        kind=plan.get("kind", "latents"), style=plan.get("style", "natural"),
    )  # fmt: skip
    log(f"{len(workers)} workers render people")
    try:
        return _train(bundle, plan, options, fresh, log)
    except Exception:
        log("failed:\n" + traceback.format_exc())
        return 1
    finally:
        if workers:
            stop_workers(fresh, workers)
            _show_workers(fresh, log)
        (options.out / "run.log").write_text("\n".join(log.lines) + "\n")


def _train(bundle: Path, plan: dict[str, Any], options: Options, fresh: Path, log: Log) -> int:
    pack = bundle / "people.zip"
    unpack = _unpack_pairs if plan.get("kind") == "pairs" else _unpack
    people = unpack(pack, options.work / "people", log) if pack.exists() else []
    if (bundle / IMAGES).exists():
        log(f"{unpack_images(bundle / IMAGES, options.work / 'people')} images unpacked")
    recipe: Any = make_recipe(plan["recipe"], _choices(bundle, plan, options))
    _resize(recipe, options)
    with open_world(options.device) as world:
        _set_up_device(world)
        feed = _feed(recipe, people, world, fresh, log)
        _check(recipe, world, options.out, log)
        watch = Watch(
            row=lambda step, values: log.row(step, values, feed),
            saved=lambda state: _export(recipe, state, options, log),
            save_every=SAVE_EVERY if not options.trial else SAVE_EVERY / 6,
            board=False,
        )
        left = log.begun + 60.0 * options.minutes - LAST - time.monotonic()
        with feed:
            outcome = run_recipe(
                recipe, options.work / "run", world=world, minutes=max(left, 1.0) / 60.0,
                fit=partial(fit_schedule, recipe, recipe.config), watch=watch,
                loaders=1 if isinstance(recipe.data, DevicePeople) else LOADERS,
            )  # fmt: skip
    log(f"done at step {outcome.state.step} after {outcome.seconds:.0f} s of training")
    return 0


class Log:
    """Log lines with elapsed seconds, printed at once and kept."""

    def __init__(self, begun: float) -> None:
        self.begun = begun
        self.lines: list[str] = []
        self._shown = 0.0

    def __call__(self, text: str) -> None:
        line = f"[{time.monotonic() - self.begun:6.1f}] {text}"
        self.lines.append(line)
        print(line, flush=True)

    def row(self, step: int, values: Any, feed: Feed) -> None:
        """Log the metrics of a step, at most every ten seconds."""
        if time.monotonic() - self._shown < 10.0:
            return
        self._shown = time.monotonic()
        shown = ", ".join(f"{name} {value:.4g}" for name, value in values.items())
        people = f"; {feed.people} people" if feed.people else ""
        self(f"step {step}: {shown}{people}")


class Feed:
    """A background thread, inside `with`, that passes files written by workers to `add`.

    add: takes a file, returns the number of people so far.
    """

    def __init__(self, folder: Path, add: Callable[[Path], int], log: Log) -> None:
        self.folder, self.add, self.log = folder, add, log
        self.people = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(0.5):
            try:
                for path in (*people_in(self.folder), *pairs_in(self.folder)):
                    before, self.people = self.people, self.add(path)
                    if not before:
                        self.log("the first newly rendered person was added")
            except Exception:  # training can go on without new people
                self.log("feeding failed:\n" + traceback.format_exc())


def _feed(
    recipe: Any, people: list[PersonViews], world: World, fresh: Path, log: Log
) -> Feed:  # fmt: skip
    """Feed newly rendered people to a recipe's data.

    The supervised recipes keep people in the device's memory, others files, lifted, style none."""
    if isinstance(recipe.data, PairSet):
        pairs = recipe.data

        def join(path: Path) -> int:
            target = pair_path(pairs.paths[0].parent, MOVED_FROM + len(pairs))
            path.replace(target)
            pairs.append(target)
            return len(pairs)

        return Feed(fresh, join, log)
    if isinstance(recipe.data, PeopleSet):
        capacity = CAPACITY if world.device.type == "cuda" else len(people) + 64
        table = DevicePeople(people, capacity=capacity, device=world.device)
        recipe.data = table

        def add(path: Path) -> int:
            for person in load_people([path]):
                table.add(person)
            path.unlink()
            return len(table)

        return Feed(fresh, add, log)
    photos = recipe.data
    if photos is None or isinstance(photos, StyleImages):
        return Feed(fresh, lambda path: 0, log)

    def append(path: Path) -> int:
        known = photos.people.paths
        target = person_path(known[0].parent, MOVED_FROM + len(known))
        path.replace(target)
        photos.people.append(target)
        return len(known)

    return Feed(fresh, append, log)


def _options(bundle: Path, arguments: list[str] | None) -> Options:
    parser = argparse.ArgumentParser(description="Run the training in this bundle.")
    parser.add_argument("--minutes", type=float, default=9.0, help="run time of the whole program")
    parser.add_argument("--out", type=Path, default=Path("trained"), help="folder for the results")
    parser.add_argument("--work", type=Path, help="scratch folder; reuse it to resume")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--workers", type=int, default=max(0, (os.cpu_count() or 1) - 2))
    parser.add_argument("--steps", type=int, help="number of steps, if time permits")
    parser.add_argument("--batch", type=int, help="batch size; default: the preset's")
    parser.add_argument(
        "--trial", action="store_true", help="few points and rays, to test on a CPU"
    )
    found = parser.parse_args(arguments)
    memory = Path("/dev/shm")
    place = memory if memory.is_dir() and shutil.disk_usage(memory).free > 8e9 else Path("/tmp")
    return Options(
        minutes=found.minutes, out=found.out, work=found.work or place / f"work-{bundle.name}",
        device=found.device, workers=found.workers, steps=found.steps, batch=found.batch,
        trial=found.trial,
    )  # fmt: skip


def _describe_machine(log: Log) -> None:
    import numba
    import numpy

    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none"
    log(f"torch {torch.__version__}, numpy {numpy.__version__}, numba {numba.__version__},"
        f" {os.cpu_count()} cores, GPU: {gpu}")  # fmt: skip


def _unpack(pack: Path, folder: Path, log: Log) -> list[PersonViews]:
    """Unpack the people of the bundle into memory and into files."""
    folder.mkdir(exist_ok=True)

    def one(item: tuple[int, bytes]) -> PersonViews | None:
        try:
            person = unpack_person(item[1])
        except DataError:
            return None
        save_person(person, person_path(folder, item[0]))
        return person

    with ThreadPoolExecutor(4) as pool:
        people = [p for p in pool.map(one, enumerate(read_pack(pack))) if p is not None]
    log(f"{len(people)} people unpacked")
    return people


def _unpack_pairs(pack: Path, folder: Path, log: Log) -> list[PersonViews]:
    """Unpack the pairs of the bundle into files; none of them are people."""
    folder.mkdir(exist_ok=True)

    def one(item: tuple[int, bytes]) -> int:
        try:
            save_pair(unpack_pair(item[1]), pair_path(folder, item[0]))
        except DataError:
            return 0
        return 1

    with ThreadPoolExecutor(4) as pool:
        log(f"{sum(pool.map(one, enumerate(read_pack(pack))))} pairs unpacked")
    return []


def _choices(bundle: Path, plan: dict[str, Any], options: Options) -> Choices:
    """The bundle's options, with the names of its files resolved to paths."""
    values = dict(plan["choices"])
    for name in plan["files"]:
        values[name] = bundle / values[name]
    data = bundle / "data" if (bundle / "data").is_dir() else None
    if any((bundle / name).exists() for name in ("people.zip", IMAGES)):
        data = options.work / "people"
    return Choices(**(values | {"data": data, "steps": options.steps}))


def _resize(recipe: Any, options: Options) -> None:
    """Set the batch size, and disable checkpoints that count steps."""
    run = recipe.config.run
    if options.batch is not None:
        run = replace(run, batch=options.batch)
    never = 1 << 40
    run = replace(run, checkpoint_every=never, grid_every=never)
    recipe.config = replace(recipe.config, run=run)
    if options.trial and isinstance(recipe, SupervisedHeads):
        truth = replace(
            recipe.config.truth, patch=16, rays=16, ray_samples=8, surface_points=64,
            empty_points=16, empty_tries=2,
        )  # fmt: skip
        small = replace(run, batch=2, log_every=2)
        recipe.config = replace(recipe.config, run=small, truth=truth, grid_people=1)


def _set_up_device(world: World) -> None:
    """Use TF32 for convolutions, but not for matrix products: they compute rays, where its 10-bit
    mantissa would cost a tenth of a pixel."""
    sys.setswitchinterval(0.0005)  # keeps the feeding thread from stalling steps
    if world.device.type == "cuda":
        torch.set_num_threads(2)  # the other cores render
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = True


def _check(recipe: Any, world: World, out: Path, log: Log) -> None:
    """Dry run: time some steps of each phase, write a grid and weights, discard the state."""
    begun, config = time.monotonic(), recipe.config
    torch.manual_seed(recipe.run.seed)
    state = recipe.build(world)
    if not getattr(config, "keep_mapping", True):
        state.step = 1  # skips pre-training of the mapping, which takes minutes
    _steps(recipe, state, world, 3, log, "step")
    if isinstance(recipe, SupervisedHeads):
        recipe.config = replace(config, finish_from=state.step)
        _steps(recipe, state, world, 2, log, "finishing step")
        recipe.config = config
    write_image(out / "grid.png", recipe.grid(state))
    export_networks(out, state, seed=recipe.run.seed, half=True)
    if world.device.type == "cuda":
        log(f"memory: {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB at most")
    log(f"checked in {time.monotonic() - begun:.1f} s")


def _steps(
    recipe: Any, state: TrainState, world: World, count: int, log: Log, what: str
) -> None:  # fmt: skip
    run = recipe.run
    for _ in range(count):
        begun = time.monotonic()
        data_rng = generator(run.seed, DATA, state.step)
        batch = to_device(recipe.batch(state.step, run.share(world), data_rng), world.device)
        rng = step_rng(run.seed, state.step, world.rank, world.device)
        metrics = recipe.step(state, batch, rng, world)
        state.step += 1
        shown = ", ".join(f"{name} {float(value):.4g}" for name, value in metrics.items())
        log(f"{what}: {1000 * (time.monotonic() - begun):.0f} ms; {shown}")


def _export(recipe: Recipe, state: TrainState, options: Options, log: Log) -> None:
    """Write the results so far; a failure is logged and training continues."""
    try:
        export_networks(options.out, state, seed=recipe.run.seed, half=True)
        grids = sorted((options.work / "run" / "grids").glob("*.png"))
        for source, name in (
            (grids[-1], "grid.png"),
            (options.work / "run/log.jsonl", "log.jsonl"),
        ):
            shutil.copyfile(source, options.out / f"{name}.part")
            (options.out / f"{name}.part").replace(options.out / name)
        (options.out / "run.log").write_text("\n".join(log.lines) + "\n")
        log(f"step {state.step}: saved")
    except Exception:
        log("saving failed:\n" + traceback.format_exc())


def _show_workers(folder: Path, log: Log) -> None:
    """Log the workers' speed, and the traceback of the first that failed."""
    made, seconds, failed = 0, 0.0, ""
    for path in sorted(folder.glob("worker_*.log")):
        text = path.read_text(errors="replace")
        rows = [row for row in text.splitlines() if row.startswith("person ")]
        made += len(rows)
        seconds += sum(float(row.split()[-2]) for row in rows[1:])
        failed = failed or (text[-2000:] if "Traceback" in text else "")
    log(f"workers rendered {made} people, {seconds / max(made, 1):.2f} s each")
    if failed:
        log(f"a worker failed:\n{failed}")
