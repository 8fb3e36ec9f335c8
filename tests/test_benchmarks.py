"""The suite's record, gate and tables, and the figures that are counted rather than timed.

- a Metric refuses long names and values that are no numbers
- the gate fails on what is worse by more than the baseline's tolerance, and on what is gone
- results keep the rows of groups that were not measured, in their order
- the README's table lies between its markers, one number a row, and agrees with results.json
- shares of right choices are over the portraits that have them
- segments and looks are compared where they are known alone
- a circle of imports is found whole, and type checking alone makes none
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import get_args

import bench_size
import eval_choices
import eval_inversion
import eval_portrait_parser
import metric
import pytest
import suite
import torch
from metric import Metric, Result, Row

from portraiture.perception.looks import LOOKS, NAMES

ROOT = Path(__file__).parent.parent
ERROR = Metric("parity/image, largest error", 4e-4, "", "lower", 1e-3)
RATIO = Metric("volume/times torch's speed", 8.0, "", "higher", 4.0)
OLD = Result(1.0, "s", "2 cores", "benchmarks/a.py", "2026-01-01")


def test_choices_that_a_portrait_does_not_have_do_not_count() -> None:
    rows = [{"read": True, "bald": True, "curls": False}, {"read": True, "bald": False}]
    shares = eval_choices.shares_of([*rows, {"read": False}], [True, True, False])
    assert shares == {"read": pytest.approx(2 / 3), "bald": 0.5, "curls": 0.0}
    others = eval_choices.shares_of([*rows, {"read": True, "bald": True}], [True, True, False])
    assert others == {"read": 1.0, "bald": 0.5, "curls": 0.0}
    table = eval_choices.table_of({"a": shares, "b": {"read": 1.0, "bald": 0.25}})
    assert list(table.columns[1].cells) == ["66.7", "50.0*", "0.0*"]
    assert list(table.columns[2].cells) == ["100.0*", "25.0", "nan"]


def test_a_metric_has_a_group_a_short_name_and_a_number() -> None:
    assert (ERROR.group, ERROR.name) == ("parity", "image, largest error")
    for key in ("no group", "/name", "group/", "group/one two three four five six seven"):
        with pytest.raises(ValueError, match="up to 6 words"):
            replace(ERROR, key=key)
    for value in (math.nan, math.inf):
        with pytest.raises(ValueError, match="parity"):
            replace(ERROR, value=value)
        with pytest.raises(ValueError, match="parity"):
            replace(ERROR, tolerance=value)


@pytest.mark.parametrize(
    ("base", "value", "passes"),
    [
        (ERROR, 1.4e-3, True),  # at the tolerance
        (ERROR, 1.5e-3, False),
        (ERROR, 0.0, True),  # better
        (RATIO, 4.0, True),
        (RATIO, 3.9, False),
        (RATIO, 80.0, True),
        (replace(ERROR, value=2.0, tolerance=-2.0), 2.0, False),  # beyond its limit, 0
        (replace(ERROR, value=2.0, tolerance=-2.0), 0.0, True),
    ],
)
def test_the_gate_is_one_sided(base: Metric, value: float, passes: bool) -> None:
    failures = metric.gate([replace(base, value=value)], {base.key: base}, {base.group})
    assert (not failures) is passes


def test_the_baseline_states_the_tolerance() -> None:
    """A run cannot loosen the gate."""
    now = replace(ERROR, value=1.0, tolerance=10.0)
    assert len(metric.gate([now], {ERROR.key: ERROR}, {"parity"})) == 1


def test_a_failure_names_the_limit() -> None:
    (failure,) = metric.gate([replace(RATIO, value=3.0)], {RATIO.key: RATIO}, {"volume"})
    assert failure == f"{RATIO.key}: 3, where 4 is allowed at least (baseline 8)"


def test_the_gate_misses_what_is_gone_from_a_measured_group_alone() -> None:
    baseline = {ERROR.key: ERROR, RATIO.key: RATIO}
    assert metric.gate([RATIO], baseline, {"volume"}) == []
    (failure,) = metric.gate([RATIO], baseline, {"volume", "parity"})
    assert failure.startswith(ERROR.key)


@pytest.mark.parametrize(("better", "edge"), [("lower", 30.0), ("higher", 10.0 / 3.0)])
def test_loose_tolerances_are_factors(better: metric.Better, edge: float) -> None:
    base = Metric("a/b", 10.0, "s", better, metric.loose(10.0, better, 3.0))
    beyond = edge * (1.01 if better == "lower" else 0.99)
    assert metric.gate([replace(base, value=edge)], {"a/b": base}, {"a"}) == []
    assert metric.gate([replace(base, value=beyond)], {"a/b": base}, {"a"})


def test_figures_become_metrics_where_they_are_numbers() -> None:
    rows = (
        Row("share", "a/share", "%", "higher", 2.0, scale=100.0),
        Row("missing", "a/missing", "", "lower"),
        Row("nan", "a/nan", "", "lower"),
        Row("seconds", "a/seconds", "s", "lower", factor=3.0),
    )
    found = metric.metrics_from({"share": 0.5, "nan": math.nan, "seconds": 4.0}, rows)
    assert found == [
        Metric("a/share", 50.0, "%", "higher", 2.0),
        Metric("a/seconds", 4.0, "s", "lower", 8.0),
    ]


def test_results_keep_other_rows_and_their_order() -> None:
    before = {"a/x": OLD, "b/x": OLD, "c/x": OLD}
    metrics = [Metric("b/x", 2.0, "s", "lower", 0.0), Metric("b/y", 3.0, "s", "lower", 0.0)]
    metrics.append(Metric("d/x", 4.0, "s", "lower", 0.0))
    after = metric.recorded(before, metrics, machine="H200", command="benchmarks/b.py", date="now")
    assert list(after) == ["a/x", "b/x", "b/y", "c/x", "d/x"]
    assert after["a/x"] == after["c/x"] == OLD
    assert after["b/x"] == Result(2.0, "s", "H200", "benchmarks/b.py", "now")


def test_files_are_read_back_as_written(tmp_path: Path) -> None:
    results, baselines = {"a/x": OLD}, {"quick": {ERROR.key: ERROR}, "full": {}}
    metric.write_results(tmp_path / "results.json", results)
    assert metric.read_results(tmp_path / "results.json") == results
    metric.write_baselines(tmp_path / "baseline.json", baselines)  # type: ignore[arg-type]
    assert metric.read_baselines(tmp_path / "baseline.json") == baselines
    assert metric.read_baselines(tmp_path / "none.json") == {"quick": {}, "full": {}}
    metric.write_metrics(tmp_path / "metrics.json", [RATIO])
    assert [Metric(**entry) for entry in json.loads((tmp_path / "metrics.json").read_text())] == [
        RATIO
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (4.94e-4, "4.9e-4"), (2e-5, "2e-5"), (0.583, "0.583"), (25.29, "25.3"),
     (58384.0, "58384"), (919.0, "919"), (100.0, "100"), (1.0, "1")],
)  # fmt: skip
def test_numbers_are_shown_short(value: float, text: str) -> None:
    assert metric.shown(value) == text


def test_the_table_lies_between_the_markers() -> None:
    text = "before\n<!-- measured -->\nold\n<!-- /measured -->\nafter\n"
    table = metric.readme_table({"a/one name": OLD, "a/other": OLD})
    once = metric.with_table(text, table)
    assert once.startswith("before\n<!-- measured -->\n| Measured |")
    assert "| one name | 1 s | 2 cores | `benchmarks/a.py` |" in once
    assert "| other | 1 s | 2 cores | same |" in once
    assert once.endswith("|\n<!-- /measured -->\nafter\n")
    assert "old" not in once
    assert metric.with_table(once, table) == once
    for wrong in ("", "<!-- measured -->", "<!-- /measured --> <!-- measured -->", text + text):
        with pytest.raises(ValueError, match="once each"):
            metric.with_table(wrong, table)


def test_the_readme_shows_results_json() -> None:
    results = metric.read_results(suite.RESULTS)
    text = suite.README.read_text()
    assert metric.with_table(text, metric.readme_table(results)) == text
    for key, result in results.items():
        Metric(key, result.value, result.unit, "lower", 0.0)  # short name, one number
        script = result.command.split()[0]
        assert script == "portraiture" or (ROOT / script).is_file(), script


def test_every_group_of_the_suite_exists_and_names_a_script() -> None:
    assert set(suite.GROUPS) == set(get_args(suite.GroupName))
    for group in suite.GROUPS.values():
        assert (ROOT / group.command.split()[0]).is_file()
    for baseline in metric.read_baselines(suite.BASELINE).values():
        assert {one.group for one in baseline.values()} <= set(suite.GROUPS)


def test_a_group_without_its_data_is_skipped(tmp_path: Path) -> None:
    for options in (suite.Options(), suite.Options(fixtures=tmp_path / "none")):
        with pytest.raises(metric.Skip, match="--fixtures"):
            suite.parity(options)


def test_a_gate_that_compares_nothing_fails() -> None:
    run = suite.Run(metrics=[Metric("nowhere/x", 1.0, "", "lower", 0.0)])
    assert suite.gate_failures(suite.Options(gate=True), run)


def test_circles_of_imports(tmp_path: Path) -> None:
    package = tmp_path / "p"
    package.mkdir()
    lines = {
        "__init__": "",
        "a": "from p import b",
        "b": "def f():\n    import p.c",
        "c": "from p.a import name",
        "d": "import p.a\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import p.e",
        "e": "from p import d",
    }
    for name, text in lines.items():
        (package / f"{name}.py").write_text(text)
    graph = bench_size.imports_of(package)
    assert graph["p.e"] == {"p.d"}
    assert graph["p.d"] == {"p.a"}
    assert bench_size.import_circles(graph) == [{"p.a", "p.b", "p.c"}]


def test_inversions_are_weighted_by_views() -> None:
    def row(yaw: int, where: str, count: int, psnr: float) -> dict[str, object]:
        return {"method": "m", "yaw": yaw, "where": where, "count": count, "psnr": psnr,
                "identity": 0.5, "seconds": 3.0}  # fmt: skip

    rows = [row(0, "input", 1, 20.0), row(30, "input", 2, 23.0), row(60, "input", 2, 10.0)]
    found = {one.key: one.value for one in eval_inversion.metrics_of(rows)}
    assert found["invert/m, own view: PSNR"] == pytest.approx(22.0)
    assert found["invert/m, 60°, own view: PSNR"] == pytest.approx(10.0)
    assert found["invert/m: seconds"] == pytest.approx(3.0)
    assert "invert/m, other views: PSNR" not in found


def test_segments_are_compared_where_they_are_known() -> None:
    labels = torch.tensor([[[1, 1, 1, 13], [255, 255, 13, 13]]])
    found = torch.tensor([[[1, 1, 13, 13], [13, 1, 13, 0]]])
    figures = eval_portrait_parser.overlaps(found, labels)
    assert figures == pytest.approx({"iou/skin": 2 / 3, "iou/hair": 0.5, "iou/mean": 7 / 12})


def test_looks_are_compared_where_they_are_known() -> None:
    true = torch.full((5, len(NAMES)), -1, dtype=torch.int8)
    true[:, NAMES.index("hair")] = torch.tensor([0, 1, 2, 5, -1])
    ours = torch.nn.functional.one_hot(torch.tensor([1, 1, 0, 4, 0]), 6).float()
    looks = {name: torch.zeros(5, len(LOOKS[name])) for name in NAMES} | {"hair": ours}
    figures = eval_portrait_parser.accuracies(looks, true)
    assert figures["exact/hair"] == pytest.approx(1 / 4)
    assert figures["accuracy/bald"] == pytest.approx(2 / 4)  # the second and the fourth
    assert figures["recall/bald"] == 0.0
    assert figures["accuracy/hair length"] == pytest.approx(2 / 4)
    assert math.isnan(figures["exact/glasses"])
    assert not {m.key for m in metric.metrics_from(figures, eval_portrait_parser.ROWS)} ^ {
        "portraits/portrait parser, hair length"
    }
