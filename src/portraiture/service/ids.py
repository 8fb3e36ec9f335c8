"""Ids in addresses."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

ID = "^[0-9a-f]{32}$"
"""Of jobs, and so of avatars and heads."""
Id = Annotated[str, Path(pattern=ID, description="32 hexadecimal digits")]
