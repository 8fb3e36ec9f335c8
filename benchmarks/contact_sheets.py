"""Contact sheets to look at: people, hair, brows, beards, glasses, hats and necklines, styles.

    python benchmarks/contact_sheets.py --out out/sheets [--sheet people] [--assets DIR]

Fitted photos beside their renders: ``benchmarks/bench_fit.py --sheet DIR``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import tyro
from numpy import ndarray
from rich.progress import track

from portraiture.avatar import Avatar
from portraiture.engine.parameters import DISCRETE, AvatarParameters
from portraiture.engine.sample import sample_parameters
from portraiture.engine.style.recipes import STYLES, style_shading
from portraiture.media import write_image
from portraiture.render.framing import portrait_camera
from portraiture.render.light import sample_light, studio_light
from portraiture.render.mesh import render_bust
from portraiture.types import Light, as_uint8

Sheet = Literal["all", "people", "hair", "brows", "beards", "glasses", "wear", "styles", "views"]
GREY = (0.86, 0.87, 0.89)


@dataclass(frozen=True)
class Options:
    """What to draw and where."""

    out: Path = Path("out/sheets")
    sheet: Sheet = "all"
    size: int = 320
    """Pixels of each image."""
    first_seed: int = 0
    assets: Path | None = None
    """MakeHuman assets to dress the people from (sheet `people`)."""


def shoot(avatar: Avatar, yaws: tuple[float, ...], size: int, light: Light) -> list[ndarray]:
    """Images of one avatar from several yaws (degrees)."""
    bust = avatar.bust(expression=avatar.expression)
    return [
        as_uint8(
            render_bust(
                bust,
                portrait_camera(bust, yaw=float(np.radians(yaw))),
                size=size,
                light=light,
                background=GREY,
                shading=style_shading(avatar.style),
            ).rgba[:, :, :3]
        )
        for yaw in yaws
    ]


def grid(images: list[ndarray], columns: int) -> ndarray:
    """Equal images row by row; the last row is filled with grey."""
    blank = np.full_like(images[0], 220)
    images = images + [blank] * (-len(images) % columns)
    rows = [np.concatenate(images[k : k + columns], axis=1) for k in range(0, len(images), columns)]
    return np.concatenate(rows, axis=0)


def people(options: Options) -> ndarray:
    """24 sampled people under varied light, front or turned a little."""
    rng = np.random.default_rng(options.first_seed)
    images = []
    for seed in track(range(options.first_seed, options.first_seed + 24), "people"):
        avatar = Avatar.sample(seed, asset_folder=options.assets)
        light = studio_light() if seed % 2 == 0 else sample_light(rng)
        images += shoot(avatar, (float(rng.uniform(-35, 35)),), options.size, light)
    return grid(images, 6)


def choices(options: Options, name: str, base: AvatarParameters) -> ndarray:
    """Every choice of one discrete parameter from four sides."""
    images = []
    for choice in track(DISCRETE[name], name):
        avatar = Avatar(parameters=replace(base, **{name: choice}))
        images += shoot(avatar, (0.0, 35.0, 85.0, 180.0), options.size, studio_light())
    return grid(images, 8)


def styles(options: Options) -> ndarray:
    """Six people in the five styles."""
    images = []
    for seed in track(range(options.first_seed, options.first_seed + 6), "styles"):
        for style in STYLES:
            images += shoot(Avatar.sample(seed, style=style), (20.0,), options.size, studio_light())
    return grid(images, len(STYLES))


def views(options: Options) -> ndarray:
    """Six people from front, three-quarter, profile and behind."""
    images = []
    for seed in track(range(options.first_seed, options.first_seed + 6), "views"):
        images += shoot(Avatar.sample(seed), (0.0, 40.0, 85.0, 180.0), options.size, studio_light())
    return grid(images, 4)


def sheets(options: Options) -> Iterator[tuple[str, ndarray]]:
    """Name and image of every sheet asked for."""
    man = replace(
        sample_parameters(3), sex=0.1, beard_style="none", glasses_style="none", hat_style="none"
    )
    woman = replace(man, sex=0.9, hair_style="bun")
    makers = {
        "people": lambda: people(options),
        "hair": lambda: choices(options, "hair_style", man),
        "brows": lambda: choices(options, "brow_style", woman),
        "beards": lambda: choices(options, "beard_style", man),
        "glasses": lambda: choices(options, "glasses_style", woman),
        "wear": lambda: np.concatenate(
            [choices(options, "hat_style", man), choices(options, "neckline", woman)]
        ),
        "styles": lambda: styles(options),
        "views": lambda: views(options),
    }
    for name, make in makers.items():
        if options.sheet in ("all", name):
            yield name, make()


def main(options: Options) -> None:
    """Write the sheets as PNG and print their paths."""
    options.out.mkdir(parents=True, exist_ok=True)
    for name, image in sheets(options):
        path = options.out / f"{name}.png"
        write_image(path, image)
        print(path)


if __name__ == "__main__":
    main(tyro.cli(Options))
