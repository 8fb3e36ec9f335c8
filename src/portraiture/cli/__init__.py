"""The command line. Importing `cli.bundle_run`, which runs on a bare machine, needs none of it."""

from __future__ import annotations

import atexit
import gc


def main(arguments: list[str] | None = None) -> None:
    """Entry point of `portraiture`; see `cli.commands.main`."""
    from portraiture.processes import configure_process

    configure_process()
    atexit.register(gc.freeze)  # collecting what the system frees anyway takes half a second
    from portraiture.cli.commands import main as run_program

    run_program(arguments)
