"""Imports point one way and never in circles, files and functions are short, importing is cheap.

Properties, each over every file of a root folder, so that they hold of a copy with a new folder as
well: every imported module and name exists; no circle of files, imports inside functions and under
TYPE_CHECKING counted; folders import lower tiers alone, verbs never each other; 400 lines a file
and 60 a function, which holds of the tests as well.
"""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent / "src" / "portraiture"
VERB = "a verb"
"""Every folder with a run.py that no tier names: a new one needs no change here."""
TIERS: tuple[set[str], ...] = (
    {"errors", "ops", "quiet", "recent", "signals", "types", "version"},
    {"cache", "camera", "paths", "pixels", "progress"},
    {"media", "processes", "render", "triplane"},
    {"engine", "jobs", "networks", "weights"},
    {"convert", "meshing", "photo"},
    {"checkpoints", "export", "people"},
    {"perception"},
    {"fit"},
    {"data"},
    {"avatar", "metrics", "models", "train"},
    {"avatar_files", "head"},
    {VERB, "perception_training"},
    {"evaluate"},
    {"batch", "studio"},
    {"service"},
    {"cli"},
)
"""From the bottom; what stands in one tier does not import each other. `portraiture/__init__.py`,
above all, may import everything, and nothing imports it."""
MAX_FILE, MAX_FUNCTION = 400, 60
Graph = dict[str, set[str]]


def modules(root: Path) -> dict[str, Path]:
    """Every file by its module's name; packages have their folder's."""
    return {
        ".".join((root.name, *path.relative_to(root).with_suffix("").parts)).removesuffix(
            ".__init__"
        ): path
        for path in sorted(root.rglob("*.py"))
    }


class Facts(NamedTuple):
    """What a file says of itself.

    imports: modules that it names, anywhere in it, each with a name taken from it. bound: names
    that it binds, at any depth. functions: each with its lines. lines: of all.
    """

    imports: tuple[tuple[str, str | None], ...]
    bound: frozenset[str]
    functions: tuple[tuple[str, int], ...]
    lines: int


@cache
def facts(text: str) -> Facts:
    """Of a file's text."""
    imports: list[tuple[str, str | None]] = []
    bound: set[str] = set()
    functions: list[tuple[str, int]] = []
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Import(names):
                imports += [(alias.name, None) for alias in names]
                bound |= {alias.asname or alias.name.split(".")[0] for alias in names}
            case ast.ImportFrom(module, names, level):
                assert module and not level, "imports are absolute"
                imports += [(module, alias.name) for alias in names]
                bound |= {alias.asname or alias.name for alias in names}
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                functions.append((node.name, (node.end_lineno or 0) - node.lineno + 1))
                bound.add(node.name)
            case ast.ClassDef(name):
                bound.add(name)
            case ast.Name(name, ast.Store()):
                bound.add(name)
    return Facts(tuple(imports), frozenset(bound), tuple(functions), len(text.splitlines()))


def own_imports(path: Path, package: str) -> list[tuple[str, str | None]]:
    """A file's imports of the package."""
    found = facts(path.read_text()).imports
    return [(source, name) for source, name in found if source.split(".")[0] == package]


def import_graph(root: Path) -> Graph:
    """Modules and what they import. `from package import name` imports a module of that name where
    there is one, and the package's own file otherwise."""
    files = modules(root)
    graph: Graph = {}
    for module, path in files.items():
        graph[module] = set()
        for source, name in own_imports(path, root.name):
            inner = f"{source}.{name}"
            graph[module].add(inner if inner in files else source)
    return graph


def missing(root: Path) -> list[str]:
    """Imported modules and names that do not exist."""
    files = modules(root)
    bound = {module: facts(path.read_text()).bound for module, path in files.items()}
    return [
        f"{module} imports {source}.{name}"
        for module, path in files.items()
        for source, name in own_imports(path, root.name)
        if source not in files
        or not (name is None or name in bound[source] or f"{source}.{name}" in files)
    ]


def circles(root: Path) -> list[str]:
    """One circle of files, if there is any."""
    try:
        TopologicalSorter(import_graph(root)).prepare()
    except CycleError as error:
        return [" → ".join(error.args[1])]
    return []


def unit(module: str) -> str:
    """The folder or top-level module that a module belongs to; "" is the package's own file."""
    return module.split(".")[1] if "." in module else ""


def tier(root: Path, name: str) -> int | None:
    """Where a unit stands; None where it has no place."""
    if not name:
        return len(TIERS)
    for number, names in enumerate(TIERS):
        if name in names:
            return number
    verbs = next(number for number, names in enumerate(TIERS) if VERB in names)
    return verbs if (root / name / "run.py").is_file() else None


def out_of_order(root: Path) -> list[str]:
    """Imports that do not point to a lower tier, and units without a tier."""
    graph = import_graph(root)
    place = {name: tier(root, name) for name in map(unit, graph)}
    homeless = sorted(name for name, number in place.items() if number is None)
    if homeless:
        return [f"{name} has no tier" for name in homeless]
    pairs = ((a, b) for a, others in graph.items() for b in others & graph.keys())
    return sorted(
        f"{a} imports {b}"
        for a, b in pairs
        if unit(a) != unit(b) and (place[unit(b)] or 0) >= (place[unit(a)] or 0)
    )


def long_parts(root: Path) -> list[str]:
    """Files and functions that are too long."""
    found = []
    for module, path in modules(root).items():
        about = facts(path.read_text())
        if about.lines > MAX_FILE:
            found.append(f"{module} has {about.lines} lines")
        for name, lines in about.functions:
            if lines > MAX_FUNCTION:
                found.append(f"{module}.{name} has {lines} lines")
    return found


CHECKS = (missing, circles, out_of_order, long_parts)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package's files, to be changed."""
    for path in ROOT.rglob("*.py"):
        target = tmp_path / ROOT.name / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return tmp_path / ROOT.name


@pytest.mark.parametrize("check", CHECKS)
def test_the_package_is_in_order(check) -> None:
    assert check(ROOT) == []


def test_tests_are_as_short() -> None:
    assert long_parts(Path(__file__).parent) == []


def test_tiers_name_what_there_is() -> None:
    units = set(map(unit, modules(ROOT)))
    named = [name for names in TIERS for name in names if name != VERB]
    assert set(named) <= units
    assert len(named) == len(set(named))


def test_a_new_verb_needs_no_change_elsewhere(package: Path) -> None:
    _add(
        package,
        "novel/run.py",
        "from portraiture.checkpoints import load_generator\n"
        "from portraiture.head import Head\n"
        "from portraiture.networks.eg3d import TriPlaneGenerator\n",
    )
    _add(package, "novel/__init__.py", "")
    for check in CHECKS:
        assert check(package) == []


@pytest.mark.parametrize(
    ("file", "text", "check", "found"),
    [
        ("edit/more.py", "from portraiture.invert.run import invert\n", out_of_order, "edit.more"),
        ("types.py", "def f():\n    import portraiture.head\n", out_of_order, "types imports"),
        ("odd.py", "", out_of_order, "odd has no tier"),
        ("ops/a.py", "def f():\n    from portraiture.ops import b\n", circles, "ops.a"),
        ("ops/c.py", "if TYPE_CHECKING:\n    from portraiture.ops.c import X\n", circles, "ops.c"),
        ("ops/d.py", "from portraiture.nowhere import thing\n", missing, "nowhere.thing"),
        ("ops/e.py", "from portraiture.types import Nothing\n", missing, "types.Nothing"),
        ("ops/f.py", "\n" * (MAX_FILE + 1), long_parts, "ops.f has 401"),
        ("ops/g.py", "def f():\n" + "    1\n" * MAX_FUNCTION, long_parts, "ops.g.f has 61"),
    ],
)
def test_what_is_out_of_order_is_found(
    package: Path, file: str, text: str, check, found: str
) -> None:
    _add(package, "ops/b.py", "from portraiture.ops.a import f\n")
    _add(package, file, text)
    assert any(found in problem for problem in check(package))


def _add(package: Path, name: str, text: str) -> None:
    path = package / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def test_importing_the_package_is_cheap() -> None:
    heavy = ("torch", "numba", "mediapipe")
    code = f"import portraiture, sys; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
