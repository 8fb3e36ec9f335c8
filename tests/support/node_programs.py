"""Runs the scripts of tests/node, or skips a test where they cannot be run."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

NODE = Path(__file__).parent.parent / "node"


def node(script: str, *arguments: Path | str) -> Any:
    """What `script` prints as JSON."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    if not (NODE / "node_modules").is_dir():
        pytest.skip("run `npm ci` in tests/node first")
    done = subprocess.run(
        ["node", str(NODE / script), *map(str, arguments)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
