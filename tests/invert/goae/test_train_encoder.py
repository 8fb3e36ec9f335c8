"""The encoder's recipe on balls: photos, losses, levels, resume, and the optimiser."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from people_cases import sphere_person
from safetensors.torch import save_file

from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.checkpoints import load_generator, save_generator, w_fingerprint
from portraiture.cli.recipes import Choices, make_recipe
from portraiture.data.distort import background_pool
from portraiture.data.fitted_photos import SIDE
from portraiture.data.photo_set import TAKEN, PhotoSet
from portraiture.errors import TrainingError
from portraiture.invert.goae.discriminator import LatentDiscriminator
from portraiture.invert.goae.param_groups import parameter_groups, set_rate
from portraiture.invert.goae.presets import ENCODER, SMALL, as_baseline, fitted_encoder
from portraiture.invert.goae.ranger import Ranger
from portraiture.invert.goae.train_alignment import TrainAlignment, perturb
from portraiture.invert.goae.train_encoder import TrainEncoder
from portraiture.invert.weights import load_alignment, load_encoder, save
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.networks.goae_encoder import GoaeEncoder
from portraiture.networks.pyramid_encoder import PyramidEncoder
from portraiture.people.latent import CHOICE_GROUPS, LATENT_SIZE
from portraiture.people.people_file import person_path, save_person
from portraiture.people.people_set import PeopleSet
from portraiture.train.distributed import World
from portraiture.train.gan_losses import r1_penalty
from portraiture.train.log import read_log
from portraiture.train.loop import run_recipe
from portraiture.train.rng import generator, step_rng
from portraiture.triplane.rendering import RenderingConfig
from portraiture.weights import Card

SIZES = TriPlaneConfig(
    z_dim=LATENT_SIZE, c_dim=0, w_dim=16, choice_groups=CHOICE_GROUPS, plane_size=64,
    plane_features=8, first_size=8, channel_base=512, channel_max=16, decoder_hidden=8,
    neural_resolution=16, superresolution="2X", superres_widths=(8, 8),
    rendering=RenderingConfig(
        box_warp=0.9, depth_resolution=8, importance_resolution=8, white_background=True,
        plane_axes="fixed",
    ),
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three people whose images are 32 pixels a side, and a generator for them."""
    (tmp_path / "people").mkdir()
    for index in range(3):
        save_person(sphere_person(seed=index), person_path(tmp_path / "people", index))
    torch.manual_seed(0)
    made = TriPlaneGenerator(SIZES).requires_grad_(False)
    made.decoder.net[2].bias[0] = 12.0  # something solid
    save_generator(made, tmp_path / "small.safetensors")
    return tmp_path


def _choices(folder: Path) -> Choices:
    return Choices(preset="tiny", data=folder / "people", start=folder / "small.safetensors")


def _recipe(folder: Path, **changes: object) -> TrainEncoder:
    made = make_recipe("encoder", _choices(folder))
    assert isinstance(made, TrainEncoder)
    config = replace(made.config, **changes)  # type: ignore[arg-type]
    return TrainEncoder(config, made.data, made.sampled, made.network)


def test_photos_are_of_the_people_before_other_backgrounds(folder: Path) -> None:
    people = PeopleSet(folder / "people")
    plain = replace(
        TAKEN, size=32, zoom=(1.0, 1.0), shift=0.0, turn=0.0, light=0.0, colour=0.0, occlude=0.0,
        blur=0.0, grain=0.0, jpeg=0.0,
    )  # fmt: skip
    black = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    photos = PhotoSet(people, black, plain)
    batch = photos.sample(3, generator(5))
    assert batch.photo.shape == (3, 3, 32, 32)
    corners = batch.photo[:, :, 0, 0]
    assert torch.allclose(corners, torch.full_like(corners, -1.0), atol=0.02)
    sampled = {tuple(z.tolist()) for z in batch.truth.z}
    assert sampled == {tuple(people.person(k).z.tolist()) for k in range(3)}
    middle = batch.photo[:, :, 14:18, 14:18].mean((2, 3))
    assert ((middle > -0.9).any(1)).all()
    again = photos.sample(3, generator(5))
    assert torch.equal(again.photo, batch.photo)


def test_a_photo_may_be_smaller_than_the_images(folder: Path) -> None:
    people = PeopleSet(folder / "people")
    photos = PhotoSet(people, background_pool(2, 16, 0), replace(TAKEN, size=16))
    assert photos.sample(2, generator(1)).photo.shape == (2, 3, 16, 16)


def test_learning_brings_w_nearer(folder: Path) -> None:
    recipe, world = (
        _recipe(folder, learning_rate=0.01, truth_weight=0.0, sampled_share=0.0),
        World(),
    )
    torch.manual_seed(1)
    state = recipe.build(world)
    latent = []
    for step in range(60):
        batch = recipe.batch(step, 3, generator(0, 0, step))
        found = recipe.step(state, batch, step_rng(0, step, 0, world.device), world)
        latent.append(float(found["latent"]))
        state.step += 1
    assert latent[-1] < 0.6 * latent[0]


def test_before_the_whole_begins_there_is_w_alone(folder: Path) -> None:
    recipe, world = _recipe(folder, whole_from=1), World()
    state = recipe.build(world)
    for step, more in ((0, False), (1, True)):
        batch = recipe.batch(step, 2, generator(0, 0, step))
        found = recipe.step(state, batch, step_rng(0, step, 0, world.device), world)
        assert ("image" in found, "loss_d" in found, "adversarial" in found) == (more,) * 3
        assert "latent" in found
        state.step += 1


def test_the_rate_falls_twice(folder: Path) -> None:
    recipe = _recipe(
        folder, learning_rate=1.0, warmup=0, decay_steps=1_000, whole_from=400, whole_rate=0.1,
        whole_decay=200,
    )  # fmt: skip
    assert recipe.rate(200) == pytest.approx(0.01 + 0.99 * 0.5 * (1.0 + math.cos(0.2 * math.pi)))
    assert recipe.rate(399) > 0.6
    assert recipe.rate(450) == pytest.approx(0.1 * (0.01 + 0.99 * (0.5 + 0.5 * 0.5**0.5)), rel=1e-3)
    assert recipe.rate(600) == pytest.approx(0.001)
    steady = _recipe(folder, learning_rate=1.0, warmup=100, decay_steps=10**9, whole_from=400)
    assert steady.rate(59) == pytest.approx(0.6)
    assert steady.rate(5_000) == pytest.approx(1.0)


@pytest.mark.parametrize("architecture", ["psp", "e4e"])
def test_a_baseline_trains_the_same_way(folder: Path, architecture: str) -> None:
    choices = replace(_choices(folder), architecture=architecture)
    recipe = make_recipe("encoder", choices)
    assert isinstance(recipe, TrainEncoder)
    assert (recipe.config.adversarial_weight == 0.0) == (architecture == "psp")
    run_recipe(recipe, folder / "run", world=World())
    left = load_encoder(folder / "run" / "networks" / "encoder.safetensors")
    assert isinstance(left, PyramidEncoder)
    assert left.config.kind == architecture
    assert left.config.num_ws == recipe.network.num_ws
    with pytest.raises(TrainingError, match="--architecture"):
        make_recipe("alignment", choices)


def test_half_of_a_batch_is_drawn(folder: Path) -> None:
    recipe = _recipe(folder)
    batch = recipe.batch(0, 4, generator(3))
    assert batch.people.photo.shape == batch.sampled.photo.shape == (2, 3, 32, 32)
    assert batch.sampled.z.shape == (2, LATENT_SIZE)
    again = recipe.batch(0, 4, generator(3))
    assert torch.equal(batch.sampled.photo, again.sampled.photo)
    assert recipe.sampled.sample(0, generator(0)).photo.shape == (0, 3, 32, 32)


def test_every_loss_has_a_gradient_and_the_generator_stays(folder: Path) -> None:
    recipe, world = _recipe(folder), World()
    torch.manual_seed(1)
    state = recipe.build(world)
    before = {k: v.clone() for k, v in recipe.network.state_dict().items()}
    batch = recipe.batch(0, 2, generator(0))
    recipe.measure(state)
    offsets = state.models["encoder"](torch.cat([batch.people.photo, batch.sampled.photo]))
    ws = recipe.network.backbone.mapping.w_avg + offsets
    rng = step_rng(0, 0, 0, world.device)
    losses = recipe.losses(state, ws, offsets, batch, rng)
    expected = {"latent", "offset", "adversarial", "empty", "solid", "rays", "raw", "image"}
    assert losses.keys() == expected | {"perceptual", "prior"}
    for name, loss in losses.items():
        if name in ("offset", "prior"):
            continue  # nothing is added yet: the gates begin at 0, w among those of people
        (gradient,) = torch.autograd.grad(loss, ws, retain_graph=True)
        assert torch.isfinite(gradient).all(), name
        assert gradient.abs().sum() > 0, name
    recipe.step(state, batch, rng, world)
    for name, value in recipe.network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_run_in_two_parts_is_a_run_in_one(folder: Path) -> None:
    def trained(out: Path, steps: int) -> dict[str, torch.Tensor]:
        recipe = _recipe(folder)
        config = replace(recipe.config, run=replace(recipe.run, steps=steps))
        made = TrainEncoder(config, recipe.data, recipe.sampled, recipe.network)
        state = run_recipe(made, out, world=World()).state
        return state.averages["encoder"].state_dict() | state.models["encoder"].state_dict()

    trained(folder / "a", 4)
    parts = trained(folder / "a", 8)
    whole = trained(folder / "b", 8)
    assert all(torch.equal(parts[name], whole[name]) for name in whole)
    assert (folder / "a" / "networks" / "encoder.safetensors").is_file()


def test_an_alignment_is_trained_on_what_an_encoder_left(folder: Path) -> None:
    made = make_recipe("encoder", _choices(folder))
    run_recipe(made, folder / "first", world=World())
    left = folder / "first" / "networks" / "encoder.safetensors"
    second = make_recipe("alignment", replace(_choices(folder), encoder=left))
    assert isinstance(second, TrainAlignment)
    outcome = run_recipe(second, folder / "second", world=World())
    row = read_log(folder / "second" / "log.jsonl")[-1]
    assert {"features", "image", "other_image", "rays", "other_rays"} <= row.keys()
    learned = outcome.state.models["alignment"].state_dict()
    assert learned["gate_gamma.weight"].any()
    assert learned["gate_beta.weight"].any()
    network = load_alignment(folder / "second" / "networks" / "alignment.safetensors")
    assert network.config.features == 16
    with pytest.raises(TrainingError, match="--encoder"):
        make_recipe("alignment", _choices(folder))
    with pytest.raises(TrainingError, match="is for alignment"):
        make_recipe("supervised-heads", replace(_choices(folder), encoder=left))


def test_an_alignment_learns_from_photos_of_real_people(folder: Path) -> None:
    """Their share of a batch comes after the known people's, and is rendered at its own view."""
    torch.manual_seed(5)
    network = load_generator(folder / "small.safetensors")
    fitted = fitted_encoder(ENCODER["tiny"], network.config, network.num_ws).encoder
    save(GoaeEncoder(fitted), folder / "encoder.safetensors", Card("goae-encoder", {}))
    _portraits(folder / "portraits.safetensors")
    known = replace(_choices(folder), encoder=folder / "encoder.safetensors")
    recipe = make_recipe("alignment", replace(known, photos=folder / "portraits.safetensors"))
    assert isinstance(recipe, TrainAlignment)
    batch = recipe.batch(0, 4, generator(0))
    assert batch.fitted is not None
    assert len(batch.people.photo) == len(batch.fitted.photo) == 2
    run_recipe(recipe, folder / "run", world=World())
    row = read_log(folder / "run" / "log.jsonl")[-1]
    assert {"own_image", "own_perceptual", "own_outline", "other_image"} <= row.keys()
    with pytest.raises(TrainingError, match="another configuration"):
        run_recipe(make_recipe("alignment", known), folder / "run", world=World())
    alone = replace(recipe.config, run=replace(recipe.config.run, batch=1), fitted_share=0.4)
    with pytest.raises(TrainingError, match="share"):
        TrainAlignment(alone, recipe.data, network, recipe.encoder, fitted=recipe.fitted)


def test_an_alignment_in_two_parts_is_one_in_one(folder: Path) -> None:
    """Its batch norms' running means are part of what is kept."""
    torch.manual_seed(5)
    network = load_generator(folder / "small.safetensors")
    fitted = fitted_encoder(ENCODER["tiny"], network.config, network.num_ws).encoder
    save(GoaeEncoder(fitted), folder / "encoder.safetensors", Card("goae-encoder", {}))

    def trained(out: Path, steps: int) -> dict[str, torch.Tensor]:
        choices = replace(_choices(folder), encoder=folder / "encoder.safetensors", steps=steps)
        made = make_recipe("alignment", choices)
        return run_recipe(made, out, world=World()).state.averages["alignment"].state_dict()

    trained(folder / "a", 2)
    parts, whole = trained(folder / "a", 4), trained(folder / "b", 4)
    assert all(torch.equal(parts[name], whole[name]) for name in whole)
    assert any(name.endswith("running_mean") for name in whole)


def test_a_run_goes_on_with_its_own_generator_only(folder: Path) -> None:
    run_recipe(make_recipe("encoder", _choices(folder)), folder / "a", world=World())
    torch.manual_seed(9)
    save_generator(TriPlaneGenerator(SIZES), folder / "small.safetensors", overwrite=True)
    with pytest.raises(TrainingError, match="another configuration"):
        run_recipe(make_recipe("encoder", _choices(folder)), folder / "a", world=World())


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


def test_the_latent_discriminator_sees_rows_alone() -> None:
    torch.manual_seed(0)
    discriminator = LatentDiscriminator(8, layers=2)
    ws = torch.randn(2, 3, 8)
    assert torch.allclose(discriminator(ws)[1, 2], discriminator(ws[1:2, 2])[0])


def test_r1_of_rows_is_the_squared_slope() -> None:
    weight = torch.tensor([3.0, 4.0])
    rows = torch.randn(5, 2, requires_grad=True)
    assert torch.isclose(r1_penalty((rows @ weight)[:, None], [rows]), torch.tensor(25.0))


def test_ranger_pulls_back_every_few_steps() -> None:
    """Against RAdam run by hand between the pulls."""
    fast = torch.nn.Parameter(torch.tensor([2.0, -1.0]))
    twin = torch.nn.Parameter(fast.detach().clone())
    ranger = Ranger([fast], 0.1, every=3, share=0.5)
    plain = torch.optim.RAdam([twin], lr=0.1, betas=(0.95, 0.999), eps=1e-5, foreach=False)
    start = twin.detach().clone()
    for step in range(1, 4):
        for parameter, optimizer in ((fast, ranger), (twin, plain)):
            optimizer.zero_grad()
            (parameter**2).sum().backward()
            optimizer.step()
        if step < 3:
            assert torch.equal(fast, twin)
    assert torch.allclose(fast, 0.5 * (start + twin))
    assert not torch.allclose(fast, twin)


def test_gates_learn_faster_than_the_rest() -> None:
    encoder = GoaeEncoder(replace(SMALL, w_dim=16))
    optimizer = torch.optim.SGD(parameter_groups(encoder), lr=0.0)
    set_rate(optimizer, 0.01)
    gates = encoder.gates.detach().clone()
    first = encoder.mapper_base_channel[0].bias
    before = first.detach().clone()
    for parameter in encoder.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    assert torch.allclose(encoder.gates, gates - 0.2)
    assert torch.allclose(first, before - 0.01)
    held = sum(p.numel() for group in optimizer.param_groups for p in group["params"])
    assert held == sum(p.numel() for p in encoder.parameters())
    plain = GoaeEncoder(replace(SMALL, w_dim=16, gated=False))
    assert len(parameter_groups(plain)) == 1


def test_some_latents_are_perturbed_towards_the_next() -> None:
    rng = step_rng(0, 0, 0, torch.device("cpu"))
    ws = torch.arange(400.0).reshape(400, 1, 1).expand(-1, 3, 2)
    assert perturb(ws, 0.0, rng) is ws
    moved = perturb(ws, 0.5, rng)[1:] - ws[1:]
    assert torch.equal(moved, moved[:, :1, :1].expand_as(moved))
    steps = moved[:, 0, 0]
    assert -1.0 <= steps.min() <= -0.9  # the one before is 1 less
    assert steps.max() == 0.0
    assert 0.4 < (steps < 0.0).float().mean() < 0.6


def test_photos_of_real_people_join_the_batch(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _portraits(folder / "portraits.safetensors")
    choices = replace(_choices(folder), photos=folder / "portraits.safetensors")
    with pytest.raises(TrainingError, match="share"):
        make_recipe("encoder", choices)
    run = replace(ENCODER["tiny"].run, batch=4)
    monkeypatch.setitem(ENCODER, "tiny", replace(ENCODER["tiny"], run=run))
    recipe = make_recipe("encoder", choices)
    assert isinstance(recipe, TrainEncoder)
    assert make_recipe("encoder", _choices(folder)).config.fitted_share == 0.0
    batch = recipe.batch(0, 8, generator(0))
    assert len(batch.people.photo) == 3
    assert len(batch.sampled.photo) == 5
    assert (batch.sampled.z[-2:, 0] == 7.0).all()
    assert not (batch.sampled.z[:-2, 0] == 7.0).any()
    run_recipe(recipe, folder / "run", world=World())
    row = read_log(folder / "run" / "log.jsonl")[-1]
    assert {"own_image", "own_perceptual", "own_identity", "own_outline"} <= row.keys()
    with pytest.raises(TrainingError, match="--photos"):
        make_recipe("identity", replace(choices, start=None))
    _portraits(folder / "portraits.safetensors", grey=129)
    with pytest.raises(TrainingError, match="another configuration"):
        run_recipe(make_recipe("encoder", choices), folder / "run", world=World())


def _portraits(path: Path, *, grey: int = 128) -> None:
    """Grey ones whose latents begin with 7."""
    tensors = {
        "crops": torch.full((2, 3, SIDE, SIDE), grey, dtype=torch.uint8),
        "alpha": torch.full((2, 1, SIDE, SIDE), 255, dtype=torch.uint8),
        "z": torch.full((2, LATENT_SIZE), 7.0),
        "camera": torch.from_numpy(to_eg3d(eg3d_orbit(0.0, 0.0))).float().repeat(2, 1),
    }
    save_file(tensors, path)


def test_a_run_may_begin_with_an_encoder(folder: Path) -> None:
    first = make_recipe("encoder", _choices(folder))
    run_recipe(first, folder / "run", world=World())
    left = folder / "run" / "networks" / "encoder.safetensors"
    again = make_recipe("encoder", replace(_choices(folder), encoder=left))
    begun = again.build(World()).models["encoder"]
    for name, value in load_encoder(left).state_dict().items():
        assert torch.equal(begun.state_dict()[name], value)
    with pytest.raises(TrainingError, match="architecture"):
        make_recipe("encoder", replace(_choices(folder), encoder=left, architecture="psp"))
    network = make_recipe("encoder", _choices(folder)).network
    config = fitted_encoder(as_baseline(ENCODER["tiny"], "psp"), network.config, network.num_ws)
    pyramid = replace(config.encoder, generator=w_fingerprint(network))
    coarse, mid, fine = pyramid.rows
    for name, rows in (("psp", pyramid.rows), ("odd", (coarse + 1, mid, fine - 1))):
        made = PyramidEncoder(replace(pyramid, rows=rows))
        save(made, folder / name, Card("pyramid-encoder", {}))
    with pytest.raises(TrainingError, match="architecture"):
        make_recipe(
            "encoder", replace(_choices(folder), encoder=folder / "psp", architecture="e4e")
        )
    with pytest.raises(TrainingError, match="rows"):
        make_recipe(
            "encoder", replace(_choices(folder), encoder=folder / "odd", architecture="psp")
        )


def test_a_run_from_an_encoder_of_a_single_w_begins_with_closed_levels(folder: Path) -> None:
    sizes = make_recipe("encoder", _choices(folder)).config.encoder
    single = GoaeEncoder(replace(sizes, single_w=True)).eval()
    save(single, folder / "single", Card("goae-encoder", {}), storage="float32")
    recipe = make_recipe("encoder", replace(_choices(folder), encoder=folder / "single"))
    assert not recipe.config.encoder.single_w
    begun = recipe.build(World()).models["encoder"].eval()
    photos = torch.randn(2, 3, sizes.image_size, sizes.image_size)
    with torch.no_grad():
        assert torch.equal(begun(photos), single(photos))
        begun.gates.fill_(1.0)
        assert not torch.equal(begun(photos), single(photos))
