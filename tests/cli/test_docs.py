"""Every command in the README and the docs is one that the program takes."""

from __future__ import annotations

import shlex

import pytest
import tyro
from documented import PAGES, commands_of
from tyro.conf import DisallowNone, FlagCreatePairsOff

from portraiture.cli.commands import Command

CALLS = [(page.name, line) for page in PAGES for line in commands_of(page)]


@pytest.mark.parametrize(("page", "line"), CALLS)
def test_a_command_in_the_docs(page: str, line: str) -> None:
    arguments = shlex.split(line)
    tyro.cli(
        Command,  # type: ignore[arg-type]
        prog="portraiture",
        args=arguments,
        config=(DisallowNone, FlagCreatePairsOff),
    )


def test_there_are_commands_of_every_kind() -> None:
    kinds = {shlex.split(line)[0] for _, line in CALLS}
    assert kinds >= {"create", "avatar", "render", "invert", "edit", "sample", "train", "serve"}
