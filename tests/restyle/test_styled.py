"""Heads in a style: their planes are the network's, and they save, load and render as any head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from restyle_cases import random_head, solid_generator, untrained_planes

from portraiture.checkpoints import save_generator
from portraiture.head import Head
from portraiture.models import Models
from portraiture.networks.image_to_planes import planes_of_photos
from portraiture.restyle.few_shot import cameras_at
from portraiture.restyle.styled import mixed_head, styled_head


def test_a_head_in_a_style_is_a_head(tmp_path: Path) -> None:
    save_generator(solid_generator(), tmp_path / "small.safetensors")
    models, name = Models(), str(tmp_path / "small.safetensors")
    generator = models.generator(name)
    planes, ws = random_head(generator)
    head = Head(
        planes, cameras_at([(0.1, 0.0)]), name, models.fingerprint(name), "sample", ws=ws,
        edits={"age": 1.0}, models=models,
    )  # fmt: skip
    network = untrained_planes(generator)
    fronts = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2.0 - 1.0
    made = styled_head(head, network, fronts[:1], facts={"prompt": "an elf"})
    with torch.no_grad():
        wanted, w = planes_of_photos(network, fronts[:1], generator)
        again = generator.planes(made.ws) + made.residual
    assert torch.allclose(made.planes, wanted, atol=2e-3 * float(wanted.abs().max()))
    assert made.ws is not None and torch.allclose(made.ws, w, atol=1e-2)
    assert torch.allclose(again, made.planes, atol=5e-3 * float(wanted.abs().max()))
    assert (made.method, dict(made.edits), made.facts["prompt"]) == ("restyle", {}, "an elf")
    loaded = Head.load(made.save(tmp_path / "elf.safetensors"), network=name, models=models)
    assert torch.equal(loaded.planes, made.planes)
    assert np.allclose(loaded.render(yaw=0.2), made.render(yaw=0.2), atol=0.02)
    for amount, front in ((0.0, fronts[:1]), (1.0, fronts[1:])):
        mixed = mixed_head(head, network, fronts[:1], fronts[1:], amount)
        alone = styled_head(head, network, front)
        assert torch.allclose(mixed.planes, alone.planes, atol=1e-2)
