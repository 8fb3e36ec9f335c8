"""Find the licence of an asset pack, from its licence file or file headers."""

from __future__ import annotations

import re
from pathlib import Path

MAX_LICENCE_BYTES = 100_000
_FILE = re.compile(r"(licen[cs]e|copying|copyright)", re.IGNORECASE)

TITLES = (
    (r"cc0|creative commons zero|public domain dedication", "CC0 1.0"),
    (r"creative commons attribution-sharealike|cc[- ]by[- ]sa", "CC BY-SA"),
    (r"creative commons attribution-noncommercial|cc[- ]by[- ]nc", "CC BY-NC"),
    (r"creative commons attribution|cc[- ]by", "CC BY"),
    (r"affero general public|agpl", "AGPL"),
    (r"general public license|gpl", "GPL"),
    (r"mit license|permission is hereby granted, free of charge", "MIT"),
    (r"apache license", "Apache 2.0"),
)
"""Patterns to search for in a licence's text, first match wins, and the title to show."""

UNKNOWN = "not stated"


def licence_text(folder: Path) -> str:
    """Text of the licence file nearest the root of `folder`, else the header comments of its first
    .mhclo or .mhmat that name a licence, else an empty string."""
    files = sorted(
        (p for p in folder.rglob("*") if p.is_file() and not p.is_symlink()),
        key=lambda p: (len(p.parts), p.name),
    )
    for path in files:
        if _FILE.match(path.name) and path.suffix.lower() in ("", ".txt", ".md"):
            return _read(path)
    for path in files:
        if path.suffix.lower() in (".mhclo", ".mhmat") and (text := header_of(path)):
            return text
    return ""


def header_of(path: Path) -> str:
    """Header comments of a file without comment markers, if they name a licence."""
    lines = []
    for line in _read(path).splitlines():
        if line.strip() and not line.lstrip().startswith(("#", "//")):
            break
        lines.append(line.lstrip("#/ \t").rstrip())
    text = "\n".join(lines).strip()
    return text if licence_title(text) != UNKNOWN else ""


def licence_title(text: str) -> str:
    """Short name such as ``"CC0 1.0"``; ``"not stated"`` if the text names no known licence."""
    for pattern, title in TITLES:
        if re.search(rf"\b(?:{pattern})\b", text, re.IGNORECASE):
            return title
    return UNKNOWN


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_LICENCE_BYTES).decode("utf-8", errors="replace")
    except OSError:
        return ""
