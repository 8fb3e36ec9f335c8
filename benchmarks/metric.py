"""One record for every measurement: printed, written as JSON, gated and shown in the README.

figures of a script ──metrics_from──▶ list[Metric] ─┬─▶ table, JSON
                                                    ├─gate──▶ what is worse than baseline.json
                                                    └─recorded──▶ results.json ──▶ README
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from rich.table import Table

Better = Literal["higher", "lower"]
Sizes = Literal["quick", "full"]
MOST_WORDS = 6
MARKERS = ("<!-- measured -->", "<!-- /measured -->")


class Skip(Exception):  # noqa: N818
    """Why a group cannot be measured here, in one sentence."""


@dataclass(frozen=True)
class Metric:
    """One measured number.

    key: "group/name", the name of at most six words. value: finite, in `unit`. tolerance: by how
    much a later value may be worse, in the same unit; negative where the value is already beyond
    its limit. Raises ValueError for anything else.
    """

    key: str
    value: float
    unit: str
    better: Better
    tolerance: float

    def __post_init__(self) -> None:
        if not self.group or not 1 <= len(self.name.split()) <= MOST_WORDS:
            raise ValueError(f"{self.key!r} is not a group and a name of up to {MOST_WORDS} words")
        if not math.isfinite(self.value) or not math.isfinite(self.tolerance):
            raise ValueError(f"{self.key}: {self.value} with tolerance {self.tolerance}")

    @property
    def group(self) -> str:
        """What is before the slash."""
        return self.key.partition("/")[0]

    @property
    def name(self) -> str:
        """What is after the slash."""
        return self.key.partition("/")[2]

    def worse_than(self, other: Metric) -> float:
        """By how much, in the unit; negative where it is better."""
        return (self.value - other.value) * (1.0 if self.better == "lower" else -1.0)


@dataclass(frozen=True)
class Row:
    """How a script's figure becomes a Metric. tolerance: in the unit; factor: instead, by what the
    value may grow (lower is better) or be divided. scale: from the figure to the unit."""

    figure: str
    key: str
    unit: str
    better: Better
    tolerance: float = 0.0
    factor: float | None = None
    scale: float = 1.0


@dataclass(frozen=True)
class Result:
    """The last value of a metric. machine, command and date: where, how and when it was measured;
    date is ISO 8601."""

    value: float
    unit: str
    machine: str
    command: str
    date: str


def metrics_from(figures: Mapping[str, float], rows: Iterable[Row]) -> list[Metric]:
    """The rows whose figure is there and is a finite number."""
    found = []
    for row in rows:
        value = row.scale * figures.get(row.figure, math.nan)
        if not math.isfinite(value):
            continue
        tolerance = row.tolerance
        if row.factor is not None:
            tolerance = loose(value, row.better, row.factor)
        found.append(Metric(row.key, value, row.unit, row.better, tolerance))
    return found


def loose(value: float, better: Better, factor: float) -> float:
    """The tolerance that lets a value grow to `factor` times itself, or fall to one in `factor`."""
    return value * (factor - 1.0 if better == "lower" else 1.0 - 1.0 / factor)


def gate(
    metrics: Sequence[Metric], baseline: Mapping[str, Metric], groups: Collection[str]
) -> list[str]:
    """A sentence for each metric that is worse than the baseline's by more than the tolerance that
    the baseline states, and for each of the measured `groups`' metrics that is gone."""
    failures = []
    for metric in metrics:
        base = baseline.get(metric.key)
        if base is not None and metric.worse_than(base) > base.tolerance + 1e-9 * abs(base.value):
            bound, sign = ("most", 1.0) if base.better == "lower" else ("least", -1.0)
            limit = shown(base.value + sign * base.tolerance)
            failures.append(
                f"{metric.key}: {shown(metric.value)} {metric.unit}".rstrip()
                + f", where {limit} is allowed at {bound} (baseline {shown(base.value)})"
            )
    measured = {metric.key for metric in metrics}
    failures += [
        f"{key}: no longer measured"
        for key, base in baseline.items()
        if base.group in groups and key not in measured
    ]
    return failures


def read_baselines(path: Path) -> dict[Sizes, dict[str, Metric]]:
    """The accepted metrics by key, of quick and of full sizes."""
    lists = json.loads(path.read_text()) if path.exists() else {}
    return {
        sizes: {entry["key"]: Metric(**entry) for entry in lists.get(sizes, [])}
        for sizes in get_args(Sizes)
    }


def write_baselines(path: Path, baselines: Mapping[Sizes, Mapping[str, Metric]]) -> None:
    """A JSON object of two lists, one object a metric."""
    lists = {sizes: [asdict(m) for m in metrics.values()] for sizes, metrics in baselines.items()}
    path.write_text(json.dumps(lists, indent=1, ensure_ascii=False) + "\n")


def write_metrics(path: Path, metrics: Iterable[Metric]) -> None:
    """A JSON list, one object a metric."""
    path.write_text(json.dumps([asdict(metric) for metric in metrics], indent=1) + "\n")


def read_results(path: Path) -> dict[str, Result]:
    """The last value of each metric by key, in the README's order."""
    return {key: Result(**entry) for key, entry in json.loads(path.read_text()).items()}


def write_results(path: Path, results: Mapping[str, Result]) -> None:
    """A JSON object, one entry a metric."""
    entries = {key: asdict(result) for key, result in results.items()}
    path.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n")


def recorded(
    results: Mapping[str, Result],
    metrics: Iterable[Metric],
    *,
    machine: str,
    command: str,
    date: str,
) -> dict[str, Result]:
    """`results` with the new values in their old places; a new metric follows its group's last."""
    entries = list(results.items())
    for metric in metrics:
        result = Result(float(f"{metric.value:.6g}"), metric.unit, machine, command, date)
        keys = [key for key, _ in entries]
        if metric.key in keys:
            entries[keys.index(metric.key)] = (metric.key, result)
            continue
        same = [k for k, key in enumerate(keys) if key.partition("/")[0] == metric.group]
        entries.insert(same[-1] + 1 if same else len(entries), (metric.key, result))
    return dict(entries)


def shown(value: float) -> str:
    """Three digits, whole numbers from 100 on; two and a power of ten below a thousandth."""
    if value == 0.0:
        return "0"
    if abs(value) < 1e-3:
        digits, exponent = f"{value:.1e}".split("e")
        return f"{digits.removesuffix('.0')}e{int(exponent)}"
    return f"{value:.0f}" if abs(value) >= 100.0 else f"{value:.3g}"


def table_of(metrics: Iterable[Metric]) -> Table:
    """For the terminal."""
    table = Table("Group", "Measured", "Value", "Unit")
    for metric in metrics:
        table.add_row(metric.group, metric.name, shown(metric.value), metric.unit)
    return table


def readme_table(results: Mapping[str, Result]) -> str:
    """A Markdown table: name, number with its unit, machine, command ("same" as the row above)."""
    lines = ["| Measured | | On | Printed by |", "| --- | --- | --- | --- |"]
    above = ""
    for key, result in results.items():
        number = f"{shown(result.value)} {result.unit}".rstrip()
        command = "same" if result.command == above else f"`{result.command}`"
        lines.append(f"| {key.partition('/')[2]} | {number} | {result.machine} | {command} |")
        above = result.command
    return "\n".join(lines)


def with_table(text: str, table: str) -> str:
    """`text` with `table` between the markers. Raises ValueError unless each is there once."""
    begin, end = MARKERS
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(end) < text.index(begin):
        raise ValueError(f"the text must hold {begin} and then {end}, once each")
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{table}\n{end}{rest.partition(end)[2]}"
