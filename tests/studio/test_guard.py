"""Who the studio answers: its own page with the run's token, on this computer, and nobody else."""

from __future__ import annotations

import asyncio

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from portraiture.studio.app import SENTENCES, answer_errors, make_app, studio_router
from portraiture.studio.guard import PROTOCOL, TOKEN_HEADER, Guard, Refusal
from portraiture.studio.session import Session

TOKEN = {TOKEN_HEADER: "the-token"}
LOCAL = "http://127.0.0.1:8765"
OWN = {"host": "127.0.0.1:8765", "origin": LOCAL}


@pytest.fixture(scope="module")
def client():
    app = make_app(guard=Guard("the-token"))
    with TestClient(app, base_url=LOCAL, raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:8765", "127.0.0.1", "[::1]:8765"])
def test_this_computer_is_answered(client: TestClient, host: str) -> None:
    assert client.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "evil.example:8765", "0.0.0.0", "", "[::1", "a@b"],
)
def test_names_that_only_point_here_are_refused(client: TestClient, host: str) -> None:
    for path in ("/", "/main.js", "/api/panel"):
        assert client.get(path, headers={"host": host, **TOKEN}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_pages_of_other_sites_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    assert client.get("/api/panel", headers={**TOKEN, **headers}).status_code == 403
    assert client.post("/api/avatar/undo", json={}, headers={**TOKEN, **headers}).status_code == 403
    assert client.get("/main.js", headers=headers).status_code == 403


def test_a_link_may_open_the_page(client: TestClient) -> None:
    followed = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.get("/", headers=followed).status_code == 200
    assert client.get("/api/panel", headers={**TOKEN, **followed}).status_code == 403


@pytest.mark.parametrize("token", [None, "", "the-toke", "the-token2", "t\u00f6ken"])
def test_without_the_token_nothing_is_told(client: TestClient, token: str | None) -> None:
    headers = {} if token is None else {TOKEN_HEADER: token.encode()}
    answer = client.get("/api/panel", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"].endswith(".")
    assert client.get("/api/panel", headers=TOKEN).status_code == 200


@pytest.mark.parametrize(
    ("headers", "protocols", "reason"),
    [
        ({}, [PROTOCOL], "token"),
        ({}, [PROTOCOL, "wrong"], "token"),
        ({"origin": "http://evil.example"}, [PROTOCOL, "the-token"], "origin"),
        ({"host": "evil.example"}, [PROTOCOL, "the-token"], "host"),
    ],
)
def test_other_sockets_are_refused(
    client: TestClient, headers: dict[str, str], protocols: list[str], reason: Refusal
) -> None:
    with (
        pytest.raises(WebSocketDisconnect) as refused,
        client.websocket_connect("/api/head/view", protocols, headers={**OWN, **headers}),
    ):
        pass
    assert (refused.value.code, refused.value.reason) == (1008, SENTENCES[reason])


def test_the_pages_own_socket_is_answered(client: TestClient) -> None:
    protocols = [PROTOCOL, "the-token"]
    with client.websocket_connect("/api/head/view", protocols, headers=OWN) as socket:
        assert socket.accepted_subprotocol == PROTOCOL
        socket.send_json({"yaw": 0.1, "pitch": 0.0})
        assert "no neural head yet" in socket.receive_json()["error"]


def test_every_answer_has_the_policy(client: TestClient) -> None:
    for path in ("/", "/main.js", "/api/panel", "/nowhere"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/../errors.py", "/%2e%2e%2ferrors.py", "/..%2f..%2fversion.py", "/studio/main.js",
             "/report.js", "/head.npz", "//etc/passwd"],
)  # fmt: skip
def test_no_other_file_is_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_another_app_can_have_it_below_a_prefix() -> None:
    app = FastAPI()
    answer_errors(app)
    app.include_router(studio_router(Session(), Guard("the-token")), prefix="/studio")
    with TestClient(app, base_url=LOCAL) as client:
        page = client.get("/studio")
        assert page.url.path == "/studio/"
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert client.get("/studio/main.js").headers["content-type"].startswith("text/javascript")
        assert client.get("/studio/api/panel", headers=TOKEN).status_code == 200
        assert client.get("/studio/api/panel").status_code == 401


@pytest.mark.parametrize(("token", "status"), [(None, 401), ("the-token", 413)])
@pytest.mark.parametrize("path", ["/api/avatar/seed", "/api/avatar/photo"])
def test_who_asks_is_checked_before_the_body_is_read(
    path: str, token: str | None, status: int
) -> None:
    """A body that never ends is read by nobody without the token, and not far with it."""
    sent, read = [], 0
    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    if token is not None:
        headers.append((TOKEN_HEADER.encode(), token.encode()))
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"",
        "root_path": "", "headers": headers, "client": None, "server": ("127.0.0.1", 80),
    }  # fmt: skip

    async def receive() -> dict:
        nonlocal read
        read += 1_000_000
        assert read <= 100_000_000
        return {"type": "http.request", "body": b"x" * 1_000_000, "more_body": True}

    async def send(message: dict) -> None:
        sent.append(message)

    asyncio.run(make_app(guard=Guard("the-token"))(scope, receive, send))
    assert sent[0]["status"] == status
    assert (read == 0) == (token is None)
    assert read <= (2_000_000 if path.endswith("seed") else 41_000_000)
