"""What the tests of the encoder's and the alignment's recipe begin with."""

from __future__ import annotations

from pathlib import Path

import pytest
from encoder_cases import folder_of_people


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three people, and a generator for them."""
    return folder_of_people(tmp_path)
