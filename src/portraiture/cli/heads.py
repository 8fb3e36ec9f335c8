"""Commands about neural heads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from rich.console import Console
from tyro.conf import Positional

from portraiture.errors import InversionError

console = Console()


@dataclass(frozen=True)
class Invert:
    """Turn a photo into a neural head that can be turned.

    Writes head.safetensors (the head itself), front.png, turntable.mp4, mesh.glb and report.html
    (open this one first) into the output folder, all of them or none. Ctrl-C ends a stage of the
    optimisation early, with what it has.

    Example: portraiture invert me.jpg --out me
    """

    photo: Positional[Path]
    """A portrait, as for create."""
    out: Path
    """Folder for the results; it is made if need be."""
    method: Literal["w", "pti", "pose-opt"] = "pti"
    """w finds the generator's most similar person, pti then tunes the generator to the photo,
    pose-opt does so with the camera."""
    network: str = "heads"
    """A shipped generator, a folder or .safetensors file, or a published .pkl."""
    steps: int | None = None
    """Steps of the first stage instead of the published number; the second's change in proportion.
    """
    rays: int = 64
    """Rays a side while optimising, 16 to 512; more is finer and slower."""
    face: int | None = None
    """Which face when there are several: 1 is the largest."""
    overwrite: bool = False
    """Replace files of an earlier run."""


def invert(command: Invert) -> None:
    from portraiture.checkpoints import load_generator
    from portraiture.invert.optimise import OPTIMISERS
    from portraiture.invert.run import HEAD_FILES, invert_files
    from portraiture.stages import Stages

    config = OPTIMISERS[command.method]
    if not 16 <= command.rays <= 512:
        raise InversionError(f"--rays must be from 16 to 512, not {command.rays}.")
    if command.steps is not None:
        if command.steps < 1:
            raise InversionError(f"--steps must be at least 1, not {command.steps}.")
        more = round(config.generator_steps * command.steps / config.latent_steps)
        config = replace(config, latent_steps=command.steps, generator_steps=more)
    generator = load_generator(command.network)
    with Stages(total=6) as stages:
        head = invert_files(
            command.photo,
            command.out,
            stages,
            generator=generator,
            name=command.network,
            method=command.method,
            config=replace(config, rays=command.rays),
            face=command.face,
            overwrite=command.overwrite,
            advance=stages.within,
        )
    console.print(stages.table())
    console.print(
        f"Wrote {', '.join(HEAD_FILES)} to {command.out}"
        f" ({head.facts['psnr_person_db']:.1f} dB from the photo)",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip
