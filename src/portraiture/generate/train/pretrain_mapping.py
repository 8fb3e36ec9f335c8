"""Pre-train a mapping without images, so that the engine's parameters are linear in w.

z ─mapping─▶ w ─linear layer─▶ parameters of the person that z determines
Any number of pairs (z, parameters) can be generated. Some parameters depend on z in non-linear
ways: possible hair styles depend on sex, skin colour on ancestry. After pre-training, equal
appearance means equal w, and training on images has only the synthesis to learn. Most parameters
are nearly linear in z, so the mapping is initialised as the identity.
Letters: A parameters of a person, Z latent size, D w dimension.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from portraiture.engine.actions import ACTIONS
from portraiture.engine.details import DETAILS
from portraiture.engine.parameters import CONTINUOUS, DISCRETE
from portraiture.engine.shapes import SHAPES
from portraiture.generate.train.pretrain_flow import FlowTargets
from portraiture.networks.layers import Linear
from portraiture.networks.stylegan2 import Mapping
from portraiture.people.latent import LATENT_SIZE, person_from_latent, sample_latents
from portraiture.people.scene import LIMIT

PEOPLE_SEED = 0x7EAC4
BATCH = 512
MAPPING_RATE, LINEAR_RATE = 1.2, 0.003

IDENTITY_GAIN = 0.6
"""Gain of the identity initialisation in each layer after the first."""

RIDGE = 1e-3
"""Regularisation of the least-squares initialisation of the linear layers."""

CHOICE_WEIGHT, LOOK_WEIGHT = 8.0, 4.0
"""Loss weights of choices (hair styles, beards) and of single parameters (lengths, roughness),
relative to the many shape parameters. Choices depend on sex and ancestry and converge last."""

COLOUR_WEIGHTS = {
    "skin_melanin": 100.0, "skin_undertone": 16.0, "skin_haemoglobin": 16.0, "iris_melanin": 16.0,
    "hair_melanin": 24.0, "hair_grey": 24.0, "age": 8.0,
}  # fmt: skip
"""Loss weights of parameters that change the colour of many pixels: an unexplained variance of
0.025 in skin melanin costs some tenths of a decibel on the face."""

SCENE_WEIGHT = 48.0
"""Loss weight of camera and light: few parameters, but they affect every pixel."""

FLOW_WEIGHT = 4.0
"""Loss weight of the flow coefficients, relative to the parameters."""


def describe_people(z: Float[Tensor, "N Z"]) -> Float[Tensor, "N A"]:
    """Parameters (continuous, shape, one-hot choices, details) and expression of each latent's
    person, and camera and light (`people.scene`) if z has them."""
    rows = []
    for latent in z.numpy():
        person = person_from_latent(latent[:LATENT_SIZE])
        expression = [person.expression.get(name, 0.0) for name in ACTIONS]
        scene = latent[LATENT_SIZE:].clip(-LIMIT, LIMIT)
        rows.append(np.concatenate([person.parameters.to_vector(), expression, scene]))
    return torch.from_numpy(np.array(rows, np.float32))


def number_weights(latent_size: int) -> Float[Tensor, "A"]:
    """Loss weight of each column of `describe_people`."""
    choices = sum(len(names) for names in DISCRETE.values())
    counts = (
        (len(CONTINUOUS), LOOK_WEIGHT),
        (len(SHAPES), 1.0),
        (choices, CHOICE_WEIGHT),
        (len(DETAILS), 1.0),
        (len(ACTIONS), 1.0),
        (latent_size - LATENT_SIZE, SCENE_WEIGHT),
    )
    weights = torch.cat([torch.full((n,), w) for n, w in counts])
    for name, weight in COLOUR_WEIGHTS.items():
        weights[list(CONTINUOUS).index(name)] = weight
    return weights


def sample_mapping_latents(mapping: Mapping, people: int, seed: int) -> Float[Tensor, "N Z"]:
    """Sample the latents for pre-training a mapping."""
    z = torch.from_numpy(sample_latents(people, seed))
    rng = torch.Generator().manual_seed(seed)
    scenes = torch.randn(people, mapping.z_dim - LATENT_SIZE, generator=rng)
    return torch.cat([z, scenes], 1)


def pretrain_mapping(
    mapping: Mapping,
    *,
    people: int = 16_000,
    steps: int = 1_500,
    seed: int = 0,
    flow: FlowTargets | None = None,
    coefficients: Linear | None = None,
) -> tuple[float, float]:
    """Pre-train a mapping from scratch, in place and on its device, so that a person's parameters
    and flow coefficients are linear in w.

    people, steps, seed: number of latents, of Adam steps of `BATCH`, and the random seed. flow:
    targets of the flow coefficients; coefficients: layer that receives their linear map.

    Returns the unexplained variance (in [0, 1]; 1 is that of predicting the mean) of parameters and
    of flow coefficients (0 without `flow`) on held-out people. Constant parameters are left out.
    """
    device = mapping.w_avg.device
    z = sample_mapping_latents(mapping, people, PEOPLE_SEED + seed)
    truth = describe_people(z)
    spread = truth.std(0)
    truth = ((truth - truth.mean(0)) / spread.clamp_min(1e-6))[:, spread > 1e-4]
    weight = number_weights(mapping.z_dim)[spread > 1e-4]
    targets = [_Targets(z, truth, weight / weight.sum(), max(people // 10, 1), 1.0)]
    if flow is not None:
        held_out = max(flow.held_out, 1)
        targets.append(_Targets(flow.z, flow.coefficients, flow.share, held_out, FLOW_WEIGHT))
    targets = [part.to(device) for part in targets]
    start_as_identity(mapping)
    readers = [_reader(mapping, part) for part in targets]
    _descend(mapping, targets, readers, steps, seed)
    with torch.no_grad():
        mapping.w_avg.copy_(_w(mapping, targets[0].z).mean(0))
        if coefficients is not None:
            coefficients.weight.copy_(readers[1].weight / coefficients.weight_gain)
            coefficients.bias.copy_(readers[1].bias / coefficients.bias_gain)
        errors = [
            float(part.error(reader(_w(mapping, part.z[: part.held_out])), slice(part.held_out)))
            for part, reader in zip(targets, readers, strict=True)
        ]
    return errors[0], errors[1] if flow is not None else 0.0


@torch.no_grad()
def start_as_identity(mapping: Mapping) -> None:
    """Initialise a mapping, in place, as the identity in as many dimensions as fit.

    Up to half of the units carry one input each, as many carry its negative, so that their
    difference is linear (leaky ReLU: f(x) - f(-x) = (1 + slope) √2 x). The other units are
    unchanged.
    """
    for k in range(mapping.layers):
        layer = getattr(mapping, f"fc{k}")
        outputs, inputs = layer.weight.shape
        if k == 0:
            count = min(inputs, outputs // 2)
            rows = torch.eye(count, inputs)
        else:
            rows = torch.zeros(count, inputs)
            rows[:, :count] = IDENTITY_GAIN * torch.eye(count)
            rows[:, count : 2 * count] = -rows[:, :count]
        layer.weight[: 2 * count] = torch.cat([rows, -rows]).to(layer.weight) / layer.weight_gain


@torch.no_grad()
def _reader(mapping: Mapping, targets: _Targets) -> nn.Linear:
    """The least-squares linear map from the current w to the targets."""
    parts = targets.z[targets.held_out :].split(BATCH)
    w = torch.cat([_w(mapping, part) for part in parts]).double()
    truth = targets.truth[targets.held_out :].double()
    centre, target = w.mean(0), truth.mean(0)
    gram = (w - centre).T @ (w - centre)
    gram.diagonal().add_(RIDGE * len(w))
    weight = torch.linalg.solve(gram, (w - centre).T @ (truth - target)).T
    reader = nn.Linear(*reversed(weight.shape), device=targets.z.device)
    reader.weight.copy_(weight)
    reader.bias.copy_(target - weight @ centre)
    return reader


@dataclass(frozen=True)
class _Targets:
    """truth: (N, A) standardised targets of the latents z. weight: (A,), sum 1. held_out: number of
    held-out people, the first ones. importance: weight of this loss."""

    z: Tensor
    truth: Tensor
    weight: Tensor
    held_out: int
    importance: float

    def to(self, device: torch.device) -> _Targets:
        z, truth, weight = (tensor.to(device) for tensor in (self.z, self.truth, self.weight))
        return _Targets(z, truth, weight, self.held_out, self.importance)

    def error(self, found: Tensor, rows: Tensor | slice) -> Tensor:
        return ((found - self.truth[rows]).square() * self.weight).sum(1).mean()


def _descend(
    mapping: Mapping,
    targets: list[_Targets],
    readers: list[nn.Linear],
    steps: int,
    seed: int,
) -> None:
    linear = [p for reader in readers for p in reader.parameters()]
    optimizer = torch.optim.Adam(
        [{"params": list(mapping.parameters()), "lr": MAPPING_RATE}, {"params": linear}],
        lr=LINEAR_RATE,
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(steps, 1), 1e-5)
    rng = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        for part, reader in zip(targets, readers, strict=True):
            chosen = torch.randint(part.held_out, len(part.z), (BATCH,), generator=rng)
            chosen = chosen.to(part.z.device)
            error = part.error(reader(_w(mapping, part.z[chosen])), chosen)
            (part.importance * error).backward()
        optimizer.step()
        schedule.step()


def _w(mapping: Mapping, z: Float[Tensor, "N Z"]) -> Float[Tensor, "N D"]:
    return mapping(z, None)[:, 0]
