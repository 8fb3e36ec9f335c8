"""Make a tri-plane generator's surfaces steeper and clear smoke: raw density · gain - less.

    python tools/steepen_density.py NETWORK --people FOLDER --settings 1 0 1.5 4 1.5 6
    python tools/steepen_density.py NETWORK --people FOLDER --settings 1.5 6 --out NEW.safetensors

Prints what each pair (gain, less) does to images of people: PSNR of the whole image, opacity
and depth off, identity. People of the training, so that none is chosen by those who judge. With
--out and one pair, writes the changed generator as float16.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Table
from tyro.conf import Positional

from portraiture.checkpoints import load_generator, save_generator
from portraiture.metrics.extractors import FeatureExtractor, identity_synthetic
from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.layers import Linear
from portraiture.people.people_set import Example, PeopleSet
from portraiture.perception.weights import load_identity


def steepened(generator: TriPlaneGenerator, gain: float, less: float) -> TriPlaneGenerator:
    """A copy whose raw densities are multiplied and lowered."""
    made = deepcopy(generator).requires_grad_(False)
    last = made.decoder.net[2]
    assert isinstance(last, Linear)
    last.weight[0] *= gain
    last.bias[0] = gain * last.bias[0] - less
    return made


@torch.no_grad()
def scores(
    generator: TriPlaneGenerator, example: Example, identity: FeatureExtractor
) -> tuple[float, float, float, float]:
    """Squared error in [0, 1]², error of opacity, error of depth (EG3D units), cosine."""
    ws = generator.mapping(example.z, None)
    volume = generator.render(generator.planes(ws), example.camera, deterministic=True)
    image = generator.upsample(volume.features, ws).clamp(-1.0, 1.0)
    off = ((volume.depth - example.depth).abs() * example.solid).sum() / example.solid.sum()
    pair = (identity.extract(image), identity.extract(example.image))
    return (
        float((image - example.image).square().mean()) / 4.0,
        float((volume.opacity - example.alpha).abs().mean()),
        float(off),
        float(torch.cosine_similarity(*pair, dim=1)),
    )


def main(
    network: Positional[str],
    people: Path,
    settings: tuple[tuple[float, float], ...],
    count: int = 40,
    out: Path | None = None,
) -> None:
    """settings: pairs of gain and less. count: of people, one view each."""
    if out is not None and len(settings) != 1:
        raise SystemExit("--out wants one pair.")
    generator, known = load_generator(network), PeopleSet(people)
    identity = identity_synthetic(load_identity())
    chosen = np.linspace(0, len(known) - 1, min(count, len(known))).astype(int).tolist()
    examples = [known.example(k, k % known.views(k)) for k in chosen]
    table = Table("Gain", "Less", "PSNR", "Opacity off", "Depth off", "Identity")
    for gain, less in settings:
        made = steepened(generator, gain, less)
        mse, opacity, depth, same = np.mean([scores(made, e, identity) for e in examples], 0)
        table.add_row(f"{gain:g}", f"{less:g}", f"{-10.0 * np.log10(mse):.2f}", f"{opacity:.4f}",
                      f"{depth:.4f}", f"{same:.4f}")  # fmt: skip
    Console().print(table)
    if out is not None:
        save_generator(steepened(generator, *settings[0]), out, storage="float16")


if __name__ == "__main__":
    tyro.cli(main)
