"""The program `portraiture`: one dataclass per command, whose docstrings are its help."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import tyro
from rich.console import Console
from rich.markup import escape
from tyro.conf import DisallowNone, FlagCreatePairsOff, subcommand

import portraiture.cli.adapt as adaptations
import portraiture.cli.avatars as avatars
import portraiture.cli.batch as batches
import portraiture.cli.bench as benches
import portraiture.cli.export as exports
import portraiture.cli.heads as heads
import portraiture.cli.networks as networks
import portraiture.cli.restyle as restyles
import portraiture.cli.serve as services
import portraiture.cli.studio as studios
from portraiture.cli.adapt_commands import Adapt
from portraiture.cli.avatars import Assets, Create, MakeAvatar, Parametrize, Render
from portraiture.cli.batch import Batch
from portraiture.cli.bench import Bench
from portraiture.cli.export import Export
from portraiture.cli.heads import Edit, Invert, Lift
from portraiture.cli.networks import Convert, SampleHeads, Synth, Train
from portraiture.cli.paths import check_paths
from portraiture.cli.restyle import Restyle
from portraiture.cli.serve import Keys, Serve
from portraiture.cli.studio import Studio
from portraiture.errors import CancelledError, PortraitureError
from portraiture.signals import exit_on_signals

Command = (
    Annotated[Create, subcommand("create")]
    | Annotated[MakeAvatar, subcommand("avatar")]
    | Annotated[Parametrize, subcommand("parametrize")]
    | Annotated[Render, subcommand("render")]
    | Annotated[Export, subcommand("export")]
    | Annotated[Assets, subcommand("assets")]
    | Annotated[Invert, subcommand("invert")]
    | Annotated[Edit, subcommand("edit")]
    | Annotated[Restyle, subcommand("restyle")]
    | Annotated[Lift, subcommand("lift")]
    | Annotated[Adapt, subcommand("adapt")]
    | Annotated[Batch, subcommand("batch")]
    | Annotated[SampleHeads, subcommand("sample")]
    | Annotated[Synth, subcommand("synth")]
    | Annotated[Train, subcommand("train")]
    | Annotated[Convert, subcommand("convert")]
    | Annotated[Serve, subcommand("serve")]
    | Annotated[Keys, subcommand("keys")]
    | Annotated[Studio, subcommand("studio")]
    | Annotated[Bench, subcommand("bench")]
)


USES_ENGINE = (Create, MakeAvatar, Parametrize, Render, Export, Restyle, Synth, Studio, Bench)
"""Commands whose kernels another process compiles meanwhile."""
INTERRUPTED = 130
"""Exit code of a program that is interrupted by Ctrl-C."""


def main(arguments: list[str] | None = None) -> None:
    """Entry point of `portraiture`.

    Exit codes: 2 with one sentence for an error that the user can fix, 130 after Ctrl-C, 143 after
    SIGTERM. Partial output is removed.
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    command = tyro.cli(
        Command,  # type: ignore[arg-type]
        prog="portraiture",
        description="One photo or seed in; an editable 3D portrait out.",
        args=arguments,
        config=(DisallowNone, FlagCreatePairsOff),
    )
    try:
        with exit_on_signals():
            run(command)
    except CancelledError:
        sys.exit(INTERRUPTED)
    except PortraitureError as error:
        sentence = f"[red]portraiture:[/] {escape(str(error))}"
        Console(stderr=True).print(sentence, highlight=False, soft_wrap=True)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def run(command: Command) -> None:
    """Run one parsed command. Raises PortraitureError."""
    check_paths(command)
    if isinstance(command, USES_ENGINE):
        from portraiture.engine.prepare import prepare

        prepare()
    match command:
        case Create():
            avatars.create(command)
        case MakeAvatar():
            avatars.make_avatar(command)
        case Parametrize():
            avatars.parametrize(command)
        case Render():
            avatars.render(command)
        case Export():
            exports.export(command)
        case Assets():
            avatars.assets(command)
        case Invert():
            heads.invert(command)
        case Edit():
            heads.edit(command)
        case Restyle():
            restyles.restyle(command)
        case Lift():
            heads.lift(command)
        case Adapt():
            adaptations.adapt(command)
        case Batch():
            batches.batch(command)
        case SampleHeads():
            networks.sample(command)
        case Synth():
            networks.synth(command)
        case Train():
            networks.train(command)
        case Convert():
            networks.convert(command)
        case Serve():
            services.serve(command)
        case Keys():
            services.keys(command)
        case Studio():
            studios.studio(command)
        case Bench():
            benches.bench(command)
