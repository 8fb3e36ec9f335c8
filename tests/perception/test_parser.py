"""The parser: shapes and sizes."""

from __future__ import annotations

import pytest
import torch

from portraiture.perception.parser import ParserConfig, ParserNetwork
from portraiture.types import Segment

TINY = ParserConfig(widths=(4, 4, 8, 8), size=32)


def test_logits_for_every_pixel() -> None:
    torch.manual_seed(0)
    network = ParserNetwork(TINY).eval()
    with torch.no_grad():
        assert network(torch.randn(2, 3, 48, 32)).shape == (2, 19, 48, 32)


@pytest.mark.parametrize("side", [20, 32, 75])
def test_segment_brings_any_size_to_its_own_and_back(side: int) -> None:
    torch.manual_seed(0)
    network = ParserNetwork(TINY).eval()
    images = torch.rand(2, 3, side, side) * 2 - 1
    labels = network.segment(images)
    assert labels.shape == (2, side, side) and labels.dtype == torch.uint8
    assert labels.max() < len(Segment)
    if side == TINY.size:
        assert torch.equal(labels, network(images).argmax(1).to(torch.uint8))


def test_default_fits_its_file() -> None:
    with torch.device("meta"):
        network = ParserNetwork(ParserConfig())
    assert sum(t.numel() for t in network.state_dict().values()) * 2 < 12e6
