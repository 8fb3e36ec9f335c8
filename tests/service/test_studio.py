"""The studio in the service: at /studio, for the page with its token, and nobody else."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from starlette.testclient import WebSocketDenialResponse, WebSocketDisconnect

from portraiture.service.app import make_app
from portraiture.service.settings import ServiceSettings
from portraiture.studio.guard import PROTOCOL, TOKEN_HEADER, Guard

LOCAL = "http://127.0.0.1:8080"
TOKEN = {TOKEN_HEADER: "the-token"}


def client_of(folder: Path, studio: Guard | None) -> TestClient:
    return TestClient(make_app(ServiceSettings(folder), studio=studio), base_url=LOCAL)


def test_one_app_has_both(tmp_path: Path) -> None:
    with client_of(tmp_path, Guard("the-token")) as client:
        page = client.get("/studio")
        assert page.url.path == "/studio/" and "Portraiture Studio" in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert client.get("/studio/main.js").status_code == 200
        assert client.get("/studio/api/panel", headers=TOKEN).json()["groups"]
        assert client.get("/studio/nowhere.js").json() == {"error": "There is no such page."}
        assert client.get("/v1/avatars").status_code == 401, "keys are asked for as ever"
        assert client.get("/v1/nowhere").json()["status"] == 404
        counted = client.get("/metrics").text
        assert 'route="/studio/panel",status="200"' in counted
        assert "/studio" not in client.get("/openapi.json").text


def test_it_is_not_for_others(tmp_path: Path) -> None:
    with client_of(tmp_path, Guard("the-token")) as client:
        assert client.get("/studio/api/panel").status_code == 401
        strange = {**TOKEN, "host": "avatars.example"}
        assert client.get("/studio/api/panel", headers=strange).status_code == 403
        where, here = "/studio/api/head/view", {"host": "127.0.0.1:8080"}
        for offered in ([PROTOCOL], [PROTOCOL, "another-token"]):
            with (
                pytest.raises((WebSocketDisconnect, WebSocketDenialResponse)),
                client.websocket_connect(where, offered, headers=dict(here)),
            ):
                pass
        with client.websocket_connect(where, [PROTOCOL, "the-token"], headers=dict(here)) as socket:
            socket.send_json({"yaw": 0.0})
            assert "no neural head" in socket.receive_json()["error"]


def test_without_being_asked_for_it_is_not_there(tmp_path: Path) -> None:
    with client_of(tmp_path, None) as client:
        assert client.get("/studio/").status_code == 404
