"""The commands in code blocks of the README and the docs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```[a-z]*\n(.*?)^```", re.M | re.S)
CALL = re.compile(r"^(?:\S*/)?portraiture\s")


def commands_of(page: Path) -> list[str]:
    """The arguments of every call of a page, as shell text without comments."""
    found = []
    for block in BLOCK.findall(page.read_text()):
        for line in block.replace("\\\n", " ").splitlines():
            line = re.sub(r"^(\$ |ssh \S+ )", "", line.strip())
            if CALL.match(line) and "…" not in line:
                found.append(shlex.join(shlex.split(line, comments=True)[1:]))
    return found
