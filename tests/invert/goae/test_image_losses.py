"""Losses at a photo's own view, on heads whose images are the photos."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.data.fitted_photos import Shown
from portraiture.invert.goae.image_losses import ImageLosses, image_losses
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.networks.layers import Linear
from portraiture.perception.features import FeatureNetwork
from portraiture.perception.identity import IdentityNetwork
from portraiture.perception.weights import load_identity, load_parser
from portraiture.train.rng import step_rng
from portraiture.triplane.rendering import RenderingConfig

SIZES = TriPlaneConfig(
    z_dim=16, c_dim=0, w_dim=16, plane_size=32, plane_features=8, first_size=8, channel_base=256,
    channel_max=16, decoder_hidden=8, neural_resolution=32, superresolution="2X",
    superres_widths=(8, 8),
    rendering=RenderingConfig(
        box_warp=0.6, depth_resolution=12, importance_resolution=12, white_background=True,
        plane_axes="fixed",
    ),
)  # fmt: skip
LOSSES = {"own_image", "own_perceptual", "own_identity", "own_outline"}
CONFIG = ImageLosses(rays=64, ray_samples=12, side=32)
LossNetworks = tuple[FeatureNetwork, IdentityNetwork]


def _last(network: TriPlaneGenerator) -> Linear:
    last = network.decoder.net[2]
    assert isinstance(last, Linear)
    return last


@pytest.fixture(scope="module")
def network() -> TriPlaneGenerator:
    """A solid box of clouds, with the box's edges in the image."""
    torch.manual_seed(3)
    made = TriPlaneGenerator(SIZES).requires_grad_(False)
    _last(made).bias[0] = 8.0
    return made


@pytest.fixture(scope="module")
def networks() -> LossNetworks:
    return load_parser(), load_identity()


def _ws(network: TriPlaneGenerator, seed: int) -> torch.Tensor:
    z = torch.randn(1, 16, generator=torch.Generator().manual_seed(seed))
    return network.mapping(z, None)


def _camera() -> torch.Tensor:
    return torch.from_numpy(to_eg3d(eg3d_orbit(0.2, 0.0))).float()[None]


@torch.no_grad()
def _photo(network: TriPlaneGenerator, ws: torch.Tensor) -> Shown:
    rendered = network.synthesize(ws, _camera(), deterministic=True)
    opacity = network.render(network.planes(ws), _camera(), deterministic=True).opacity
    side = rendered.image.shape[-1]
    person = torch.nn.functional.interpolate(opacity, (side, side), mode="nearest")
    return Shown(rendered.image, person, _camera())


def _losses(
    network: TriPlaneGenerator, networks: LossNetworks, ws: torch.Tensor, shown: Shown
) -> dict[str, torch.Tensor]:
    rng = step_rng(0, 0, 0, torch.device("cpu"))
    return image_losses(network, networks, ws, network.planes(ws), shown, rng, CONFIG)


def test_a_head_is_nearest_to_its_own_image(
    network: TriPlaneGenerator, networks: LossNetworks
) -> None:
    """Colours are asked at the surface and not composited, so that nothing is quite 0."""
    shown = _photo(network, _ws(network, 0))
    own = _losses(network, networks, _ws(network, 0), shown)
    assert own.keys() == LOSSES
    for seed in (1, 2):
        others = _losses(network, networks, _ws(network, seed), shown)
        assert own["own_image"] < 0.5 * others["own_image"]
        assert own["own_perceptual"] < others["own_perceptual"]


def test_every_loss_has_a_gradient(network: TriPlaneGenerator, networks: LossNetworks) -> None:
    ws = _ws(network, 1).requires_grad_(True)
    losses = _losses(network, networks, ws, _photo(network, _ws(network, 0)))
    for name, loss in losses.items():
        (gradient,) = torch.autograd.grad(loss, ws, retain_graph=True)
        assert torch.isfinite(gradient).all(), name
        assert gradient.abs().sum() > 0, name


def test_the_outline_wants_nothing_where_nobody_is(
    network: TriPlaneGenerator, networks: LossNetworks
) -> None:
    """Where the head is and the photo shows nobody, less of the head is wanted; where the photo
    shows somebody everywhere, more."""
    ws = _ws(network, 0)
    shown = _photo(network, ws)
    alone = replace(CONFIG, image=0.0, perceptual=0.0, identity=0.0)
    thinner = _last(network).bias[0]
    found = []
    for person in (torch.zeros_like(shown.person), torch.ones_like(shown.person)):
        losses = []
        for bias in (8.0, 2.0):
            with torch.no_grad():
                thinner.fill_(bias)
            rng = step_rng(0, 0, 0, torch.device("cpu"))
            all_losses = image_losses(
                network,
                networks,
                ws,
                network.planes(ws),
                shown._replace(person=person),
                rng,
                alone,
            )
            losses.append(float(sum(all_losses.values())))
        with torch.no_grad():
            thinner.fill_(8.0)
        found.append(losses)
    (solid_empty, thin_empty), (solid_full, thin_full) = found
    assert thin_empty < solid_empty
    assert thin_full > solid_full


def test_following_the_losses_brings_a_head_nearer(
    network: TriPlaneGenerator, networks: LossNetworks
) -> None:
    shown = _photo(network, _ws(network, 0))
    ws = _ws(network, 1).requires_grad_(True)
    optimizer = torch.optim.Adam([ws], 0.05)
    totals = []
    for _ in range(25):
        optimizer.zero_grad()
        total = torch.stack(list(_losses(network, networks, ws, shown).values())).sum()
        total.backward()
        optimizer.step()
        totals.append(float(total.detach()))
    assert totals[-1] < 0.8 * totals[0]
