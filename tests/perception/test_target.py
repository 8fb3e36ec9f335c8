"""What is asked of a photo's person before an inversion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from invert_cases import folder_of_networks, generator_of, target_of

from portraiture.errors import InversionError
from portraiture.perception.portrait_parser import PortraitParser, PortraitParserConfig
from portraiture.perception.target import largest_part, make_target


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Weights of a generator with something solid."""
    return folder_of_networks(tmp_path)


def test_nobody_in_the_photo_is_said_before_any_work(folder: Path) -> None:
    parser = PortraitParser(PortraitParserConfig(widths=(4, 4, 8, 8), size=32)).eval()
    with torch.no_grad():
        assert parser.pixels.head.bias is not None
        parser.pixels.head.bias[0] = 50.0
    with pytest.raises(InversionError, match="No person"):
        make_target(
            np.zeros((64, 64, 3), np.uint8), torch.zeros(1, 25), generator_of(folder), parser
        )


def test_the_person_lies_over_white(folder: Path) -> None:
    target = target_of(generator_of(folder))
    assert target.image.shape == (1, 3, 128, 128)
    assert target.crop.shape == (1, 3, 64, 64)
    p = target.person
    assert float(p.min()) >= 0.0
    assert torch.all(target.image >= 1.0 - 2.0 * p - 1e-5)


def test_specks_beside_a_person_are_no_part_of_them() -> None:
    person = torch.zeros(64, 64)
    person[10:60, 20:45] = 0.9
    person[30:34, 30:34] = 0.0  # a hole stays one, but for its rim
    person[2:8, 55:62] = 1.0
    person[50, 2] = 1.0
    found = largest_part(person)
    assert found[10:60, 20:45].float().mean() > 0.99
    assert not found[2:8, 55:62].any()
    assert not found[50, 2]
    assert not largest_part(torch.zeros(8, 8)).any()
