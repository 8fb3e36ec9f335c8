"""The service's secret, and what it signs: links that need no API key, and webhooks."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from pathlib import Path

SECRET_FILE = "secret"


def load_secret(folder: Path) -> bytes:
    """The secret of a service's folder, made the first time; only its owner can read it."""
    path = folder / SECRET_FILE
    if not path.exists():
        partial = folder / f".{SECRET_FILE}-{secrets.token_hex(6)}"
        handle = os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(32))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(partial, path)  # the first of several processes wins
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    return path.read_bytes()


def sign_link(secret: bytes, id: str, expires: int) -> str:
    """The signature with which anyone may read the files of one result until `expires`, seconds
    since 1970."""
    return _mac(secret, f"link\n{id}\n{expires}".encode())


def check_link(
    secret: bytes, id: str, expires: int, signature: str, now: float | None = None
) -> bool:
    """Whether a link's signature is good and not yet expired."""
    fresh = expires >= (time.time() if now is None else now)
    return hmac.compare_digest(sign_link(secret, id, expires).encode(), signature.encode()) & fresh


def webhook_secret(secret: bytes, tenant: str) -> str:
    """What a tenant checks its webhooks with."""
    return _mac(secret, f"webhook\n{tenant}".encode())


def sign_webhook(tenant_secret: str, timestamp: int, body: bytes) -> str:
    """Value of the header Portraiture-Signature: t=seconds,v1=HMAC-SHA256 of "seconds.body"."""
    mac = hmac.new(tenant_secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
    return f"t={timestamp},v1={mac.hexdigest()}"


def _mac(secret: bytes, message: bytes) -> str:
    return hmac.new(secret, message, hashlib.sha256).hexdigest()


def embed_token(secret: bytes, tenant: str, expires: int) -> str:
    """With which a page in a browser acts for a tenant until `expires`."""
    mac = _mac(secret, f"embed\n{tenant}\n{expires}".encode())
    return f"embed.{tenant.encode().hex()}.{expires}.{mac}"


def check_embed(secret: bytes, token: str, now: float | None = None) -> str | None:
    """The tenant that a token is for; None where it was not made here or has expired."""
    try:
        _, name, text, _ = token.split(".")
        tenant, expires = bytes.fromhex(name).decode(), int(text)
    except (ValueError, UnicodeDecodeError):
        return None
    fresh = expires >= (time.time() if now is None else now)
    good = hmac.compare_digest(embed_token(secret, tenant, expires).encode(), token.encode())
    return tenant if good and fresh else None
