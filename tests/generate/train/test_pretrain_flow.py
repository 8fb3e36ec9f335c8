"""Flows of people whose displacement is known, and a generator pre-trained on them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from portraiture.camera import EG3D_ANCHOR
from portraiture.engine.build import build_bust
from portraiture.generate.train.pretrain_flow import head_points, person_flows, prepare_flow
from portraiture.generate.train.pretrain_mapping import pretrain_mapping
from portraiture.networks.eg3d import TriPlaneConfig, TriPlaneGenerator
from portraiture.networks.plane_flow import PlaneFlow, flow_places
from portraiture.people.latent import CHOICE_GROUPS, LATENT_SIZE, person_from_latent, sample_latents
from portraiture.people.views import head_frame
from portraiture.triplane.planes import AXES

CONFIG = TriPlaneConfig(
    z_dim=LATENT_SIZE, c_dim=0, w_dim=64, choice_groups=CHOICE_GROUPS, plane_size=16,
    plane_features=4, first_size=8, channel_base=128, channel_max=8, superresolution="2X",
    superres_widths=(4, 4), flow_rank=6, flow_size=8,
)  # fmt: skip


def test_points_are_the_skin_of_the_person_that_is_rendered() -> None:
    """The built bust's skin, with its morphs added by hand, in the frame of its landmarks."""
    z = sample_latents(1, 3)[0]
    person = person_from_latent(z)
    bust = build_bust(person.parameters, expression=person.expression, texture_size=128)
    skin = next(part for part in bust.parts if part.name == "skin")
    vertices = skin.vertices.astype(np.float64).copy()
    for name, weight in person.expression.items():
        if name in skin.morphs:
            vertices[skin.morphs[name].indices] += weight * skin.morphs[name].deltas
    expected = head_frame(bust.landmarks).to_eg3d(vertices)
    points = head_points(z)[: len(vertices)]
    assert np.abs(points - expected).max() < 5e-4
    assert np.abs(points[:, 0].mean() - EG3D_ANCHOR[0]) < 0.02


def test_the_flow_of_a_grown_head_leads_back_to_the_mean() -> None:
    """Heads 5 % larger and smaller than their mean: at g a feature of the mean's g / 1.05."""
    mean = head_points(sample_latents(1, 4)[0])
    points = np.stack([1.05 * mean, 0.95 * mean])
    flows = person_flows(points, size=16, box_warp=0.9, axes="fixed")
    assert flows.shape == (2, 3, 2, 16, 16)
    places = flow_places(16)
    for plane, pair in enumerate(AXES["fixed"]):
        counted = mean[mean[:, 1] > -0.1] if plane == 1 else mean
        at = torch.from_numpy(counted[:, list(pair)]) * (2 / 0.9)
        inside = torch.cdist(places.view(-1, 2), at).min(1).values.view(16, 16) < 0.02
        assert inside.sum() > 20
        expected = (places / 1.05 - places)[inside]
        found = flows[0, plane].permute(1, 2, 0)[inside]
        assert (found - expected).abs().max() < 0.016, plane
        assert (found - expected).abs().mean() < 0.2 * expected.abs().mean()


def test_a_basis_of_full_rank_gives_every_measured_flow_back() -> None:
    flow = PlaneFlow(8, rank=12, size=8)
    targets = prepare_flow(flow, people=14, meshes=10, seed=5, box_warp=0.9, axes="fixed")
    points = np.stack([head_points(z) for z in sample_latents(10, 5)])
    truth = person_flows(points, size=8, box_warp=0.9, axes="fixed")
    made = flow.mean + torch.einsum("nk,kpcij->npcij", targets.coefficients[:10], flow.basis)
    assert (made - truth).abs().max() < 1e-4
    assert targets.held_out == 1
    assert abs(float(targets.share.sum()) - 1) < 1e-5
    assert targets.coefficients.shape == (14, 12) and len(targets.z) == 14


def test_flows_of_unmeasured_people_are_nearly_those_of_their_meshes() -> None:
    """Built afterwards, and compared in displacements, not in coefficients."""
    flow = PlaneFlow(8, rank=12, size=8)
    targets = prepare_flow(flow, people=130, meshes=120, seed=8, box_warp=0.9, axes="fixed")
    points = np.stack([head_points(z) for z in sample_latents(130, 8)])
    truth = person_flows(points, size=8, box_warp=0.9, axes="fixed")
    truth = truth - truth[:120].mean(0)
    made = torch.einsum("nk,kpcij->npcij", targets.coefficients, flow.basis)
    left_out = (made - truth)[120:].square().mean() / truth[120:].square().mean()
    assert left_out < 0.3


def test_planes_without_a_side_view_are_refused() -> None:
    with pytest.raises(ValueError, match="side view"):
        prepare_flow(
            PlaneFlow(8, rank=2, size=4), people=4, meshes=2, seed=0, box_warp=1.0, axes="original"
        )


@pytest.mark.slow
def test_a_pretrained_generator_flows_as_its_people_do() -> None:
    torch.manual_seed(6)
    network = TriPlaneGenerator(CONFIG)
    flow = network.flow
    targets = prepare_flow(flow, people=1200, meshes=160, seed=7, box_warp=0.9, axes="fixed")
    _, error = pretrain_mapping(
        network.backbone.mapping, people=1200, steps=120, flow=targets,
        coefficients=network.flow.coefficients,
    )  # fmt: skip
    assert error < 0.9
    with torch.no_grad():
        ws = network.mapping(targets.z[:16], None)
        made = network.flow.coefficients(ws[:, 0])
    again = ((made - targets.coefficients[:16]).square() * targets.share).sum(1).mean()
    assert abs(float(again) - error) < 1e-3
