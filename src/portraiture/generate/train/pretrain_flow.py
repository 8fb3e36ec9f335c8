"""Flow bases and targets (`networks.plane_flow`) from the engine's dense correspondences.

z ─engine─▶ skin in EG3D's world ─difference to the mean face─▶ flow of each plane ─PCA─▶ basis
All engine heads share one mesh, so the displacement of every point from the mean face is known
exactly, without images. Letters: N people, V points, S flow side, K rank.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from numpy import ndarray
from torch import Tensor

from portraiture.engine.actions import ACTIONS
from portraiture.engine.head import load_head
from portraiture.engine.landmarks import landmark_positions
from portraiture.engine.shape import shape_head, vertex_normals
from portraiture.networks.plane_flow import PlaneFlow, flow_places
from portraiture.people.latent import person_from_latent, sample_latents
from portraiture.people.views import head_frame
from portraiture.triplane.planes import AXES, PlaneAxes

FRONT = 0.15
"""Minimum z of the normal of skin that is visible from the front."""

HEAD_FLOOR = -0.35
"""Minimum y, in EG3D's world, of points used for the top view; excludes neck and shoulders."""

SMOOTHING = 0.02
"""Distance in plane coordinates below which the inverse-distance weight saturates."""

RIDGE = 3.0
"""Regularisation of the regression, as a number of people with zero displacement."""

POINTS = 800
"""Maximum number of points for the flow of one plane."""


@dataclass(frozen=True)
class FlowTargets:
    """Training targets of the flow coefficients.

    z: (N, Z) latents. coefficients: (N, K), about unit variance: exact for the first people,
    estimated by regression for the others. held_out: number of held-out people, the first ones,
    which the regression did not use. share: (K,) share of the flows' variance, sum 1.
    """

    z: Float[Tensor, "N Z"]
    coefficients: Float[Tensor, "N K"]
    held_out: int
    share: Float[Tensor, "K"]


def prepare_flow(
    flow: PlaneFlow, *, people: int, meshes: int, seed: int, box_warp: float, axes: PlaneAxes
) -> FlowTargets:
    """Set a flow's mean and basis, in place, from the engine's heads; return targets for its
    coefficients.

    Only `meshes` of the people are built. Meshes are linear in the engine's shape coefficients and
    flows nearly so; the coefficients of all other people are estimated by ridge regression. Raises
    ValueError for plane axes other than "fixed", which lack a side view.
    """
    if axes != "fixed":
        raise ValueError("flows need a plane for the side view: plane_axes must be fixed")
    z = sample_latents(people, seed)
    meshes = min(meshes, people)
    points = np.stack([head_points(latent) for latent in z[:meshes]])
    flows = person_flows(points, size=flow.mean.shape[-1], box_warp=box_warp, axes=axes)
    basis, found, variance = _principal(flows.flatten(1), flow)
    flow.load_state_dict({**flow.state_dict(), **basis})
    held_out = meshes // 10
    coefficients = _follow(shape_numbers(z), found, skipped=held_out)
    coefficients[:meshes] = found
    share = variance / variance.sum().clamp_min(1e-20)
    return FlowTargets(torch.from_numpy(z), coefficients, held_out, share)


def _principal(
    flat: Float[Tensor, "N F"], flow: PlaneFlow
) -> tuple[dict[str, Tensor], Float[Tensor, "N K"], Float[Tensor, "K"]]:
    """PCA of flows: mean and basis, coefficients, and variance of each component."""
    people, rank = len(flat), flow.basis.shape[0]
    mean = flat.mean(0)
    left, sizes, right = torch.linalg.svd(flat - mean, full_matrices=False)
    left, sizes, right = left[:, :rank], sizes / people**0.5, right[:rank]
    scale = torch.zeros(rank)
    scale[: len(sizes)] = sizes[:rank]
    basis, found = torch.zeros(rank, flat.shape[1]), torch.zeros(people, rank)
    basis[: len(right)] = right * scale[: len(right), None]
    found[:, : left.shape[1]] = left * people**0.5
    state = {"mean": mean.view_as(flow.mean), "basis": basis.view_as(flow.basis)}
    return state, found, scale.square()


def _follow(
    numbers: Float[Tensor, "N S"], found: Float[Tensor, "M K"], *, skipped: int
) -> Float[Tensor, "N K"]:
    """Flow coefficients of all people by ridge regression on shape coefficients, fitted to the
    first M people without the first `skipped`."""
    spread = numbers.std(0)
    normal = ((numbers - numbers.mean(0)) / spread.clamp_min(1e-6))[:, spread > 1e-4]
    inputs = torch.cat([normal, torch.ones(len(normal), 1)], 1)
    seen = slice(skipped, len(found))
    x = inputs[seen]
    ridge = x.T @ x + RIDGE * torch.eye(x.shape[1])
    return inputs @ torch.linalg.solve(ridge, x.T @ found[seen])


def shape_numbers(z: Float[ndarray, "N Z"]) -> Float[Tensor, "N S"]:
    """Shape coefficients of the engine's head (`HeadModel.coefficients`) of each person."""
    people = [person_from_latent(latent) for latent in z]
    given = (
        [person.parameters.phenotypes() for person in people],
        [person.parameters.local_changes() for person in people],
        [[person.expression.get(name, 0.0) for name in ACTIONS] for person in people],
    )
    return load_head().coefficients(
        *(torch.from_numpy(np.array(rows, np.float32)) for rows in given)
    )


def head_points(z: Float[ndarray, "Z"]) -> Float32[ndarray, "V 3"]:
    """Vertices of skin and eyeballs of a latent's person, with expression, in EG3D's world."""
    person = person_from_latent(z)
    shape = shape_head(person.parameters)
    vertices = shape.expressed(person.expression)
    frame = head_frame(landmark_positions(vertices, shape.model))
    return frame.to_eg3d(vertices[_rows()]).astype(np.float32)


def person_flows(
    points: Float32[ndarray, "N V 3"], *, size: int, box_warp: float, axes: PlaneAxes
) -> Float[Tensor, "N 3 2 S S"]:
    """Flows that warp the mean of the people to each of them: on each plane, the displacements of
    its visible points, interpolated with inverse-distance weights (Shepard 1968)."""
    mean = points.mean(0)
    places = flow_places(size).view(-1, 2)
    flows = []
    for plane, pair in enumerate(AXES[axes]):
        shown = _spread(np.flatnonzero(_shown(mean, plane)))
        ours = torch.from_numpy(points[:, shown][..., list(pair)]) * (2.0 / box_warp)
        change = torch.from_numpy(mean[shown][:, list(pair)]) * (2.0 / box_warp) - ours
        fields = [_interpolate(places, at, moved) for at, moved in zip(ours, change, strict=True)]
        flows.append(torch.stack(fields).transpose(1, 2).unflatten(2, (size, size)))
    return torch.stack(flows, 1)


def _interpolate(
    places: Float[Tensor, "M 2"], at: Float[Tensor, "V 2"], values: Float[Tensor, "V 2"]
) -> Float[Tensor, "M 2"]:
    squared = torch.cdist(places, at).square_().add_(SMOOTHING**2)
    weight = squared.square_().reciprocal_()
    return weight @ values / weight.sum(1, keepdim=True)


def _spread(rows: Int[ndarray, "V"]) -> Int[ndarray, "W"]:
    """A random subset of at most `POINTS` rows; the mesh is denser where faces differ."""
    if len(rows) <= POINTS:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, POINTS, replace=False))


def _rows() -> ndarray:
    arrays = load_head().arrays
    eyes = [arrays["group:helper-l-eye"], arrays["group:helper-r-eye"]]
    return np.concatenate([arrays["skin_vertex"], *eyes])


def _shown(mean: Float32[ndarray, "V 3"], plane: int) -> Bool[ndarray, "V"]:
    """Points used for a plane: front, those that face the camera; top, the head without shoulders;
    side, all skin."""
    arrays = load_head().arrays
    skin = len(arrays["skin_vertex"])
    if plane == 1:
        return mean[:, 1] > HEAD_FLOOR
    if plane == 2:
        return np.arange(len(mean)) < skin
    front = np.zeros(len(mean), bool)
    front[:skin] = vertex_normals(mean[:skin], arrays["skin_faces"])[:, 2] > FRONT
    for ball in np.array_split(np.arange(skin, len(mean)), 2):
        front[ball] = mean[ball, 2] > mean[ball, 2].mean()
    return front
