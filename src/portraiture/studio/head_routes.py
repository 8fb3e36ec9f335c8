"""The studio's routes for the neural head."""

from __future__ import annotations

from fastapi import APIRouter

from portraiture.studio.session import Session


def head_routes(session: Session) -> APIRouter:
    """Routes below `api/`."""
    return APIRouter()
