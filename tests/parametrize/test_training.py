"""Every recipe takes its two steps, learns what it is for on drawn avatars, and moves only its own
networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from patch_features import Blocks
from torch import Tensor, nn

from portraiture.checkpoints import save_generator
from portraiture.data.pair_set import PairSet, Portraits
from portraiture.errors import CheckpointError
from portraiture.networks.faces2d import FacesGenerator
from portraiture.networks.pyramid_encoder import PyramidEncoder
from portraiture.parametrize.cascade import (
    Bridge,
    Cascade,
    load_cascade,
    load_imitator,
    load_regressor,
)
from portraiture.parametrize.networks import Imitator, ImitatorConfig, Mapper
from portraiture.parametrize.presets import FACES_ENCODER, IMITATOR, MAPPER, REGRESSOR
from portraiture.parametrize.train_encoder import TrainFacesEncoder, fitted
from portraiture.parametrize.train_imitator import TrainImitator
from portraiture.parametrize.train_mapper import TrainMapper
from portraiture.parametrize.train_regressor import TrainRegressor
from portraiture.parametrize.vector import hardened
from portraiture.perception.identity import IdentityNetwork
from portraiture.perception.parser import ParserConfig, ParserNetwork
from portraiture.train.distributed import World
from portraiture.train.loop import Watch, run_recipe

SIZE_OF_PARSER = 64


def trained(recipe: Any, out: Path, steps: int) -> tuple[Any, list[dict[str, float]]]:
    """The state after some steps, and the losses of every step."""
    run = replace(recipe.config.run, steps=steps, batch=6, log_every=1, grid_every=steps)
    recipe.config = replace(recipe.config, run=run)
    rows: list[dict[str, float]] = []
    watch = Watch(row=lambda step, values: rows.append(dict(values)), board=False)
    outcome = run_recipe(recipe, out, world=World(), watch=watch)
    assert outcome.finished and any((out / "grids").iterdir())
    return outcome.state, rows


def bridge_of(faces: FacesGenerator) -> Bridge:
    """Untrained networks that fit together."""
    torch.manual_seed(2)
    encoder = PyramidEncoder(fitted(FACES_ENCODER["tiny"].encoder, faces))
    imitator = Imitator(ImitatorConfig(faces=faces.config, hidden=8))
    return Bridge(faces, encoder, faces, imitator)


def test_the_imitator_learns_its_avatars(
    pairs: PairSet, faces: FacesGenerator, identity: IdentityNetwork, tmp_path: Path
) -> None:
    config = replace(IMITATOR["tiny"], decay_steps=200, learning_rate=0.01)
    made = TrainImitator(config, pairs, faces, Blocks(), identity)
    _, rows = trained(made, tmp_path, 60)
    first = sum(row["image"] for row in rows[:5])
    assert sum(row["image"] for row in rows[-5:]) < 0.5 * first
    network = load_imitator(tmp_path / "networks" / "imitator.safetensors")
    assert network.config.faces == faces.config
    assert float(network.spread.min()) >= 1e-3


def test_at_the_start_the_imitator_is_its_generator(
    pairs: PairSet, faces: FacesGenerator, identity: IdentityNetwork
) -> None:
    made = TrainImitator(IMITATOR["tiny"], pairs, faces, Blocks(), identity)
    network = made.build(World()).models["imitator"]
    assert isinstance(network, Imitator)
    with torch.no_grad():
        for row in network.rows:
            assert isinstance(row, nn.Sequential)
            nn.init.zeros_(row[-1].weight)  # type: ignore[arg-type]
        w = faces.mapping.w_avg.expand(1, faces.num_ws, -1)
        assert torch.allclose(network(pairs.example(0).vector), faces.images(w), atol=1e-6)


def test_an_imitator_goes_on_from_its_own_weights(
    pairs: PairSet, faces: FacesGenerator, identity: IdentityNetwork
) -> None:
    torch.manual_seed(3)
    begun = Imitator(ImitatorConfig(faces=faces.config, hidden=24)).eval()
    made = TrainImitator(IMITATOR["tiny"], pairs, begun, Blocks(), identity)
    network = made.build(World()).models["imitator"]
    assert isinstance(network, Imitator) and network.config.hidden == 24
    vector = pairs.example(0).vector
    with torch.no_grad():
        assert torch.equal(network.eval()(vector), begun(vector))


@pytest.mark.slow
def test_the_regressor_learns_what_its_photos_show(pairs: PairSet, tmp_path: Path) -> None:
    made = TrainRegressor(replace(REGRESSOR["tiny"], decay_steps=300, learning_rate=0.01), pairs)
    _, rows = trained(made, tmp_path, 100)
    for name in ("numbers", "choices"):
        assert sum(row[name] for row in rows[-5:]) < 0.93 * sum(row[name] for row in rows[:5])
    network = load_regressor(tmp_path / "networks" / "regressor.safetensors")
    assert network.config.size == pairs.side


@pytest.mark.slow
def test_the_encoder_finds_known_codes(
    pairs: PairSet, portraits: Portraits, faces: FacesGenerator, identity: IdentityNetwork,
    tmp_path: Path,
) -> None:  # fmt: skip
    config = replace(FACES_ENCODER["tiny"], decay_steps=400, learning_rate=0.01, images_from=30)
    made = TrainFacesEncoder(config, pairs, faces, Blocks(), identity, portraits)
    _, rows = trained(made, tmp_path, 60)
    assert "image" not in rows[0] and rows[-1]["image"] > 0.0
    assert sum(row["codes"] for row in rows[20:30]) < 0.95 * sum(row["codes"] for row in rows[:10])


def test_the_mapper_does_without_a_part(
    pairs: PairSet, portraits: Portraits, faces: FacesGenerator, identity: IdentityNetwork
) -> None:
    """Without stylization the target is the photo; without relaxation renders are of strict
    vectors, and their gradients still reach the mapper."""
    parser = ParserNetwork(ParserConfig(widths=(4, 4, 4, 4), size=SIZE_OF_PARSER)).eval()
    shown: list[Tensor] = []
    bridge = bridge_of(faces)
    bridge.imitator.register_forward_pre_hook(lambda _, inputs: shown.append(inputs[0]))
    photos = portraits.plain([0, 1])
    losses = {}
    for parts in ((), ("stylised",), ("relaxed",)):
        config = replace(MAPPER["tiny"], **dict.fromkeys(parts, False))
        made = TrainMapper(config, pairs, portraits, bridge, Blocks(), identity, parser)
        torch.manual_seed(0)
        network = made.build(World()).models["mapper"]
        assert isinstance(network, Mapper)
        losses[parts] = made.of_real(network, photos, beta=1.0)
        torch.stack(list(losses[parts].values())).sum().backward()
        assert network.heads.choices.weight.grad is not None
        assert float(network.heads.choices.weight.grad.abs().sum()) > 0.0
    assert torch.equal(shown[0], shown[1])
    assert losses[()]["perceptual"] != losses[("stylised",)]["perceptual"]
    assert torch.allclose(shown[2], hardened(shown[0].detach()), atol=1e-6)


def test_the_mapper_learns_from_both_and_leaves_the_bridge_alone(
    pairs: PairSet, portraits: Portraits, faces: FacesGenerator, identity: IdentityNetwork,
    tmp_path: Path,
) -> None:  # fmt: skip
    bridge = bridge_of(faces)
    before = {
        name: value.clone()
        for k, network in enumerate(bridge.networks)
        for name, value in ((f"{k}.{n}", v) for n, v in network.state_dict().items())
    }
    parser = ParserNetwork(ParserConfig(widths=(4, 4, 4, 4), size=SIZE_OF_PARSER)).eval()
    config = replace(MAPPER["tiny"], fade_steps=4, real_from=2, epoch_steps=2)
    made = TrainMapper(config, pairs, portraits, bridge, Blocks(), identity, parser)
    assert [made.config.beta(step) for step in (0, 1, 2, 5, 1000)] == [1, 1, 2, 3, 20]
    state, rows = trained(made, tmp_path, 5)
    assert "colour" not in rows[1] and {"colour", "perceptual", "identity"} <= set(rows[2])
    for k, network in enumerate(bridge.networks):
        for name, value in network.state_dict().items():
            assert torch.equal(value, before[f"{k}.{name}"])
    learned = state.models["mapper"].state_dict()
    torch.manual_seed(made.run.seed)
    fresh = made.build(World()).models["mapper"].state_dict()
    still = {name for name in fresh if torch.equal(learned[name], fresh[name])}
    assert still == {"w_avg", "heads.center", "heads.spread"}
    assert float(learned["beta"]) == made.config.beta(4)
    with pytest.raises(CheckpointError, match="other networks"):
        mapper = Mapper(replace(made.config.network, bridge="another"))
        Cascade(bridge, mapper)


def test_networks_that_do_not_fit_are_refused(faces: FacesGenerator, tmp_path: Path) -> None:
    bridge = bridge_of(faces)
    other = FacesGenerator(replace(faces.config, w_dim=8))
    with pytest.raises(CheckpointError, match="fit together"):
        Bridge(other, bridge.encoder, faces, bridge.imitator)
    large = Imitator(ImitatorConfig(faces=replace(faces.config, size=64), hidden=8))
    with pytest.raises(CheckpointError, match="differ in size"):
        Bridge(faces, bridge.encoder, faces, large)
    drifted = FacesGenerator(faces.config)
    with pytest.raises(CheckpointError, match="another generator"):
        Bridge(drifted, bridge.encoder, faces, bridge.imitator)
    save_generator(faces, tmp_path / "faces")
    with pytest.raises(CheckpointError, match="holds stylegan2"):
        load_imitator(tmp_path / "faces")
    with pytest.raises(CheckpointError):
        load_cascade(tmp_path, faces=faces)
