"""Sampled people in every style, for a stranger to name the styles and to find the people again.

    python benchmarks/style_sheet.py OUT.png [--people 8] [--first-seed 0] [--truth F.json]

A row a style, natural first, the others in random order; a column a person, in random order in
every row but the first. The truth goes to a second file: the style of each row, and the column of
the first row that each image is of. A stranger who sees neither names each row's style in own words
(a film with animated characters, flat drawing, printed comic, exaggerated painting) and says which
person of the first row each image is; by chance one in `people` is right.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tyro
from contact_sheets import shoot
from PIL import Image, ImageDraw
from rich.progress import track
from tyro.conf import Positional

from portraiture.avatar import Avatar
from portraiture.engine.style.recipes import STYLES
from portraiture.media import atomic_path, write_image
from portraiture.render.light import studio_light

TITLE = 14
"""Height of the label below each image, pixels."""


def main(
    out: Positional[Path], *, people: int = 8, first_seed: int = 0, size: int = 192,
    yaw: float = 20.0, seed: int = 0, truth: Path | None = None,
) -> None:  # fmt: skip
    """Write the sheet and the truth.

    first_seed: of the first sampled person. size: of an image, pixels. yaw: of the heads, degrees.
    seed: of the orders. truth: by default OUT with the suffix .json.
    """
    rng = np.random.default_rng(seed)
    styles = (STYLES[0], *(STYLES[1:][k] for k in rng.permutation(len(STYLES) - 1)))
    rows, answers = [], {}
    for letter, style in zip("ABCDEFGH", track(styles, "styles"), strict=False):
        order = np.arange(people) if style == STYLES[0] else rng.permutation(people)
        images = [
            shoot(Avatar.sample(first_seed + int(k), style=style), (yaw,), size, studio_light())[0]
            for k in order
        ]
        row = [labelled(image, f"{letter}{n}") for n, image in enumerate(images, 1)]
        rows.append(np.concatenate(row, axis=1))
        answers[letter] = {"style": style, "people": [int(k) + 1 for k in order]}
    write_image(out, np.concatenate(rows, axis=0))
    with atomic_path(truth or out.with_suffix(".json")) as part:
        part.write_text(json.dumps(answers, indent=1) + "\n")


def labelled(image: np.ndarray, label: str) -> np.ndarray:
    """The image over its label."""
    sheet = Image.new("RGB", (image.shape[1], image.shape[0] + TITLE), "white")
    sheet.paste(Image.fromarray(image), (0, 0))
    ImageDraw.Draw(sheet).text((4, image.shape[0] + 1), label, fill="black")
    return np.asarray(sheet)


if __name__ == "__main__":
    tyro.cli(main)
