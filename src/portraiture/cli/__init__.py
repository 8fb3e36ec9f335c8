"""The command line. What trains on a bare machine (`cli.bundle_run`) is imported without it."""

from __future__ import annotations


def main(arguments: list[str] | None = None) -> None:
    """Entry point of `portraiture`; see `cli.commands.main`."""
    from portraiture.cli.commands import main as run_program

    run_program(arguments)
