"""Training loop: bit-exact resume, interruptible, one or many processes.

                      ┌────────────── until run.steps ──────────────┐
build ─▶ restore ─▶ batch(number) ─▶ step ─▶ log, grid, checkpoint ─┴─▶ networks/NAME.safetensors
A recipe supplies build, batch, step and grid; everything else is here. A step depends only on its
state, its batch and its random numbers, all of which are the same after a resume; so is its result.
"""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal, Protocol

import torch
from numpy import ndarray
from safetensors.torch import save_file
from torch import Tensor

from portraiture.errors import TrainingError
from portraiture.media import atomic_path, write_image
from portraiture.progress import SILENT, Progress
from portraiture.train.distributed import World, anywhere, share_weights
from portraiture.train.log import Meter, Write, open_log
from portraiture.train.pace import SPARE, Pace
from portraiture.train.rng import DATA, StepRng, generator, step_rng
from portraiture.train.state import TrainState, checkpoints, restore, save_checkpoint
from portraiture.weights import Card, write_weights

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class RunConfig:
    """Settings of a run, common to all recipes.

    steps: of the whole run. batch: images per step, over all processes. micro_batch: images that
    go through a network at once on one process (None: all of its share). seed: of weights, data
    order and random numbers. precision: bf16 runs convolutions under autocast; weights and
    optimisers are always fp32. log_every, grid_every, checkpoint_every: steps.
    """

    steps: int
    batch: int
    micro_batch: int | None = None
    seed: int = 0
    precision: Precision = "fp32"
    log_every: int = 50
    grid_every: int = 500
    checkpoint_every: int = 500

    def share(self, world: World) -> int:
        """Images per step on one process. Raises TrainingError if the batch is not divisible."""
        if self.batch % world.size:
            raise TrainingError(
                f"A batch of {self.batch} cannot be shared by {world.size} processes; "
                "start a number of them that divides it."
            )
        return self.batch // world.size


class Recipe(Protocol):
    """A training recipe: a frozen config and its data.

    run: the common part of the config. config: all of it, saved as JSON.

    build(world): networks, EMAs and optimisers at step 0, on ``world.device``. All randomness comes
    from ``run.seed`` (``rng.generator(seed, rng.BUILD)``, or torch's global generator, which is
    seeded before the call). batch(number, size, generator): `size` items as tensors (or tuples or
    dicts of them) on the CPU. It is called ahead of time in another thread, and must be a pure
    function of its arguments whose only randomness is `generator`. Numbers start at 0 and alternate
    between processes (step · processes + rank). step(state, batch, rng, world): one update of
    everything in `state` except ``state.step``, the number of steps done before. Gradients go
    through ``average_gradients`` before an optimiser. Returns metrics: floats or 0-d tensors, read
    without synchronisation. grid(state): samples of fixed latents as one image, (H, W, 3) uint8.
    """

    @property
    def run(self) -> RunConfig: ...

    @property
    def config(self) -> Any: ...

    def build(self, world: World) -> TrainState: ...

    def batch(self, number: int, size: int, generator: torch.Generator) -> Any: ...

    def step(
        self, state: TrainState, batch: Any, rng: StepRng, world: World
    ) -> Mapping[str, Tensor | float]: ...

    def grid(self, state: TrainState) -> ndarray: ...


@dataclass(frozen=True)
class Outcome:
    """state: the state in memory. finished: False if a signal or the time limit stopped the run.
    seconds: duration of this call."""

    state: TrainState
    finished: bool
    seconds: float


@dataclass(frozen=True)
class Watch:
    """Callbacks of `run_recipe`.

    row: called with every log row. saved: called after a checkpoint is written. save_every: maximum
    seconds between checkpoints, in addition to the run's own interval. board: whether to write
    TensorBoard events if it is installed.
    """

    row: Callable[[int, Mapping[str, float]], None] = lambda step, values: None
    saved: Callable[[TrainState], None] = lambda state: None
    save_every: float = math.inf
    board: bool = True


def run_recipe(
    recipe: Recipe,
    out: Path,
    *,
    world: World,
    minutes: float | None = None,
    progress: Progress = SILENT,
    fit: Callable[[int, Pace], None] | None = None,
    loaders: int = 1,
    watch: Watch | None = None,
) -> Outcome:
    """Train until ``run.steps``, from the newest checkpoint in `out` if there is one.

    Writes into `out`: config.json, log.jsonl, grids/, checkpoints/ and, with every checkpoint,
    networks/NAME.safetensors with the EMAs. SIGTERM, SIGINT, the limit `minutes` (wall time) and a
    cancelled progress save and return. fit: called after every log row with the number of steps
    done and the pace, to fit the recipe's schedule to the time limit; one process only, and not
    reproducible bit for bit. loaders: number of batches prepared concurrently. Raises TrainingError
    if `out` belongs to another run or the training diverges.
    """
    begun = time.monotonic()
    if world.leads:
        claim_folder(recipe, out)
    devices = [world.device] if world.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        state = start(recipe, out, world)
        limit = None if minutes is None else begun + 60.0 * minutes
        pace = None if fit is None or limit is None else Pace(limit - SPARE)
        session = _Session(
            recipe, out, world, state, limit, pace, fit, loaders, watch or Watch(),
            progress if world.leads else SILENT,
        )  # fmt: skip
        with stop_signals() as stop:
            finished = session.steps(stop)
    return Outcome(state, finished, time.monotonic() - begun)


def claim_folder(recipe: Recipe, out: Path) -> None:
    """Write config.json, or check an existing one against it; number of steps and intervals may
    differ. Raises TrainingError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrainingError(f"The folder {out} cannot be made; give another --out.") from error
    path, config = out / "config.json", json.loads(json.dumps(asdict(recipe.config)))
    if path.exists():
        try:
            known = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise TrainingError(f"{path} cannot be read; give another --out.") from error
        different = _difference(known, config)
        if different:
            raise TrainingError(
                f"{out} holds a run with another configuration ({different}); give another --out."
            )
    with atomic_path(path) as partial:
        partial.write_text(json.dumps(config, indent=1) + "\n")


def start(recipe: Recipe, out: Path, world: World) -> TrainState:
    """The state to start from: the newest checkpoint in `out`, or a new one."""
    torch.manual_seed(recipe.run.seed)
    state = recipe.build(world)
    found = checkpoints(out / "checkpoints")
    if found:
        restore(found[-1], state)
    share_weights([*state.models.values(), *state.averages.values()], world)
    return state


@dataclass
class _Session:
    """One call of `run_recipe`."""

    recipe: Recipe
    out: Path
    world: World
    state: TrainState
    limit: float | None
    pace: Pace | None
    fit: Callable[[int, Pace], None] | None
    loaders: int
    watch: Watch
    progress: Progress

    def steps(self, stop: threading.Event) -> bool:
        """Run steps until the end or a stop request; True at the end."""
        run, state, world = self.recipe.run, self.state, self.world
        meter, stopping, saved = Meter(), False, time.monotonic()
        self.progress.stage("Train", run.steps)
        self.progress.step(state.step)
        with self._log() as log, ThreadPoolExecutor(self.loaders) as pool:
            ahead = deque(self._ahead(pool, k) for k in range(self.loaders))
            clock, counted = time.monotonic(), state.step
            if self.pace is not None:
                self.pace.mark(state.step)
            while state.step < run.steps and not stopping:
                rng = step_rng(run.seed, state.step, world.rank, world.device)
                batch = to_device(ahead.popleft().result(), world.device)
                ahead.append(self._ahead(pool, self.loaders))
                meter.add(self.recipe.step(state, batch, rng, world))
                state.step += 1
                self.progress.step()
                asked = stop.is_set() or self.progress.cancelled or self._late()
                stopping = anywhere(asked, world)
                last = stopping or state.step == run.steps
                due = time.monotonic() - saved > self.watch.save_every
                saves = last or due or state.step % run.checkpoint_every == 0
                if saves or state.step % run.log_every == 0:
                    values, now = self._checked(meter.means(world)), time.monotonic()
                    values["seconds_per_step"] = (now - clock) / (state.step - counted)
                    clock, counted = now, state.step
                    log(state.step, {"images": state.step * run.batch} | values)
                    self.watch.row(state.step, values)
                    if self.pace is not None and self.fit is not None and not last:
                        self.pace.mark(state.step)
                        self.fit(state.step, self.pace)
                        run = self.recipe.run
                if world.leads:
                    self._write(
                        grid=last or due or state.step % run.grid_every == 0, checkpoint=saves
                    )
                if saves:
                    saved = time.monotonic()
                    self.watch.saved(state)
            for future in ahead:
                future.cancel()
        return state.step >= run.steps

    def _log(self) -> AbstractContextManager[Write]:
        return open_log(self.out, self.state.step, self.world, board=self.watch.board)

    def _write(self, *, grid: bool, checkpoint: bool) -> None:
        """Write the files due after a step."""
        if grid:
            folder = self.out / "grids"
            folder.mkdir(exist_ok=True)
            write_image(folder / f"{self.state.step:08d}.png", self.recipe.grid(self.state))
        if checkpoint:
            save_checkpoint(self.out / "checkpoints", self.state)
            export_networks(self.out / "networks", self.state, seed=self.recipe.run.seed)

    def _ahead(self, pool: ThreadPoolExecutor, after: int = 0) -> Future[Any]:
        """Prefetch the batch of the step that is `after` steps ahead."""
        run, world = self.recipe.run, self.world
        number = (self.state.step + after) * world.size + world.rank
        rng = generator(run.seed, DATA, number)
        return pool.submit(self.recipe.batch, number, run.share(world), rng)

    def _late(self) -> bool:
        return self.limit is not None and time.monotonic() > self.limit

    def _checked(self, values: dict[str, float]) -> dict[str, float]:
        for name, value in values.items():
            if not math.isfinite(value):
                raise TrainingError(
                    f"{name} is {value} at step {self.state.step}: the training diverged; lower "
                    "the learning rates or go back to an earlier checkpoint."
                )
        return values


def to_device(batch: Any, device: torch.device) -> Any:
    """Tensors, and tuples, lists and dicts of them, moved to `device`."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(to_device(value, device) for value in batch))
    if isinstance(batch, tuple | list):
        return type(batch)(to_device(value, device) for value in batch)
    return batch


def export_networks(folder: Path, state: TrainState, *, seed: int, half: bool = False) -> None:
    """Write every EMA as NAME.safetensors under the names of its parameters, in fp32 or, with
    `half`, fp16. Networks with a `model_name` get a card, so that they can be loaded by name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, network in state.averages.items():
        path = folder / f"{name}.safetensors"
        tensors = {key: t.detach().cpu().contiguous() for key, t in network.state_dict().items()}
        if half:
            tensors = {k: t.half() if t.is_floating_point() else t for k, t in tensors.items()}
        model: Any = getattr(network, "model_name", None)
        if model is not None:
            config: Any = network.config
            card = Card(model, asdict(config), seed=seed, source={"steps": state.step})
            write_weights(path, tensors, card, overwrite=True)
            continue
        with atomic_path(path) as partial:
            save_file(tensors, partial, {"step": str(state.step)})


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """An event set by SIGTERM and SIGINT; a second signal has its default effect."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {which: signal.getsignal(which) for which in (signal.SIGTERM, signal.SIGINT)}

    def ask(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, before[signal.Signals(number)])

    for which in before:
        signal.signal(which, ask)
    try:
        yield stop
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)


FREE = ("steps", "log_every", "grid_every", "checkpoint_every")
"""Fields of RunConfig that may change on resume."""


def _difference(old: Any, new: Any, name: str = "") -> str:
    """The first entry in which two configs differ, in words; "" if they agree."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            if key in FREE and name == "run":
                continue
            found = _difference(old.get(key), new.get(key), key)
            if found:
                return found
        return ""
    return "" if old == new else f"{name} was {old}, not {new}"
