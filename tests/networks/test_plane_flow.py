"""Planes that are moved: by whole texels, by a linear flow, and by nothing."""

from __future__ import annotations

import pytest
import torch

from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.networks.plane_flow import PlaneFlow, flow_places, move_planes


def test_no_flow_moves_nothing() -> None:
    planes = torch.randn(2, 3, 4, 16, 16)
    assert torch.allclose(move_planes(planes, torch.zeros(2, 3, 2, 8, 8)), planes, atol=1e-5)


def test_a_flow_of_whole_texels_shifts_and_the_edge_goes_on() -> None:
    planes = torch.randn(1, 3, 2, 16, 16)
    flow = torch.zeros(1, 3, 2, 4, 4)
    flow[:, 0, 0] = 3 * 2 / 16  # plane 0 shows what lies three texels further along the width
    flow[:, 2, 1] = -2 * 2 / 16  # plane 2 what lies two texels up
    moved = move_planes(planes, flow)
    assert torch.allclose(moved[:, 0, :, :, :13], planes[:, 0, :, :, 3:], atol=1e-4)
    edge = planes[:, 0, :, :, 15:].expand(-1, -1, -1, 3)
    assert torch.allclose(moved[:, 0, :, :, 13:], edge, atol=1e-4)
    assert torch.allclose(moved[:, 1], planes[:, 1], atol=1e-5)
    assert torch.allclose(moved[:, 2, :, 2:], planes[:, 2, :, :14], atol=1e-4)


def test_a_image_of_coordinates_shows_where_it_is_read() -> None:
    """A plane whose texels hold their own place, moved, holds the place plus the flow."""
    places = flow_places(32)
    planes = places.permute(2, 0, 1).expand(1, 3, 2, 32, 32).contiguous()
    x, y = flow_places(8).unbind(-1)
    flow = torch.stack([0.05 * y, 0.1 * x]).expand(1, 3, 2, 8, 8).contiguous()
    inner = slice(8, 24)
    moved = move_planes(planes, flow)[0, 1][:, inner, inner]
    expected = torch.stack(
        [places[..., 0] + 0.05 * places[..., 1], places[..., 1] + 0.1 * places[..., 0]]
    )[:, inner, inner]
    assert (moved - expected).abs().max() < 2e-3


def test_half_precision_planes_are_moved_in_full_precision() -> None:
    """Columns 0 and 1 by turns, moved by a quarter of a texel, which bfloat16 places near the edge
    cannot say."""
    columns = (torch.arange(256) % 2).bfloat16().expand(1, 3, 1, 256, 256).contiguous()
    flow = torch.zeros(1, 3, 2, 4, 4)
    flow[:, :, 0] = 0.25 * 2 / 256
    half = move_planes(columns, flow.bfloat16())
    assert half.dtype == torch.bfloat16
    expected = torch.tensor([0.25, 0.75]).repeat(128)[:255]
    assert (half[..., :255].float() - expected).abs().max() < 0.01
    places = (torch.arange(256) * 2 + 1) / 256 - 1 + flow[0, 0, 0, 0, 0]
    rounded = ((places.bfloat16().float() + 1) * 256 - 1) / 2
    assert (rounded - torch.arange(256) - 0.25).abs().max() > 0.2


def test_coefficients_weigh_the_basis() -> None:
    flow = PlaneFlow(4, rank=2, size=3)
    with torch.no_grad():
        flow.basis.normal_()
        flow.mean.normal_()
        weight, bias = flow.coefficients.effective()
        w = torch.randn(5, 4)
        numbers = w @ weight.T + bias
        expected = flow.mean + sum(
            numbers[:, k, None, None, None, None] * flow.basis[k] for k in range(2)
        )
        assert torch.allclose(flow(w), expected, atol=1e-5)


def test_a_generator_moves_its_planes_by_the_first_w_or_by_a_given_flow() -> None:
    torch.manual_seed(0)
    config = TriPlaneConfig(
        z_dim=4, c_dim=0, w_dim=8, plane_size=16, plane_features=4, channel_base=64,
        channel_max=8, superresolution="2X", superres_widths=(4, 4), flow_rank=2, flow_size=4,
    )  # fmt: skip
    network = TriPlaneGenerator(config)
    with torch.no_grad():
        network.flow.basis.normal_(std=0.1)
        ws = network.mapping(torch.randn(2, 4), None)
        other = ws.clone()
        other[:, 0] += 1.0
        styles = network.backbone.synthesis.styles(ws)
        moved = network.planes(ws)
        assert torch.equal(network.planes(styles=styles, flow=network.flow(ws[:, 0])), moved)
        assert not torch.allclose(
            network.planes(styles=styles, flow=network.flow(other[:, 0])), moved
        )
        with pytest.raises(ValueError, match="needs ws or a flow"):
            network.planes(styles=styles)


def test_any_generator_takes_a_given_flow() -> None:
    torch.manual_seed(1)
    network = TriPlaneGenerator(
        TriPlaneConfig(
            z_dim=4, c_dim=0, w_dim=8, plane_size=16, plane_features=4, channel_base=64,
            channel_max=8, superresolution="2X", superres_widths=(4, 4),
        )
    )  # fmt: skip
    with torch.no_grad():
        ws = network.mapping(torch.randn(1, 4), None)
        flow = torch.full((1, 3, 2, 4, 4), 2 * 2 / 16)
        still, moved = network.planes(ws), network.planes(ws, flow=flow)
    assert torch.allclose(moved[..., :14, :14], still[..., 2:, 2:], atol=1e-4)
