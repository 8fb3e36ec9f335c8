"""Silhouette and texture, on a box of clouds that is to show the image of other clouds."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from recorded_progress import RecordedProgress

from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.invert.fit_silhouette import SilhouetteConfig, fit_silhouette
from portraiture.invert.refine_texture import RefinementConfig, refine_texture
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.networks.features import add_residual
from portraiture.networks.layers import Linear
from portraiture.perception.features import FeatureNetwork
from portraiture.perception.weights import load_parser
from portraiture.train.lr_schedule import annealed
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
CONFIG = RefinementConfig(steps=12, rate=0.3)
Case = tuple[TriPlaneGenerator, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


@pytest.fixture(scope="module")
def features() -> FeatureNetwork:
    return load_parser()


@pytest.fixture(scope="module")
def case() -> Case:
    """Generator, w, planes, and the image of other clouds, from a side."""
    torch.manual_seed(3)
    network = TriPlaneGenerator(SIZES).eval().requires_grad_(False)
    last = network.decoder.net[2]
    assert isinstance(last, Linear)
    last.bias[0] = 8.0
    camera = torch.from_numpy(to_eg3d(eg3d_orbit(0.2, 0.0))).float()[None]
    ws, other = (network.mapping(torch.randn(1, 16), None) for _ in range(2))
    photo = network.synthesize(other, camera, deterministic=True).image.clamp(-1.0, 1.0)
    return network, ws, network.planes(ws), photo, camera


def _error(case: Case, residual: torch.Tensor) -> float:
    network, ws, planes, photo, camera = case
    shown = add_residual(network, planes, residual, ws)
    volume = network.render(shown, camera, deterministic=True)
    return float((network.upsample(volume.features, ws) - photo).abs().mean())


def test_the_image_comes_nearer_and_steps_are_told(case: Case, features: FeatureNetwork) -> None:
    network, ws, planes, photo, camera = case
    nothing, everybody = torch.zeros_like(planes), torch.ones_like(photo[:, :1])
    told = RecordedProgress()
    residual = refine_texture(
        network, ws, planes, nothing, photo, everybody, camera, features, CONFIG,
        progress=told,
    )  # fmt: skip
    assert _error(case, residual) < 0.95 * _error(case, nothing)
    assert (told.stages, told.steps) == ([("Refine the texture", 12)], {"Refine the texture": 12})
    assert told.scalars[-1]["loss"] < 0.7 * told.scalars[0]["loss"]
    assert not residual.requires_grad


def test_what_does_not_show_the_person_is_left_alone(case: Case, features: FeatureNetwork) -> None:
    """No person, no change; half of one, none of what only the other half shows."""
    network, ws, planes, photo, camera = case
    nothing, nobody = torch.zeros_like(planes), torch.zeros_like(photo[:, :1])
    plain = replace(CONFIG, steps=2)
    same = refine_texture(network, ws, planes, nothing, photo, nobody, camera, features, plain)
    assert torch.equal(same, nothing)
    left = nobody.clone()
    left[..., : left.shape[-1] // 2] = 1.0
    half = refine_texture(network, ws, planes, nothing, photo, left, camera, features, CONFIG)
    shown = [
        network.render(one, camera, deterministic=True).features[..., -4:]
        for one in (planes, add_residual(network, planes, half, ws))
    ]
    whole = refine_texture(
        network, ws, planes, nothing, photo, nobody + 1.0, camera, features, CONFIG
    )
    moved = network.render(planes + whole, camera, deterministic=True).features[..., -4:]
    untouched = (shown[1] - shown[0]).abs().mean()
    assert float(untouched) < 0.5 * float((moved - shown[0]).abs().mean())


def test_two_photos_are_met_at_once(case: Case, features: FeatureNetwork) -> None:
    """The same photo twice is one photo; one step of Adam is as long as its rate."""
    network, ws, planes, photo, camera = case
    nothing, everybody = torch.zeros_like(planes), torch.ones_like(photo[:, :1])
    step = replace(CONFIG, steps=1)
    one, two = (
        refine_texture(
            network, ws, planes, nothing, photo.expand(n, -1, -1, -1),
            everybody.expand(n, -1, -1, -1), camera.expand(n, -1), features, step,
        )
        for n in (1, 2)
    )  # fmt: skip
    assert torch.allclose(one, two, atol=1e-4)
    assert float(one.abs().max()) == pytest.approx(
        annealed(0, 1, warmup=CONFIG.warmup) * CONFIG.rate, rel=1e-3
    )


def _opacity(case: Case, change: torch.Tensor) -> torch.Tensor:
    network, ws, planes, _, camera = case
    shown = add_residual(network, planes, change, ws)
    return network.render(shown, camera, deterministic=True).opacity


def test_the_silhouette_is_emptied_where_the_photo_shows_nobody(case: Case) -> None:
    network, ws, planes, photo, camera = case
    somebody = torch.ones_like(photo[:, :1])
    left = somebody.clone()
    half = left.shape[-1] // 2
    left[..., half:] = 0.0
    told = RecordedProgress()
    outline = SilhouetteConfig(rate=2.0, steps=16)
    change = fit_silhouette(
        network, ws, planes, left, camera, outline,
        progress=told,
    )  # fmt: skip
    before, after = _opacity(case, torch.zeros_like(planes)), _opacity(case, change)
    n = before.shape[-1]
    assert float(after[..., n // 2 :].mean()) < 0.6 * float(before[..., n // 2 :].mean())
    assert float(after[..., : n // 2].mean()) > 0.85 * float(before[..., : n // 2].mean())
    assert told.steps == {"Fit the silhouette": 16}
    assert told.scalars[-1]["loss"] < 0.6 * told.scalars[0]["loss"]


def test_fitting_makes_nothing_out_of_nothing(case: Case) -> None:
    """Where there is no head, none is wanted; where it is half there, the whole of it is."""
    network, ws, planes, photo, camera = case
    somebody = torch.ones_like(photo[:, :1])
    last = network.decoder.net[2]
    assert isinstance(last, Linear)
    found = []
    for bias in (-40.0, 1.5):
        last.bias[0] = bias
        change = fit_silhouette(
            network, ws, planes, somebody, camera, SilhouetteConfig(rate=1.0, steps=12)
        )
        found.append((_opacity(case, torch.zeros_like(planes)), _opacity(case, change)))
    last.bias[0] = 8.0
    (empty, still), (thin, whole) = found
    assert float(empty.max()) < 1e-3
    assert float(still.max()) < 1e-3
    some = (thin > 0.35) & (thin < 0.9)
    assert some.any()
    assert float(whole[some].mean()) > float(thin[some].mean()) + 0.05
