"""A service in a temporary folder, and a picture."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from job_tables import url
from PIL import Image
from served import Served, make_served

__all__ = ["jpeg", "served", "url"]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = make_served(tmp_path, wait_seconds=0.0)
    with made.client:
        yield made


@pytest.fixture(scope="session")
def jpeg() -> bytes:
    """A small picture of nothing."""
    pixels = np.random.default_rng(0).integers(0, 255, (96, 96, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()
