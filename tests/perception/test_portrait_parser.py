"""The portrait parser: its pixels are the parser's, and what its looks are read from."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from portraiture.perception.looks import LOOKS, NAMES, REGIONS, LooksHead, _mean, split
from portraiture.perception.portrait_parser import PortraitParser, PortraitParserConfig
from portraiture.types import Segment

TINY = PortraitParserConfig(widths=(4, 4, 8, 8), size=32)
CHANNELS = 2


def test_split_has_each_look_in_its_order() -> None:
    total = sum(len(classes) for classes in LOOKS.values())
    found = split(torch.arange(2.0 * total).view(2, total))
    assert tuple(found) == NAMES == tuple(LOOKS)
    assert [part.shape[1] for part in found.values()] == [len(LOOKS[name]) for name in NAMES]
    assert torch.equal(torch.cat(list(found.values()), 1).flatten(), torch.arange(2.0 * total))


def test_mean_by_hand() -> None:
    values = torch.tensor([[[[1.0, 5.0]], [[2.0, 0.0]]]])
    weight = torch.tensor([[[[3.0, 1.0]]]])
    assert torch.allclose(_mean(values, weight), torch.tensor([[8.0, 6.0]]) / 4.001)
    assert (_mean(values, 0.0 * weight) == 0.0).all()


def _pooled(images: Tensor, classes: Tensor) -> Tensor:
    """What the head's layers get, for features of zeros and a segmentation without doubt."""
    head = LooksHead(CHANNELS).eval()
    got: list[Tensor] = []
    head.hidden.register_forward_pre_hook(lambda _, inputs: got.append(inputs[0]))
    logits = 100.0 * torch.nn.functional.one_hot(classes, len(Segment)).movedim(-1, 1).float()
    head(torch.zeros(len(images), CHANNELS, 4, 4), logits, images)
    return got[0][:, CHANNELS:].view(len(images), len(REGIONS), CHANNELS + 7)


def test_colours_are_those_of_their_region() -> None:
    classes = torch.full((1, 64, 64), int(Segment.SKIN))
    classes[:, :16] = int(Segment.HAIR)
    images = torch.zeros(1, 3, 64, 64)
    other = images.clone()
    other[:, 0, :16] = 0.5
    other[:, 1, :16, :32] = 1.0  # half of the hair
    before, after = _pooled(images, classes), _pooled(other, classes)
    changed = (before - after).abs().amax((0, 2)) > 1e-6
    assert changed.tolist() == [True] + [False] * (len(REGIONS) - 1)
    mean, spread = after[0, 0, CHANNELS + 1 : CHANNELS + 4], after[0, 0, CHANNELS + 4 :]
    assert torch.allclose(mean, torch.tensor([0.5, 0.5, 0.0]), atol=1e-3)
    assert torch.allclose(spread, torch.tensor([0.0, 0.5, 0.0]), atol=2e-3)
    assert float(after[0, 0, CHANNELS]) == pytest.approx(0.25)
    assert float(after[0, 1, CHANNELS]) == pytest.approx(0.75)


def test_its_pixels_are_the_parsers() -> None:
    torch.manual_seed(0)
    network = PortraitParser(TINY).eval()
    images = torch.rand(2, 3, 48, 32) * 2.0 - 1.0
    with torch.no_grad():
        logits, looks = network(images)
        assert torch.equal(logits, network.pixels(images))
    assert looks.shape == (2, sum(len(classes) for classes in LOOKS.values()))


@pytest.mark.parametrize("side", [20, 32, 75])
def test_reads_any_size(side: int) -> None:
    torch.manual_seed(0)
    network = PortraitParser(TINY).eval()
    images = torch.rand(2, 3, side, side) * 2.0 - 1.0
    pixels, looks = network.read(images)
    assert pixels.shape == (2, len(Segment), side, side)
    assert torch.allclose(pixels.sum(1), torch.ones(2, side, side), atol=1e-5)
    for name, found in looks.items():
        assert found.shape == (2, len(LOOKS[name]))
        assert torch.allclose(found.sum(1), torch.ones(2), atol=1e-5)
    if side == TINY.size:
        assert torch.equal(pixels, network(images)[0].softmax(1))


def test_default_fits_its_file() -> None:
    with torch.device("meta"):
        network = PortraitParser(PortraitParserConfig())
    assert sum(t.numel() for t in network.state_dict().values()) * 2 < 10e6
