"""Every benchmark of the project: one table, one JSON file, one gate, one table in the README.

python benchmarks/suite.py [--only GROUP ...] [--quick] [--json FILE] [--gate] [--readme] [--accept]
    [--fixtures DIR] [--held-out DIR] [--scenes DIR] [--photos DIR] [--attribute-network FILE]
    [--portraits FILE] [--portrait-folder DIR] [--environment VENV]

Each group runs in a process of its own. A group without its data is skipped and says why; its rows
in the README keep their last value. --quick takes fewer runs, and fewer people, which changes
numbers: baseline.json holds both kinds, and rows of fewer people don't enter the README. A script
beside this file that a group calls takes more options.
"""

from __future__ import annotations

import datetime
import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import tyro
from metric import (
    Metric,
    Sizes,
    Skip,
    gate,
    read_baselines,
    read_results,
    readme_table,
    recorded,
    table_of,
    with_table,
    write_baselines,
    write_metrics,
    write_results,
)
from rich.console import Console

GroupName = Literal[
    "parity", "volume", "rasterize", "create", "heads", "faces", "align", "fit", "invert", "edits",
    "photos", "perception", "portraits", "likeness", "exports", "busy", "size", "environment",
    "gpu",
]  # fmt: skip
HERE = Path(__file__).parent
README, RESULTS = HERE.parent / "README.md", HERE / "results.json"
BASELINE = HERE / "baseline.json"


@dataclass(frozen=True)
class Options:
    """Which groups, how large, what to do with the metrics, and where data lie."""

    only: tuple[GroupName, ...] = ()
    """Groups, all by default."""
    quick: bool = False
    """Fewer runs and people: a minute or two a group."""
    json: Path | None = None
    """Write the metrics here."""
    gate: bool = False
    """Fail when a metric is worse than the baseline's by more than its tolerance."""
    accept: bool = False
    """Make these metrics the baseline's."""
    readme: bool = False
    """Record these metrics in results.json and write the README's table."""
    fixtures: Path | None = None
    """Outputs of the original program (check_parity.py)."""
    held_out: Path | None = None
    """People of synth --kind latents that no training has seen."""
    scenes: Path | None = None
    """The same of --kind scenes."""
    photos: Path | None = None
    """Portraits."""
    portraits: Path | None = None
    """Held-out portraits of tools/label_portraits.py."""
    portrait_folder: Path | None = None
    """Portraits with annotations, of which every tenth is held out (`data.portrait_folder`)."""
    attribute_network: Path | None = None
    """What train attributes left in networks/."""
    environment: Path | None = None
    """A virtual environment into which only the core was installed."""


@dataclass(frozen=True)
class Group:
    """measure: takes the options, may raise Skip. command: prints the same numbers, for the README.
    sampled: whether --quick measures fewer people, so that its numbers are others."""

    measure: Callable[[Options], list[Metric]]
    command: str
    sampled: bool = False


@dataclass
class Run:
    """What the groups gave."""

    metrics: list[Metric] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def main(options: Options) -> int:
    """Measure, print, and do what was asked; 1 when a group or the gate fails."""
    console = Console()
    run = run_groups(options, console)
    console.print(table_of(run.metrics))
    for name, reason in run.skipped.items():
        console.print(f"skipped {name}: {reason}", highlight=False)
    failures = [f"{name}: {reason}" for name, reason in run.failed.items()]
    if options.json is not None:
        write_metrics(options.json, run.metrics)
    if options.gate:
        failures += gate_failures(options, run)
    if options.accept:
        baselines = read_baselines(BASELINE)
        baselines[sizes(options)] |= {metric.key: metric for metric in run.metrics}
        write_baselines(BASELINE, baselines)
    if options.readme:
        write_readme(options, run.metrics)
    for failure in failures:
        console.print(f"FAILED {failure}", highlight=False)
    return 1 if failures else 0


def run_groups(options: Options, console: Console) -> Run:
    """One process after the other."""
    run = Run()
    spawn = multiprocessing.get_context("spawn")
    for name in options.only or get_args(GroupName):
        console.print(f"{name} ...", highlight=False)
        with ProcessPoolExecutor(1, mp_context=spawn) as process:
            try:
                run.metrics += process.submit(GROUPS[name].measure, options).result()
            except Skip as reason:
                run.skipped[name] = str(reason)
            except (Exception, SystemExit) as error:
                run.failed[name] = f"{type(error).__name__}: {error}"
    return run


def gate_failures(options: Options, run: Run) -> list[str]:
    """Also when nothing could be compared."""
    baseline = read_baselines(BASELINE)[sizes(options)]
    groups = {metric.group for metric in run.metrics}
    if not groups & {metric.group for metric in baseline.values()}:
        return [f"nothing measured here is in {BASELINE.name} at these sizes"]
    return gate(run.metrics, baseline, groups)


def sizes(options: Options) -> Sizes:
    """Which baseline the numbers compare with."""
    return "quick" if options.quick else "full"


def write_readme(options: Options, metrics: list[Metric]) -> None:
    """Record what counts, and write the whole table."""
    results = read_results(RESULTS)
    for name, group in GROUPS.items():
        chosen = [metric for metric in metrics if metric.group == name]
        if not chosen or (options.quick and group.sampled):
            continue
        today = datetime.date.today().isoformat()
        results = recorded(
            results, chosen, machine=machine_name(name), command=group.command, date=today
        )
    write_results(RESULTS, results)
    README.write_text(with_table(README.read_text(), readme_table(results)))


def machine_name(group: str) -> str:
    """The GPU of the group gpu, else the cores that this process may use."""
    if group == "gpu":
        query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        listed = subprocess.run(query, check=True, capture_output=True, text=True).stdout
        return listed.splitlines()[0].removeprefix("NVIDIA ")
    return f"{len(os.sched_getaffinity(0))} cores"


def _given(path: Path | None, option: str) -> Path:
    if path is None:
        raise Skip(f"needs {option}.")
    if not path.exists():
        raise Skip(f"{option} {path} does not exist.")
    return path


def parity(options: Options) -> list[Metric]:
    folder = _given(options.fixtures, "--fixtures")
    from check_parity import measure

    return measure(folder)


def volume(options: Options) -> list[Metric]:
    from bench_volume import measure

    return measure(runs=3 if options.quick else 7)


def rasterize(options: Options) -> list[Metric]:
    from bench_rasterize import measure

    return measure(seconds=1.0 if options.quick else 3.0)


def create(options: Options) -> list[Metric]:
    from bench_create import measure

    return measure(runs=1 if options.quick else 3)


def heads(options: Options) -> list[Metric]:
    folder = _given(options.held_out, "--held-out")
    from eval_heads import measure

    people, samples = (20, 30) if options.quick else (200, 300)
    return measure(folder, people=people, samples=samples)


def faces(options: Options) -> list[Metric]:
    folder = _given(options.scenes, "--scenes")
    from eval_faces import measure

    people, samples = (20, 100) if options.quick else (200, 1000)
    return measure(folder, people=people, samples=samples)


def align(options: Options) -> list[Metric]:
    folder = _given(options.photos, "--photos")
    from bench_align import measure

    return measure(folder, every=10 if options.quick else 1)


def fit(options: Options) -> list[Metric]:
    folder = _given(options.photos, "--photos")
    from bench_fit import measure

    return measure(folder, every=20 if options.quick else 1)


def invert(options: Options) -> list[Metric]:
    from eval_inversion import measure

    return measure(people=1 if options.quick else 4)


def edits(options: Options) -> list[Metric]:
    network = _given(options.attribute_network, "--attribute-network")
    from eval_edits import measure

    return measure(network, people=2 if options.quick else 4)


def photos(options: Options) -> list[Metric]:
    folder = _given(options.photos, "--photos")
    from eval_photos import measure

    return measure(folder, count=4 if options.quick else 24)


def perception(options: Options) -> list[Metric]:
    folder = _given(options.held_out, "--held-out")
    from eval_identity import measure as measure_identity
    from eval_parser import measure as measure_parser

    return measure_identity(folder) + measure_parser(folder)


def portraits(options: Options) -> list[Metric]:
    file = _given(options.portraits, "--portraits")
    from eval_portrait_parser import measure

    return measure(file)


def likeness(options: Options) -> list[Metric]:
    folder = _given(options.portrait_folder, "--portrait-folder")
    from eval_likeness import measure

    return measure(folder, count=8 if options.quick else 1000)


def exports(options: Options) -> list[Metric]:
    if shutil.which("node") is None or not (HERE.parent / "tests/node/node_modules").exists():
        raise Skip("needs Node and, in tests/node, npm ci.")
    from check_exports import measure

    return measure(seeds=1, styles=("natural",)) if options.quick else measure()


def busy(options: Options) -> list[Metric]:
    from bench_busy import measure

    return measure("sample") if options.quick else measure("sample", runs=3) + measure("create")


def size(options: Options) -> list[Metric]:
    from bench_size import measure

    return measure()


def environment(options: Options) -> list[Metric]:
    from bench_size import measure_environment

    return measure_environment(_given(options.environment, "--environment"))


def gpu(options: Options) -> list[Metric]:
    from bench_gpu import measure

    return measure(runs=10 if options.quick else 30)


GROUPS: dict[GroupName, Group] = {
    "parity": Group(parity, "benchmarks/check_parity.py FIXTURES"),
    "volume": Group(volume, "benchmarks/bench_volume.py"),
    "rasterize": Group(rasterize, "benchmarks/bench_rasterize.py"),
    "create": Group(create, "benchmarks/bench_create.py"),
    "heads": Group(heads, "benchmarks/eval_heads.py PEOPLE --samples 300", sampled=True),
    "faces": Group(faces, "benchmarks/eval_faces.py SCENES faces2d", sampled=True),
    "align": Group(align, "benchmarks/bench_align.py PHOTOS", sampled=True),
    "fit": Group(fit, "benchmarks/bench_fit.py PHOTOS", sampled=True),
    "invert": Group(invert, "benchmarks/eval_inversion.py", sampled=True),
    "edits": Group(
        edits, "benchmarks/eval_edits.py --people 4 --attribute-network FILE", sampled=True
    ),
    "photos": Group(photos, "benchmarks/eval_photos.py PHOTOS --count 24", sampled=True),
    "perception": Group(perception, "benchmarks/suite.py --only perception --held-out PEOPLE"),
    "portraits": Group(portraits, "benchmarks/eval_portrait_parser.py HELD_OUT"),
    "likeness": Group(likeness, "benchmarks/eval_likeness.py PORTRAITS", sampled=True),
    "exports": Group(exports, "benchmarks/check_exports.py", sampled=True),
    "busy": Group(busy, "benchmarks/suite.py --only busy"),
    "size": Group(size, "benchmarks/bench_size.py"),
    "environment": Group(environment, "benchmarks/bench_size.py --environment VENV"),
    "gpu": Group(gpu, "benchmarks/bench_gpu.py"),
}


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Options, description=__doc__)))
