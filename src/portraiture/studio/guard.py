"""Who may talk to the studio: the page that this program opened, and nobody else.

A page of another site can make a browser send requests to 127.0.0.1. So each one is checked: Host
(a name that an attacker's DNS server points here is refused), Origin (other sites' pages are
refused), and a random token that only the opened page has.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
TOKEN_HEADER = "x-portraiture-token"
PROTOCOL = "portraiture"
"""WebSocket subprotocol that the studio speaks; the token is offered as a second one, because pages
cannot set headers of a WebSocket."""

Refusal = Literal["host", "origin", "token"]

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
"""Of every answer."""


def new_token() -> str:
    """A random token for one run of the studio."""
    return secrets.token_urlsafe(24)


@dataclass(frozen=True)
class Guard:
    """token: what the page has to send. hosts: names that this computer is called by."""

    token: str = field(default_factory=new_token)
    hosts: frozenset[str] = frozenset(LOCAL_HOSTS)

    def refusal(self, connection: HTTPConnection, *, public: bool = False) -> Refusal | None:
        """Why a request or a WebSocket is refused; None where it is not. public: files of the page
        need no token."""
        host = connection.headers.get("host", "")
        if _name(f"//{host}") not in self.hosts:
            return "host"
        origin = connection.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return "origin"
        if connection.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            return None if public and _opens_page(connection) else "origin"
        if public or any(secrets.compare_digest(self.token, sent) for sent in _tokens(connection)):
            return None
        return "token"


def _opens_page(connection: HTTPConnection) -> bool:
    """Whether somebody follows a link to the page."""
    return connection.headers.get("sec-fetch-mode") == "navigate"


def _name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _tokens(connection: HTTPConnection) -> Iterable[str]:
    """Printable ASCII alone: `compare_digest` takes no other text."""
    offered = connection.headers.get("sec-websocket-protocol", "").split(",")
    sent = [connection.headers.get(TOKEN_HEADER, ""), *(text.strip() for text in offered)]
    return [text for text in sent if text.isascii()]
