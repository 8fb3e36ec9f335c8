"""The encoder's optimiser and the rates of its gates."""

from __future__ import annotations

from dataclasses import replace

import torch

from portraiture.invert.goae.param_groups import parameter_groups, set_rate
from portraiture.invert.goae.presets import SMALL
from portraiture.invert.goae.ranger import Ranger
from portraiture.networks.goae_encoder import GoaeEncoder


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
