"""Drains a queue on the HTTP service and asks for a finished GLB meanwhile.

`portraiture serve` runs as a program of its own with `workers` workers; `jobs` avatars are posted,
of the demo photo or of seeds; a client fetches one finished GLB five times a second, and the memory
of all the service's processes is summed every second.

python benchmarks/bench_service.py [--jobs 200] [--workers 2] [--kind photo|seed] [--json FILE]
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import httpx
import tyro
from rich.progress import Progress

from portraiture.photo.demo_photo import demo_photo

GET_EVERY_S = 0.2
START_S = 60.0


@dataclass(frozen=True)
class Options:
    """jobs: avatars to make. workers: processes that make them. kind: of the demo photo, or of
    seeds, which takes a fifth of the time. port: of loopback."""

    jobs: int = 200
    workers: int = 2
    kind: Literal["photo", "seed"] = "photo"
    port: int = 8123
    json: Path | None = None


@dataclass(frozen=True)
class Figures:
    """done: of the jobs. seconds: from the first post to the last end. jobs_per_minute. get_p50_ms,
    get_p95_ms: of a finished GLB meanwhile. memory_mb: of all processes, mean of the last half.
    memory_growth: the mean of the last quarter over that of the third, less 1."""

    done: int
    seconds: float
    jobs_per_minute: float
    get_p50_ms: float
    get_p95_ms: float
    memory_mb: float
    memory_growth: float


@dataclass
class Watched:
    """seconds: of each GET. memory: bytes, once a second, and when."""

    seconds: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)


def main(options: Options) -> None:
    """Print the figures; write them as JSON when asked."""
    figures = figures_of(options)
    for name, value in asdict(figures).items():
        print(f"{name:18} {value:10.3f}")
    if options.json:
        options.json.write_text(json.dumps(asdict(figures), indent=1) + "\n")


def figures_of(options: Options) -> Figures:
    """Start a service, load it, stop it."""
    with tempfile.TemporaryDirectory() as folder, serving(options, Path(folder)) as (client, pid):
        first = post(client, options, 0)
        while (state := state_of(client, first)) not in ("done", "failed", "dead"):
            time.sleep(0.2)
        assert state == "done", state
        begun = time.monotonic()
        ids = [post(client, options, 1 + number) for number in range(options.jobs)]
        watched = watch(client, first, ids, pid)
        seconds = time.monotonic() - begun
        states = [state_of(client, id) for id in ids]
    half = watched.memory[len(watched.memory) // 2 :]
    early, late = half[: len(half) // 2], half[len(half) // 2 :]
    cuts = statistics.quantiles(watched.seconds, n=20)
    return Figures(
        done=states.count("done"),
        seconds=seconds,
        jobs_per_minute=60 * len(ids) / seconds,
        get_p50_ms=1000 * statistics.median(watched.seconds),
        get_p95_ms=1000 * cuts[18],
        memory_mb=statistics.mean(half) / 1e6,
        memory_growth=statistics.mean(late) / statistics.mean(early) - 1.0,
    )


@contextmanager
def serving(options: Options, folder: Path) -> Iterator[tuple[httpx.Client, int]]:
    """A client of a running service, and its process."""
    command = [
        sys.executable, "-m", "portraiture.cli", "serve", "--folder", str(folder), "--open",
        "--port", str(options.port), "--workers", str(options.workers),
        "--max-queued", str(options.jobs + 2), "--max-own", str(options.jobs + 2),
        "--rate", "1000",
    ]  # fmt: skip
    program = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    client = httpx.Client(base_url=f"http://127.0.0.1:{options.port}", timeout=60.0)
    try:
        end = time.monotonic() + START_S
        while True:
            try:
                client.get("/health").raise_for_status()
                break
            except httpx.HTTPError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)
        yield client, program.pid
    finally:
        client.close()
        program.terminate()
        program.wait()


def post(client: httpx.Client, options: Options, number: int) -> str:
    """The id of a new job."""
    match options.kind:
        case "photo":
            files = {"photo": demo_photo().read_bytes()}
            answer = client.post("/v1/avatars", files=files)
        case "seed":
            answer = client.post("/v1/avatars", json={"seed": number})
    answer.raise_for_status()
    return answer.json()["id"]


def state_of(client: httpx.Client, id: str) -> str:
    return client.get(f"/v1/jobs/{id}").raise_for_status().json()["state"]


def watch(client: httpx.Client, finished: str, ids: list[str], pid: int) -> Watched:
    """Fetch the finished GLB until all jobs have ended."""
    watched, left = Watched(), list(ids)
    looked = 0.0
    with Progress(transient=True) as bar:
        task = bar.add_task("Jobs", total=len(ids))
        while left:
            begun = time.perf_counter()
            client.get(f"/v1/avatars/{finished}.glb").raise_for_status()
            watched.seconds.append(time.perf_counter() - begun)
            if time.monotonic() - looked > 1.0:
                looked = time.monotonic()
                watched.memory.append(memory_of(pid))
                while left and state_of(client, left[0]) in ("done", "failed", "dead"):
                    left.pop(0)
                    bar.advance(task)
            time.sleep(GET_EVERY_S)
    return watched


def memory_of(pid: int) -> int:
    """Bytes that a process and all that it started hold."""
    total, left = 0, [pid]
    while left:
        one = left.pop()
        try:
            total += int(Path(f"/proc/{one}/statm").read_text().split()[1])
            for task in Path(f"/proc/{one}/task").iterdir():  # a thread starts the workers
                left += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return total * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main(tyro.cli(Options))
