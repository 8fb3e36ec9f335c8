"""What the tests of inversion begin with."""

from __future__ import annotations

from pathlib import Path

import pytest
from invert_cases import folder_of_networks

from portraiture.models import Models


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Weights of a generator with something solid, of an encoder and an alignment for it."""
    return folder_of_networks(tmp_path)


@pytest.fixture
def models() -> Models:
    return Models()
