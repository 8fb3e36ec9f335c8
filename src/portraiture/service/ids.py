"""Ids in addresses."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

ID = "^[0-9a-f]{32}$"
"""Of jobs, and so of avatars and heads."""
ExportName = Annotated[str, Path(pattern=r"^[0-9a-z]{1,64}\.(glb|png|ply|mp4)$")]
"""Of a file that an export has made."""
Id = Annotated[str, Path(pattern=ID, description="32 hexadecimal digits")]
