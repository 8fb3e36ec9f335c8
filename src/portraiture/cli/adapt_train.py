"""Trains a style from a folder of portraits, stage by stage; each is skipped where it is done.

images ─prepare─▶ images/ ─(2D fine-tuning ─▶ faces/ ─alignment─▶ cameras)─▶ run/ ─▶ style/
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from portraiture.adapt.cameras import FILE
from portraiture.adapt.images import is_prepared
from portraiture.adapt.keypoints import cameras_of_generators
from portraiture.adapt.prepare import prepare_images
from portraiture.adapt.style import load_style, save_style
from portraiture.checkpoints import load_image_generator
from portraiture.cli.adapt_commands import AdaptTrain
from portraiture.cli.bundle import Bundled, write_bundle
from portraiture.cli.choices import Choices
from portraiture.cli.training import Plan, train
from portraiture.errors import TrainingError
from portraiture.models import Models
from portraiture.progress import Progress
from portraiture.weights import read_card

ALIGNED = 64
"""Samples of the 2D generator whose cameras are recovered."""
FACES_STEPS = {"tiny": 2, "cpu": 400, "gpu": 2_000, "paper": 20_000}
"""Steps of the 2D generator's fine-tuning; it begins at the shipped faces2d."""


def train_style(command: AdaptTrain, progress: Progress) -> tuple[bool, Path]:
    """Whether the training is finished, and where the style is. Raises PortraitureError."""
    data = _prepared(command, progress)
    if command.alignment == "samples":
        _align_samples(command, data, progress)
    run = command.out / "run"
    outcome = train(
        "style", _choices(command, data), out=run, minutes=command.minutes, device=command.device,
        progress=progress,
    )  # fmt: skip
    assert not isinstance(outcome, Plan)
    trained = run / "networks" / "style.safetensors"
    card = read_card(trained)
    card = replace(
        card,
        data="a folder of portraits",
        recipe=f"portraiture adapt train --preset {command.preset}, {outcome.state.step} steps",
    )
    folder = command.out / "style"
    save_style(load_style(trained), folder, card, overwrite=True)
    return outcome.finished, folder


def write_style_bundle(command: AdaptTrain, bundle: Path, progress: Progress) -> Bundled:
    """Prepare the images, and write the training as a bundle. Raises PortraitureError."""
    if command.alignment == "samples":
        raise TrainingError("A bundle aligns the cameras on the images; leave out --alignment.")
    data = _prepared(command, progress)
    return write_bundle("style", _choices(command, data), bundle)


def _choices(command: AdaptTrain, data: Path) -> Choices:
    start = None if command.network == "heads" else command.network
    return Choices(
        preset=command.preset, data=data, start=start, seed=command.seed, steps=command.steps
    )


def _prepared(command: AdaptTrain, progress: Progress) -> Path:
    """The folder of prepared images: that of an earlier call, or the given one if it is one."""
    folder = command.out / "images"
    for known in (folder, command.images):
        if is_prepared(known):
            return known
    prepare_images(
        command.images, folder, network=command.network, crops=command.crops, progress=progress
    )
    return folder


def _align_samples(command: AdaptTrain, data: Path, progress: Progress) -> None:
    """Fine-tune the 2D generator with ADA, and recover the cameras of its samples (section 3.1)."""
    if not data.is_relative_to(command.out):
        raise TrainingError("--alignment samples changes cameras.json; give the original --images.")
    done = command.out / "faces" / "aligned.json"
    if done.exists():
        return
    choices = Choices(
        preset=command.preset, data=data, start=None if command.preset == "tiny" else "faces2d",
        seed=command.seed, steps=FACES_STEPS[command.preset],
    )  # fmt: skip
    outcome = train(
        "adversarial-faces", choices, out=command.out / "faces", device=command.device,
        progress=progress,
    )  # fmt: skip
    assert not isinstance(outcome, Plan)
    if not outcome.finished:
        raise TrainingError("The 2D generator's training was stopped; run the command again.")
    generator = Models().generator(command.network)
    faces = load_image_generator(command.out / "faces" / "networks" / "generator.safetensors")
    z = torch.randn(ALIGNED, generator.config.z_dim, generator=torch.Generator().manual_seed(0))
    cameras = cameras_of_generators(generator, faces, z, progress=progress)
    cameras.save(done)
    cameras.save(data / FILE)
