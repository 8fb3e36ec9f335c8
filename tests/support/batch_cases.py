"""A verb that stands in for create, told by the photo's text what to do, and a program that runs it
over a folder until it is killed."""

from __future__ import annotations

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

from portraiture.batch.attempt import Do
from portraiture.batch.run import run_batch
from portraiture.errors import CheckpointError, PhotoError

FACTS = {"verb": "copy"}
FILES = ("a.txt", "b.txt", "c.txt")


def write_photos(folder: Path, texts: dict[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text)


def load_copy(log: Path, seconds: float) -> Do:
    """Loads the verb. log: of which process began which photo."""
    return partial(copy_slowly, log, seconds)


def load_nothing(log: Path) -> Do:
    raise CheckpointError("There are no weights here; train some.")


def end_at_once(log: Path) -> Do:
    os._exit(3)


def copy_slowly(log: Path, seconds: float, photo: Path, folder: Path) -> None:
    """Write the photo's text into `FILES` in `seconds`, or do what it says."""
    with log.open("a") as lines:
        lines.write(f"{os.getpid()} {photo.name}\n")
    match text := photo.read_text():
        case "refuse":
            raise PhotoError("There is no face in the photo; use another.")
        case "break":
            raise ValueError("broken\nin two")
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
    folder.mkdir()
    for name in FILES:
        with (folder / name).open("w") as file:
            file.write(text)
            file.flush()
            time.sleep(seconds / len(FILES))
            file.write(text)


def whole(folder: Path, text: str) -> bool:
    found = {path.name: path.read_text() for path in folder.iterdir()}
    return found == dict.fromkeys(FILES, text * 2)


def _main(photos: str, out: str, log: str, seconds: str) -> None:
    make = partial(load_copy, Path(log), float(seconds))
    run_batch(photos, Path(out), make=make, facts=FACTS, workers=2)


if __name__ == "__main__":
    _main(*sys.argv[1:])
