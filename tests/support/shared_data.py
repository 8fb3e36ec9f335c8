"""Where the data that tests may use but the repository does not hold lies."""

from __future__ import annotations

from pathlib import Path

SHARED = Path(__file__).parents[3] / "shared"
