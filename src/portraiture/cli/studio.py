"""The command studio."""

from __future__ import annotations

import socket
import sys
import webbrowser
from dataclasses import dataclass
from threading import Timer

from rich.console import Console

from portraiture.errors import StudioError

HOST = "127.0.0.1"
OPEN_AFTER_S = 0.6


@dataclass(frozen=True)
class Studio:
    """Make and edit avatars and neural heads in the browser.

    Starts Portraiture Studio on this computer and opens its page. It answers this computer alone.
    Ctrl-C ends it.

    Example: portraiture studio --port 8765
    """

    port: int = 8765
    """Port on 127.0.0.1; 0 takes any that is free."""
    browser: bool = True
    """Open the page in the browser; --no-browser only prints its address."""


console = Console()


def studio(command: Studio) -> None:
    """Run the studio until it is interrupted. Raises StudioError."""
    if not 0 <= command.port <= 65535:
        raise StudioError(f"--port must be from 0 to 65535, not {command.port}.")
    listening = _listen(command.port)
    import uvicorn

    from portraiture.studio.app import make_app
    from portraiture.studio.guard import Guard

    guard = Guard()
    address = f"http://{HOST}:{listening.getsockname()[1]}/#token={guard.token}"
    console.print(f"Portraiture Studio: {address}", highlight=False, soft_wrap=True, markup=False)
    console.print("Ctrl-C ends it.", highlight=False)
    if command.browser:
        opening = Timer(OPEN_AFTER_S, webbrowser.open, [address])
        opening.daemon = True
        opening.start()
    config = uvicorn.Config(
        make_app(guard=guard), log_level="warning", access_log=False, ws_max_size=65_536,
        timeout_graceful_shutdown=2,
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[listening])
    sys.stdout.flush()


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if sys.platform != "win32":
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen()
    except OSError:
        listening.close()
        raise StudioError(
            f"Port {port} is in use; end the other program or take another one, such as --port 0."
        ) from None
    return listening
