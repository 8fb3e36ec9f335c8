"""Sizes that have a limit: packaged weights, the checkout, an environment, circles of imports.

python benchmarks/bench_size.py [--environment VENV] [--json FILE]

VENV: a fresh virtual environment into which only the core was installed.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated

import tyro
from metric import Metric, table_of, write_metrics
from rich.console import Console

ROOT = Path(__file__).parent.parent
WEIGHTS_MB = 26.0
CHECKOUT_MB = 50.0
ENVIRONMENT_MB = 2300.0
CIRCLES = 0.0


def main(
    environment: Path | None = None,
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None,
) -> None:
    """Print a table; write the same as JSON."""
    metrics = measure() + ([] if environment is None else measure_environment(environment))
    Console().print(table_of(metrics))
    if json_file is not None:
        write_metrics(json_file, metrics)


def measure() -> list[Metric]:
    """The distance to a limit is its tolerance."""
    weights = megabytes((ROOT / "src/portraiture/assets/weights").rglob("*.safetensors"))
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    checkout = megabytes(ROOT / name for name in listed.split("\0") if name)
    circles = float(len(import_circles(imports_of(ROOT / "src" / "portraiture"))))
    return [
        Metric("size/packaged weights", weights, "MB", "lower", WEIGHTS_MB - weights),
        Metric("size/tracked files", checkout, "MB", "lower", CHECKOUT_MB - checkout),
        Metric("size/import circles", circles, "", "lower", CIRCLES - circles),
    ]


def measure_environment(folder: Path) -> list[Metric]:
    """Of everything below a folder."""
    size = megabytes(folder.rglob("*"))
    return [
        Metric("environment/fresh core environment", size, "MB", "lower", ENVIRONMENT_MB - size)
    ]


def megabytes(paths: Iterable[Path]) -> float:
    """Of the regular files among them, a million bytes each."""
    return sum(p.stat().st_size for p in paths if p.is_file() and not p.is_symlink()) / 1e6


def imports_of(package: Path) -> dict[str, set[str]]:
    """Of each module of a package, the package's modules that it imports, wherever it does so,
    except for type checking alone."""
    files = {_module(path, package): path for path in sorted(package.rglob("*.py"))}
    graph: dict[str, set[str]] = {}
    for module, path in files.items():
        found: set[str] = set()
        for node in _run_nodes(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                inner = {f"{node.module}.{alias.name}" for alias in node.names} & files.keys()
                found |= inner or {node.module}
        graph[module] = (found & files.keys()) - {module}
    return graph


def _module(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _run_nodes(node: ast.AST) -> list[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING:`."""
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        return [found for child in node.orelse for found in _run_nodes(child)]
    return [node, *(found for child in ast.iter_child_nodes(node) for found in _run_nodes(child))]


def import_circles(graph: Mapping[str, set[str]]) -> list[set[str]]:
    """The largest sets of at least two modules that reach each other."""
    reached = {module: _reached(graph, module) for module in graph}
    circles: list[set[str]] = []
    for module in graph:
        circle = {other for other in reached[module] if module in reached[other]}
        if len(circle) > 1 and circle not in circles:
            circles.append(circle)
    return circles


def _reached(graph: Mapping[str, set[str]], module: str) -> set[str]:
    found, ahead = set(), [module]
    while ahead:
        new = graph[ahead.pop()] - found
        found |= new
        ahead += new
    return found


if __name__ == "__main__":
    tyro.cli(main)
