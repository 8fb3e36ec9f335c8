"""Label portraits, for a parser that learns from them (`train portrait-parser --photos OUT`).

    python tools/label_portraits.py PORTRAITS OUT [--pictures SYNTH_FOLDER]

PORTRAITS holds index.csv (id, folder, person), labels.csv (id, and a column for each look of
`perception.looks.LOOKS`), the photos as FOLDER/ID.*, and soft hair masks as hair/ID.png. Nobody
paints segments by hand: landmarks, the person mask and the hair mask give most pixels a class, and
the others stay unknown (`data.label_portraits`). About a second a portrait.

    OUT/portraits.safetensors        to train on
    OUT/held/portraits.safetensors   every tenth id, to judge by; nobody in it is in the other file
    OUT/pictures.safetensors         of SYNTH_FOLDER (portraiture synth --kind pictures), with exact
                                     segments, and the looks that follow from the parameters

These files hold the portraits themselves: they are data, not a result to hand on.
`benchmarks/eval_portrait_parser.py` measures a parser on the held-out file.
"""

from __future__ import annotations

from pathlib import Path

import tyro
from tyro.conf import Positional

from portraiture.cli.progress import TerminalProgress
from portraiture.data.labelled_photos import HELD, save_labelled
from portraiture.data.portrait_folder import (
    held_out,
    labelled_images,
    labelled_portraits,
    read_portraits,
)
from portraiture.perception.portrait_parser import PortraitParserConfig


def main(
    portraits: Positional[Path], out: Positional[Path], *,
    pictures: Path | None = None, every_tenth_apart: bool = True,
) -> None:  # fmt: skip
    """pictures: folder of renders to label, too. every_tenth_apart: hold out every tenth portrait;
    otherwise all are to train on."""
    people = read_portraits(portraits)
    files = {out / "portraits.safetensors": people}
    if every_tenth_apart:
        training, held = held_out(people)
        files = {
            out / "portraits.safetensors": training, out / HELD / "portraits.safetensors": held,
        }  # fmt: skip
    lines = []
    with TerminalProgress() as progress:
        for path, chosen in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            count = save_labelled(labelled_portraits(chosen, progress), path)
            lines.append(f"Wrote {path}: {count} of {len(chosen)} portraits")
        if pictures is not None:
            path = out / "pictures.safetensors"
            found = labelled_images(pictures, PortraitParserConfig().size, progress)
            lines.append(f"Wrote {path}: {save_labelled(found, path)} pictures")
    print(*lines, sep="\n")


if __name__ == "__main__":
    tyro.cli(main)
