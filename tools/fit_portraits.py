"""Fit the engine to portraits, for an encoder that learns from them too (`train encoder --photos`).

    python tools/fit_portraits.py FOLDER OUT.safetensors [--skip 48]

Some seconds a portrait. Keep some portraits apart to judge by: the first `skip`, in the order of
their names. The file holds small crops of the portraits: it is data, not a result to hand on.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import tyro
from tyro.conf import Positional

from portraiture.cli.progress import TerminalProgress
from portraiture.data.fitted_photos import fit_portraits
from portraiture.perception.target import person_matte
from portraiture.perception.weights import load_portrait_parser


def main(folder: Positional[Path], out: Positional[Path], skip: int = 0) -> None:
    """skip: portraits that are kept apart."""
    known = (".jpg", ".jpeg", ".png")
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in known)[skip:]
    matte = partial(person_matte, parser=load_portrait_parser())
    with TerminalProgress() as progress:
        used = fit_portraits(paths, out, matte, progress=progress)
    print(f"Wrote {out}: {used} of {len(paths)} portraits")


if __name__ == "__main__":
    tyro.cli(main)
