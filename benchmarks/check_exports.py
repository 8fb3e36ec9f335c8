"""Exports of sampled people in every style, checked by other programs.

For each person: the size of GLB and VRM, what the Khronos validator says, whether three-vrm finds
every required bone, and (with ``--blender PYTHON``, a Python that has bpy) whether Blender finds
the armature and 52 shape keys. Needs Node and ``npm ci`` in tests/node.

    python benchmarks/check_exports.py --seeds 3 --json exports.json
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from metric import Metric

from portraiture.engine.build import build_bust
from portraiture.engine.sample import sample_parameters
from portraiture.engine.style.recipes import STYLES
from portraiture.export.gltf import write_glb
from portraiture.export.vrm import write_vrm

LIMIT_MB = 8.0
WARNING, BOTH_SHADERS = 1, "MULTIPLE_EXTENSIONS"
"""The validator's severity of warnings, and its code for materials that have MToon and, as MToon's
specification recommends, KHR_materials_unlit for programs without it."""
TESTS = Path(__file__).parent.parent / "tests"


def node(script: str, *files: Path) -> Any:
    """What a script of tests/node prints about `files`."""
    command = ["node", str(TESTS / "node" / script), *map(str, files)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def in_blender(python: str, glb: Path) -> bool:
    """Whether Blender's import of `glb` has an armature and 52 keys on every moving mesh."""
    seen = glb.with_suffix(".json")
    script = TESTS / "export" / "check_blender.py"
    subprocess.run([python, str(script), str(glb), str(seen)], check=True, capture_output=True)
    found = json.loads(seen.read_text())
    keys = [len(mesh["keys"]) for mesh in found["meshes"].values() if mesh["keys"]]
    return len(found["armatures"]) == 1 and bool(keys) and set(keys) == {53}


def check(seed: int, style: str, folder: Path, blender: str | None) -> dict[str, Any]:
    """One person's row of the table."""
    bust = build_bust(sample_parameters(seed), style=style)  # type: ignore[arg-type]
    glb, vrm = folder / f"{style}_{seed}.glb", folder / f"{style}_{seed}.vrm"
    began = time.perf_counter()
    write_glb(bust, glb)
    seconds = time.perf_counter() - began
    write_vrm(bust, vrm, name=f"{style} {seed}")
    issues = [report["issues"] for report in node("validate.mjs", glb, vrm)]
    loaded = node("load_vrm.mjs", vrm)
    row = {
        "style": style,
        "seed": seed,
        "glb_mb": glb.stat().st_size / 1e6,
        "vrm_mb": vrm.stat().st_size / 1e6,
        "seconds": seconds,
        "errors": sum(issue["numErrors"] for issue in issues),
        "warnings": sum(
            message["severity"] == WARNING and message["code"] != BOTH_SHADERS
            for issue in issues
            for message in issue["messages"]
        ),
        "codes": sorted({message["code"] for issue in issues for message in issue["messages"]}),
        "bones_missing": len(loaded["missing"]),
        "complaints": loaded["complaints"],
        "expressions": [len(loaded["presets"]), len(loaded["custom"])],
    }
    if blender:
        row["blender"] = in_blender(blender, glb)
    return row


def passes(row: dict[str, Any]) -> bool:
    """Every figure that the project promises."""
    return (
        row["errors"] == row["warnings"] == row["bones_missing"] == 0
        and not row["complaints"]
        and row["expressions"] == [18, 52]
        and row["glb_mb"] < LIMIT_MB
        and row.get("blender", True)
    )


def measure(
    *, seeds: int = 2, styles: Sequence[str] = tuple(STYLES), blender: str | None = None
) -> list[Metric]:
    """Counts over all people and styles; none may be above 0."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            check(seed, style, Path(folder), blender) for style in styles for seed in range(seeds)
        ]
    largest = max(row["glb_mb"] for row in rows)
    counts = {
        "errors of gltf-validator": sum(row["errors"] for row in rows),
        "warnings of gltf-validator": sum(row["warnings"] for row in rows),
        "bones three-vrm misses": sum(row["bones_missing"] for row in rows),
        "people failing a promise": sum(not passes(row) for row in rows),
    }
    metrics = [
        Metric(f"exports/{name}", float(count), "", "lower", 0.0) for name, count in counts.items()
    ]
    return [*metrics, Metric("exports/largest GLB", largest, "MB", "lower", LIMIT_MB - largest)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 1 when a row fails."""
    parser = argparse.ArgumentParser(description="Exports checked by other programs.")
    parser.add_argument("--seeds", type=int, default=2, help="people per style")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--styles", nargs="+", default=list(STYLES), choices=list(STYLES))
    parser.add_argument("--blender", metavar="PYTHON", help="a Python that has bpy")
    parser.add_argument("--json", type=Path, help="also write the rows here")
    options = parser.parse_args(arguments)
    rows = []
    print("style       seed  GLB MB  VRM MB     s  errors  warnings  bones missing  Blender")
    with tempfile.TemporaryDirectory() as folder:
        for style in options.styles:
            for seed in range(options.first, options.first + options.seeds):
                row = check(seed, style, Path(folder), options.blender)
                rows.append(row)
                seen = {None: "-", True: "yes", False: "no"}[row.get("blender")]
                print(
                    f"{style:11s} {seed:4d}  {row['glb_mb']:6.2f}  {row['vrm_mb']:6.2f}"
                    f"  {row['seconds']:4.1f}  {row['errors']:6d}  {row['warnings']:8d}"
                    f"  {row['bones_missing']:13d}  {seen:7s}"
                    f"{'' if passes(row) else '  FAILS'}",
                    flush=True,
                )
    print("remarks of the validator:", sorted({code for row in rows for code in row["codes"]}))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    return 0 if all(map(passes, rows)) else 1


if __name__ == "__main__":
    sys.exit(main())
