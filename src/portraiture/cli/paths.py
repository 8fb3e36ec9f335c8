"""Checks the paths of a command before it does any work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from portraiture.cli.adapt_commands import Adapt, AdaptTrain
from portraiture.cli.avatars import Create, MakeAvatar, Parametrize, Render
from portraiture.cli.batch import Batch
from portraiture.cli.bench import Bench
from portraiture.cli.export import EXPORT_SUFFIXES, Export
from portraiture.cli.heads import Edit, Invert, Lift
from portraiture.cli.networks import Convert, SampleHeads, Synth, Train
from portraiture.cli.restyle import Restyle
from portraiture.errors import PortraitureError
from portraiture.media import IMAGE_SUFFIXES
from portraiture.paths import check_file, check_folder, check_name


def check_paths(command: Any) -> None:
    """Raise PortraitureError for a name that is not UTF-8 and an output that cannot be written."""
    for value in _texts(command):
        check_name(value, PortraitureError)
    match command:
        case Render():
            check_file(command.out, IMAGE_SUFFIXES, overwrite=command.overwrite)
        case Export():
            command.meta.check()
            command.options()
            check_file(command.out, EXPORT_SUFFIXES, overwrite=command.overwrite)
        case Convert(out=out) if out.suffix == ".safetensors":
            check_file(out, overwrite=command.overwrite)
        case Bench():
            if command.json_file is not None:
                check_file(command.json_file)
        case Restyle(out=None) | Train(dry_run=True):
            pass
        case Restyle(out=Path() as out):
            command.meta.check()
            if command.list:
                check_file(out, IMAGE_SUFFIXES, overwrite=command.overwrite)
            else:
                check_folder(out)
        case Create() | MakeAvatar():
            command.meta.check()
            check_folder(command.out)
        case Train():
            check_folder(command.out or command.bundle or Path())
        case Batch() | Parametrize() | Invert() | Edit() | Lift() | SampleHeads() | Synth():
            check_folder(command.out)
        case Adapt(what=AdaptTrain(bundle=bundle)) if bundle is not None:
            check_folder(bundle)
        case Convert():
            check_folder(command.out)
        case Adapt():
            check_folder(command.what.out)


def _texts(value: object) -> Iterator[Path | str]:
    if isinstance(value, Path | str):
        yield value
    elif isinstance(value, tuple):
        for one in value:
            yield from _texts(one)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _texts(getattr(value, field.name))
