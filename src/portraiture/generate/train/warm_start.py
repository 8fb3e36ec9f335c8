"""Start a run from an older generator: its synthesis is kept, its mapping is pre-trained again.

The two mappings have different w spaces. The old w is nearly linear in the new one, so a linear map
is folded into all layers that read w. Letters: N latents, Z latent size, D w dimension.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.networks.eg3d import TriPlaneGenerator
from portraiture.networks.layers import Linear

MAPPING = "backbone.mapping."

RIDGE = 1e-4
"""Regularisation of the regression, relative to the variance of w."""


@torch.no_grad()
def take_over(network: TriPlaneGenerator, old: TriPlaneGenerator, z: Float[Tensor, "N Z"]) -> float:
    """Copy an older generator's weights, all but the mapping, into a network, in place, and adapt
    the layers that read w.

    The flow's mean and basis are copied, too; `old` is moved to the network's device. z: latents
    for the regression; the last tenth is held out. Returns the old w's unexplained variance on
    these. Raises ValueError if the layers differ.
    """
    device = network.backbone.mapping.w_avg.device
    z, old = z.to(device), old.to(device)
    ours, theirs = network.state_dict(), old.state_dict()
    kept = {k: v for k, v in theirs.items() if not k.startswith(MAPPING)}
    replaced = {k: v.shape for k, v in ours.items() if not k.startswith(MAPPING)}
    if {k: v.shape for k, v in kept.items()} != replaced:
        raise ValueError("the older generator has other layers")
    map_w, shift, unknown = _linear_map(network.mapping(z, None)[:, 0], old.mapping(z, None)[:, 0])
    network.load_state_dict(ours | kept)
    for layer in readers_of_w(network):
        weight, _ = layer.effective()
        layer.bias.add_(weight @ shift / layer.bias_gain)
        layer.weight.copy_(layer.weight @ map_w)
    return unknown


def readers_of_w(network: TriPlaneGenerator) -> list[Linear]:
    """All layers whose input is w."""
    styles = [m for name, m in network.named_modules() if name.endswith(".affine")]
    flow = [network.flow.coefficients] if network.config.flow_rank else []
    return [layer for layer in (*styles, *flow) if isinstance(layer, Linear)]


def _linear_map(
    new: Float[Tensor, "N D"], old: Float[Tensor, "N D"]
) -> tuple[Float[Tensor, "D D"], Float[Tensor, "D"], float]:
    """T and t of old ≈ T new + t by ridge regression, and the unexplained variance."""
    x, y = (w.double() for w in (new, old))
    seen = slice(len(x) - len(x) // 10)
    centre, target = x[seen].mean(0), y[seen].mean(0)
    x, y = x - centre, y - target
    gram = x[seen].T @ x[seen]
    gram.diagonal().add_(RIDGE * gram.trace() / len(gram) + 1e-12)
    turn = torch.linalg.solve(gram, x[seen].T @ y[seen]).T
    x, y = x[seen.stop :], y[seen.stop :]
    left = (y - x @ turn.T).square().sum() / y.square().sum().clamp_min(1e-20)
    return turn.to(new), (target - turn @ centre).to(new), float(left)
