"""Links and tokens hold for what they were signed for, until they expire, and for nothing else;
webhooks' signatures are plain HMAC-SHA256, as a receiver would compute them."""

from __future__ import annotations

import hashlib
import hmac
import stat
from pathlib import Path

import pytest

from portraiture.service.signatures import (
    check_embed,
    check_link,
    embed_token,
    load_secret,
    sign_link,
    sign_webhook,
    webhook_secret,
)

SECRET, OTHER = b"s" * 32, b"t" * 32
ID, ANOTHER = "a" * 32, "b" * 32


def test_a_link_holds_for_its_result_and_time() -> None:
    signature = sign_link(SECRET, ID, 1000)
    assert check_link(SECRET, ID, 1000, signature, now=1000.0)
    assert not check_link(SECRET, ID, 1000, signature, now=1000.5)
    assert not check_link(SECRET, ANOTHER, 1000, signature, now=0.0)
    assert not check_link(SECRET, ID, 1001, signature, now=0.0)
    assert not check_link(OTHER, ID, 1000, signature, now=0.0)
    assert not check_link(SECRET, ID, 1000, "ü" + signature[1:], now=0.0)
    assert not check_link(SECRET, ID, 1000, "", now=0.0)


def test_a_token_stands_for_its_tenant() -> None:
    token = embed_token(SECRET, "acme & söhne", 1000)
    assert token.isascii()
    assert check_embed(SECRET, token, now=999.0) == "acme & söhne"
    assert check_embed(SECRET, token, now=1001.0) is None
    assert check_embed(OTHER, token, now=0.0) is None


@pytest.mark.parametrize("part", range(1, 4))
def test_a_changed_token_stands_for_nobody(part: int) -> None:
    parts = embed_token(SECRET, "acme", 1000).split(".")
    parts[part] = parts[part][:-1] + ("0" if parts[part][-1] != "0" else "1")
    assert check_embed(SECRET, ".".join(parts), now=0.0) is None


@pytest.mark.parametrize("token", ["embed.", "embed...", "embed.zz.1.x", "embed.61.x.y", "", "x"])
def test_rubbish_stands_for_nobody(token: str) -> None:
    assert check_embed(SECRET, token, now=0.0) is None


def test_a_receiver_can_check_a_webhook() -> None:
    secret, body = webhook_secret(SECRET, "acme"), b'{"event": "avatar.done"}'
    header = sign_webhook(secret, 1234, body)
    seconds, mac = (part.partition("=")[2] for part in header.split(","))
    expected = hmac.new(secret.encode(), b"1234." + body, hashlib.sha256).hexdigest()
    assert (seconds, mac) == ("1234", expected)
    assert secret != webhook_secret(SECRET, "other")


def test_the_secret_is_made_once_and_is_its_owners(tmp_path: Path) -> None:
    secret = load_secret(tmp_path)
    assert len(secret) == 32 and load_secret(tmp_path) == secret
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
