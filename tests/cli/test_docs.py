"""Every command in the README and the docs is one that the program takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import tyro
from tyro.conf import DisallowNone, FlagCreatePairsOff

from portraiture.cli.commands import Command

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```[a-z]*\n(.*?)^```", re.M | re.S)
CALL = re.compile(r"^(?:\S*/)?portraiture\s")


def commands() -> list[tuple[str, str]]:
    """Page and command line of every call in a code block."""
    found = []
    for page in PAGES:
        for block in BLOCK.findall(page.read_text()):
            for line in block.replace("\\\n", " ").splitlines():
                line = re.sub(r"^(\$ |ssh \S+ )", "", line.strip())
                if CALL.match(line) and "…" not in line:
                    found.append((page.name, line))
    return found


@pytest.mark.parametrize(("page", "line"), commands())
def test_a_command_in_the_docs(page: str, line: str) -> None:
    _, *arguments = shlex.split(line, comments=True)
    tyro.cli(
        Command,  # type: ignore[arg-type]
        prog="portraiture",
        args=arguments,
        config=(DisallowNone, FlagCreatePairsOff),
    )


def test_there_are_commands_of_every_kind() -> None:
    kinds = {shlex.split(line, comments=True)[1] for _, line in commands()}
    assert kinds >= {"create", "avatar", "render", "invert", "edit", "sample", "train", "serve"}
