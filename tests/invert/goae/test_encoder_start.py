"""What an encoder's training may begin with, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from encoder_cases import SIZES, choices_of

from portraiture.checkpoints import save_generator, w_fingerprint
from portraiture.cli.recipes import Choices, make_recipe
from portraiture.errors import TrainingError
from portraiture.invert.goae.presets import ENCODER, SMALL, as_baseline, fitted_encoder
from portraiture.invert.weights import load_encoder, save
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.networks.goae_encoder import GoaeEncoder
from portraiture.networks.pyramid_encoder import PyramidEncoder
from portraiture.train.distributed import World
from portraiture.train.loop import run_recipe
from portraiture.weights import Card


def test_a_run_goes_on_with_its_own_generator_only(folder: Path) -> None:
    run_recipe(make_recipe("encoder", choices_of(folder)), folder / "a", world=World())
    torch.manual_seed(9)
    save_generator(TriPlaneGenerator(SIZES), folder / "small.safetensors", overwrite=True)
    with pytest.raises(TrainingError, match="another configuration"):
        run_recipe(make_recipe("encoder", choices_of(folder)), folder / "a", world=World())


def test_presets_fit_the_generator_they_are_for() -> None:
    published = fitted_encoder(ENCODER["gpu"], TriPlaneConfig(), 14)
    assert published.encoder.rows == (3, 3, 7)
    assert fitted_encoder(ENCODER["cpu"], SIZES, 6).encoder == replace(SMALL, w_dim=16)
    assert SMALL.num_ws == 6
    with pytest.raises(TrainingError, match="too few"):
        fitted_encoder(ENCODER["cpu"], SIZES, 3)


def test_other_generators_are_refused(folder: Path) -> None:
    save_generator(TriPlaneGenerator(replace(SIZES, z_dim=8, choice_groups=())),
                   folder / "other.safetensors")  # fmt: skip
    choices = Choices(preset="tiny", data=folder / "people", start=folder / "other.safetensors")
    with pytest.raises(TrainingError, match="supervised-heads"):
        make_recipe("encoder", choices)


@pytest.mark.slow
def test_a_run_may_begin_with_an_encoder(folder: Path) -> None:
    first = make_recipe("encoder", choices_of(folder))
    run_recipe(first, folder / "run", world=World())
    left = folder / "run" / "networks" / "encoder.safetensors"
    again = make_recipe("encoder", replace(choices_of(folder), encoder=left))
    begun = again.build(World()).models["encoder"]
    for name, value in load_encoder(left).state_dict().items():
        assert torch.equal(begun.state_dict()[name], value)
    with pytest.raises(TrainingError, match="architecture"):
        make_recipe("encoder", replace(choices_of(folder), encoder=left, architecture="psp"))
    network = make_recipe("encoder", choices_of(folder)).network
    config = fitted_encoder(as_baseline(ENCODER["tiny"], "psp"), network.config, network.num_ws)
    pyramid = replace(config.encoder, generator=w_fingerprint(network))
    coarse, mid, fine = pyramid.rows
    for name, rows in (("psp", pyramid.rows), ("odd", (coarse + 1, mid, fine - 1))):
        made = PyramidEncoder(replace(pyramid, rows=rows))
        save(made, folder / name, Card("pyramid-encoder", {}))
    with pytest.raises(TrainingError, match="architecture"):
        make_recipe(
            "encoder", replace(choices_of(folder), encoder=folder / "psp", architecture="e4e")
        )
    with pytest.raises(TrainingError, match="rows"):
        make_recipe(
            "encoder", replace(choices_of(folder), encoder=folder / "odd", architecture="psp")
        )


def test_a_run_from_an_encoder_of_a_single_w_begins_with_closed_levels(folder: Path) -> None:
    sizes = make_recipe("encoder", choices_of(folder)).config.encoder
    single = GoaeEncoder(replace(sizes, single_w=True)).eval()
    save(single, folder / "single", Card("goae-encoder", {}), storage="float32")
    recipe = make_recipe("encoder", replace(choices_of(folder), encoder=folder / "single"))
    assert not recipe.config.encoder.single_w
    begun = recipe.build(World()).models["encoder"].eval()
    photos = torch.randn(2, 3, sizes.image_size, sizes.image_size)
    with torch.no_grad():
        assert torch.equal(begun(photos), single(photos))
        begun.gates.fill_(1.0)
        assert not torch.equal(begun(photos), single(photos))
