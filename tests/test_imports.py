"""Imports point one way, files and functions stay short, and nothing heavy runs at import."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "src" / "portraiture"
TIERS = (
    {
        "types",
        "errors",
        "camera",
        "demo_photo",
        "processes",
        "quiet",
        "recent",
        "cache",
        "paths",
        "pixels",
        "signals",
        "__init__",
    },
    {"media"},
    {"photo"},
    {"face_mesh"},
    {"ops"},
    {"render"},
    {"engine", "models"},
    {"quality", "convert", "losses"},
    {"align", "fit", "checkpoints"},
    {"encoder_weights"},
    {"export", "data", "metrics"},
    {"wear"},
    {"head"},
    {"avatar", "train", "directions", "invert"},
    {"edit"},
    {"photo_to_avatar", "prepare", "sample"},
    {"cli"},
)
FILES = sorted(ROOT.rglob("*.py"))


def _unit(path: Path) -> str:
    relative = path.relative_to(ROOT)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def _tier(unit: str) -> int:
    for tier, units in enumerate(TIERS):
        if unit in units:
            return tier
    raise AssertionError(f"{unit} has no place in the order of imports")


def _imported_units(path: Path) -> set[str]:
    units: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "portraiture":
                names = [f"portraiture.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "portraiture" and len(parts) > 1 and not parts[1].startswith("__"):
                units.add(parts[1])
    return units


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    unit = _unit(path)
    if unit == "__init__":
        return
    for other in _imported_units(path) - {unit}:
        assert _tier(other) <= _tier(unit), f"{unit} imports {other}, which stands above it"
        if _tier(unit) > 0:
            assert _tier(other) < _tier(unit), f"{unit} imports its sibling {other}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= 60, f"{node.name} has {lines} lines"


def test_importing_the_package_is_cheap() -> None:
    heavy = ("torch", "numba", "mediapipe")
    code = f"import portraiture, sys; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
