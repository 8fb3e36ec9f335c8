"""Painting: its derivatives, its least squares, normals of a ball, and photos that are met."""

from __future__ import annotations

from math import log

import pytest
import torch

from portraiture.camera import eg3d_orbit, to_eg3d
from portraiture.invert.project_texture import (
    TextureConfig,
    decoder_slopes,
    least_change,
    project_texture,
    shares_by_facing,
    surface_normals,
)
from portraiture.networks.eg3d import Decoder, TriPlaneConfig, TriPlaneGenerator
from portraiture.networks.features import add_residual
from portraiture.networks.plane_flow import move_planes
from portraiture.triplane.planes import AXES
from portraiture.triplane.rendering import RenderingConfig
from portraiture.triplane.sampling import make_rays

CONFIG = TriPlaneConfig(
    z_dim=8, c_dim=0, w_dim=16, plane_size=32, plane_features=32, first_size=16, channel_base=256,
    channel_max=16, decoder_hidden=32, neural_resolution=32, superresolution="2X",
    superres_widths=(8, 8), flow_rank=2, flow_size=8,
    rendering=RenderingConfig(
        depth_resolution=24, importance_resolution=24, white_background=True
    ),
)  # fmt: skip


BALL, SHARP = 0.3, 400.0


@pytest.fixture(scope="module")
def generator() -> TriPlaneGenerator:
    """A decoder that reads its density off the first feature alone, planes that move, and a
    superresolution that adds little to the colours."""
    torch.manual_seed(0)
    made = TriPlaneGenerator(CONFIG).eval().requires_grad_(False)
    first, last = made.decoder.net[0], made.decoder.net[2]
    first.weight[0] = 0.0
    first.weight[0, 0] = 1.0 / first.weight_gain
    last.weight[0] = 0.0
    last.weight[0, 0] = SHARP / last.weight_gain
    last.weight[1:, 0] = 0.0
    last.bias[0] = -SHARP * log(2.0)
    coarse = 0.1 * torch.randn(3, 2, 3, 3)
    made.flow.mean.copy_(torch.nn.functional.interpolate(coarse, (8, 8), mode="bicubic"))
    for name, weight in made.superresolution.named_parameters():
        if "torgb" in name:
            weight.mul_(0.05)
    return made


@pytest.fixture
def ws(generator: TriPlaneGenerator) -> torch.Tensor:
    return generator.mapping(torch.randn(1, 8, generator=torch.Generator().manual_seed(1)), None)


@pytest.fixture
def planes() -> torch.Tensor:
    """A ball with smooth random colours: the mean over planes of a - b (u² + v²) is
    a - 2/3 b r²."""
    rng = torch.Generator().manual_seed(2)
    coarse = torch.randn(3, 32, 6, 6, generator=rng)
    made = torch.nn.functional.interpolate(coarse, (32, 32), mode="bicubic")[None]
    side = CONFIG.rendering.box_warp * ((torch.arange(32) + 0.5) / 32 - 0.5)
    square = side[:, None].square() + side[None].square()
    made[:, :, 0] = 10.0 * (2.0 / 3.0 * BALL**2 - square)
    return made


def _camera(yaw: float) -> torch.Tensor:
    return torch.from_numpy(to_eg3d(eg3d_orbit(yaw, 0.0))).float()[None]


def _image(
    generator: TriPlaneGenerator, ws: torch.Tensor, planes: torch.Tensor, camera: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    volume = generator.render(planes, camera, deterministic=True)
    solid = torch.nn.functional.interpolate((volume.opacity > 0.9).float(), scale_factor=4.0)
    return generator.upsample(volume.features, ws).clamp(-1.0, 1.0), solid


def test_slopes_are_those_of_the_decoder() -> None:
    torch.manual_seed(3)
    decoder = Decoder(6, 10, 5).double()
    features = torch.randn(1, 4, 6, dtype=torch.float64, requires_grad=True)
    outputs, slopes = decoder_slopes(decoder, features)
    raw = decoder.net(features)[..., :4]
    torch.testing.assert_close(outputs, raw)
    for k in range(4):
        (wanted,) = torch.autograd.grad(raw[..., k].sum(), features, retain_graph=True)
        torch.testing.assert_close(slopes[..., k, :], wanted)


def test_the_least_change_is_the_pseudoinverses() -> None:
    rng = torch.Generator().manual_seed(4)
    slopes = torch.randn(1, 3, 4, 7, generator=rng, dtype=torch.float64)
    sides = torch.randn(1, 3, 4, generator=rng, dtype=torch.float64)
    wanted = (torch.linalg.pinv(slopes) @ sides[..., None])[..., 0]
    torch.testing.assert_close(least_change(slopes, sides, 1e-12), wanted)
    assert least_change(slopes, sides, 1.0).norm() < wanted.norm()


def test_normals_of_a_ball() -> None:
    camera = _camera(0.4)
    origins, directions = make_rays(camera, 64)
    along = (origins * directions).sum(2)
    root = along.square() - origins.square().sum(2) + 0.3**2
    met = root > 0.02
    depth = (-along - root.clamp_min(0.0).sqrt()).view(1, 1, 64, 64)
    wanted = (origins + directions * depth.flatten(2).mT) / 0.3
    found = surface_normals(depth, camera, blur=0.5)
    assert (found * wanted).sum(2)[met].min() > 0.99


def test_a_photo_is_met_where_it_shows_the_head(
    generator: TriPlaneGenerator, ws: torch.Tensor, planes: torch.Tensor
) -> None:
    """A photo whose person has stripes: nearer by far, also from the side; the surface stays."""
    camera, aside = _camera(0.2), _camera(0.9)

    def striped(image: torch.Tensor, camera: torch.Tensor) -> torch.Tensor:
        """Darker by the height of what is seen."""
        depth = generator.render(planes, camera, deterministic=True).depth
        origins, directions = make_rays(camera, depth.shape[-1])
        height = (origins + directions * depth.flatten(2).mT)[..., 1].view_as(depth)
        dark = torch.nn.functional.interpolate(torch.sin(25.0 * height), scale_factor=4.0)
        return (image - 0.25 + 0.25 * dark).clamp(-1.0, 1.0)

    residual = add_residual(
        generator, planes,
        project_texture(
            generator, ws, planes, striped(_image(generator, ws, planes, camera)[0], camera),
            _image(generator, ws, planes, camera)[1], camera,
        ), ws,
    )  # fmt: skip
    for view, share in ((camera, 0.05), (aside, 0.1)):
        before, solid = _image(generator, ws, planes, view)
        after, _ = _image(generator, ws, residual, view)
        inside = solid.expand(-1, 3, -1, -1) > 0.5
        missed, left = (
            (x - striped(before, view))[inside].square().mean() for x in (before, after)
        )
        assert left < share * missed
    depths = [generator.render(x, camera, deterministic=True) for x in (planes, residual)]
    met = depths[0].opacity > 0.9
    assert (depths[1].depth - depths[0].depth)[met].abs().mean() < 0.04


def test_planes_share_by_what_the_surface_faces() -> None:
    axes = AXES[CONFIG.rendering.plane_axes]
    normals = torch.eye(3)[None]
    found = shares_by_facing(normals, axes, 2.0)[0]
    for plane, pair in enumerate(axes):
        faced = ({0, 1, 2} - set(pair)).pop()
        assert found[plane, faced] > 0.9 / sum(faced not in other for other in axes)
    torch.testing.assert_close(found.sum(0), torch.ones(3))


def test_paint_moves_with_the_planes(generator: TriPlaneGenerator, ws: torch.Tensor) -> None:
    flow = generator.flow(ws[:, 0])
    still = generator.backbone.synthesis(ws).unflatten(1, (3, CONFIG.plane_features))
    residual = torch.randn(still.shape, generator=torch.Generator().manual_seed(5))
    found = add_residual(generator, generator.planes(ws), residual, ws)
    torch.testing.assert_close(found, move_planes(still + residual, flow), atol=1e-4, rtol=0)
    assert (found - generator.planes(ws) - residual).abs().mean() > 0.1


def test_where_nobody_is_nothing_is_painted(generator: TriPlaneGenerator, ws: torch.Tensor) -> None:
    planes, camera = generator.planes(ws), _camera(0.2)
    image, solid = _image(generator, ws, planes, camera)
    nobody = project_texture(generator, ws, planes, -image, torch.zeros_like(solid), camera)
    assert not nobody.any()
    same = project_texture(generator, ws, planes, image, solid, camera, TextureConfig(blurs=(0.0,)))
    other = project_texture(
        generator, ws, planes, -image, solid, camera, TextureConfig(blurs=(0.0,))
    )
    assert same.abs().max() < 0.05 * other.abs().max()


def test_several_photos_are_met_at_once(
    generator: TriPlaneGenerator, ws: torch.Tensor, planes: torch.Tensor
) -> None:
    """From either side; each alone does less for the other."""
    cameras = torch.cat([_camera(-0.6), _camera(0.6)])
    shots = [_image(generator, ws, planes, camera[None]) for camera in cameras]
    photos = torch.cat([0.5 * image for image, _ in shots])
    solid = torch.cat([mask for _, mask in shots])

    def left(chosen: list[int]) -> float:
        residual = project_texture(
            generator, ws, planes, photos[chosen], solid[chosen], cameras[chosen]
        )
        moved = add_residual(generator, planes, residual, ws)
        total = 0.0
        for k in range(2):
            image = _image(generator, ws, moved, cameras[k : k + 1])[0]
            total += float(((image - photos[k : k + 1]) * solid[k : k + 1]).square().mean())
        return total

    assert left([0, 1]) < min(left([0]), left([1]))
