"""A run that goes on from an older network: its pictures are kept, its mapping is taught anew.

The new mapping's w says more than the old one's and is laid out otherwise. What the old w said is
nearly linear in the new, so that the layers that read w are turned to read the new one.
Letters: N latents, Z latent size, D w dimension.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from portraiture.models.eg3d import TriPlaneGenerator
from portraiture.models.layers import Linear

RIDGE = 1e-4
"""Of the regression, as a share of the variance of w."""


@torch.no_grad()
def take_over(network: TriPlaneGenerator, old: TriPlaneGenerator, z: Float[Tensor, "N Z"]) -> float:
    """Give a network, in place, all of an older one but the mapping. The flow's mean and basis
    come from the old one, too.

    z: latents by which the two mappings are compared. Returns the share of the old w's variance
    that the new w doesn't explain. Raises ValueError if their layers differ.
    """
    turn, shift, unknown = _turn(network.mapping(z, None)[:, 0], old.mapping(z, None)[:, 0])
    mapping = {
        name: tensor
        for name, tensor in network.state_dict().items()
        if name.startswith("backbone.mapping.")
    }
    kept = {k: v for k, v in old.state_dict().items() if not k.startswith("backbone.mapping.")}
    try:
        network.load_state_dict(kept | mapping)
    except RuntimeError as error:
        raise ValueError("the older network has other layers") from error
    for layer in readers_of_w(network):
        weight, _ = layer.effective()
        layer.bias.add_(weight @ shift / layer.bias_gain)
        layer.weight.copy_(layer.weight @ turn)
    return unknown


def readers_of_w(network: TriPlaneGenerator) -> list[Linear]:
    """All layers whose input is w."""
    styles = [m for name, m in network.named_modules() if name.endswith(".affine")]
    flow = [network.flow.coefficients] if network.config.flow_rank else []
    return [layer for layer in (*styles, *flow) if isinstance(layer, Linear)]


def _turn(
    new: Float[Tensor, "N D"], old: Float[Tensor, "N D"]
) -> tuple[Float[Tensor, "D D"], Float[Tensor, "D"], float]:
    """T and t so that old ≈ T new + t, by ridge regression, and what is left unexplained."""
    x, y = (w.double() for w in (new, old))
    centre, target = x.mean(0), y.mean(0)
    x, y = x - centre, y - target
    gram = x.T @ x
    gram.diagonal().add_(RIDGE * gram.trace() / len(gram) + 1e-12)
    turn = torch.linalg.solve(gram, x.T @ y).T
    left = (y - x @ turn.T).square().sum() / y.square().sum()
    return turn.to(new), (target - turn @ centre).to(new), float(left)
