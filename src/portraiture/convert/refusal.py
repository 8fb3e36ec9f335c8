"""Why a foreign file is not converted."""

from __future__ import annotations


class RefusalError(Exception):
    """Carries a clause without capital or full stop, such as "it asks for os.system"; `run` puts
    the file's name before it and makes it the user's error."""


def quoted(text: object) -> str:
    """Text from an untrusted file as it may stand in a message: one line, at most 80 letters."""
    shown = str(text) if isinstance(text, str | int | float | bool) else type(text).__name__
    shown = "".join(c if c.isprintable() else "?" for c in shown[:81])
    return shown if len(shown) <= 80 else shown[:80] + "…"
