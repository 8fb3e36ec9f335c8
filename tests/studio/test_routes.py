"""The routes: from a seed to an avatar, its edits and its files; whatever else is sent is refused
with the right status and one sentence."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from glb_reader import Glb
from PIL import Image

from portraiture.avatar import Avatar
from portraiture.engine.parameters import AvatarParameters
from portraiture.studio import uploads
from portraiture.studio.app import make_app
from portraiture.studio.controls import group_names
from portraiture.studio.guard import TOKEN_HEADER, Guard
from portraiture.studio.session import Session

PERSON = Avatar(AvatarParameters(hair_style="buzz", neckline="bare"), style="cartoon")


@pytest.fixture(scope="module")
def session() -> Session:
    return Session()


@pytest.fixture(scope="module")
def client(session: Session) -> Iterator[TestClient]:
    app = make_app(session, Guard("t"))
    with TestClient(app, base_url="http://127.0.0.1", headers={TOKEN_HEADER: "t"}) as client:
        yield client


def ended(client: TestClient, answer) -> dict:
    """The last report of the work that an answer began, read from its events."""
    assert answer.status_code == 202, answer.text
    events = client.get(f"/api/jobs/{answer.json()['id']}/events").text.strip().split("\n\n")
    told = [event.removeprefix("data: ") for event in events if event.startswith("data: ")]
    reports = [json.loads(text) for text in told]
    assert all(report["state"] == "running" for report in reports[:-1])
    return reports[-1]


def after(client: TestClient, answer) -> dict:
    """What the avatar is after a change."""
    assert answer.status_code == 200, answer.text
    return about(client.post("/api/avatar/parts", json=answer.json()))


def about(answer) -> dict:
    assert answer.status_code == 200, answer.text
    length = int.from_bytes(answer.content[:4], "little")
    return json.loads(answer.content[4 : 4 + length])


def sentence(answer, status: int) -> str:
    assert answer.status_code == status, answer.text
    text = answer.json()["error"]
    assert text.endswith(".")
    assert "Traceback" not in text
    assert "/tmp" not in text
    return text


def test_an_avatar_file_is_opened_edited_and_written(client: TestClient) -> None:
    saved = json.dumps(PERSON.to_dict()).encode()
    report = ended(client, client.post("/api/avatar/file", content=saved))
    assert report["state"] == "done"
    assert report["stages"] == ["Read the avatar", "Build the avatar"]
    first = about(client.post("/api/avatar/parts", json={}))
    assert first["style"] == "cartoon"
    edit = {"changes": {"hair_style": "bob", "shape:nose_hump": 0.8}, "gesture": "g"}
    edited = after(client, client.patch("/api/avatar", json=edit))
    assert edited["parameters"]["hair_style"] == "bob"
    undone = after(client, client.post("/api/avatar/undo", json={}))
    assert undone["parameters"] == first["parameters"]
    assert undone["revision"] > edited["revision"]
    assert after(client, client.post("/api/avatar/redo", json={}))["redo"] == 0
    overtaken = {"revision": edited["revision"]}
    assert client.post("/api/avatar/parts", json=overtaken).status_code == 204
    original = about(client.post("/api/avatar/original", json={"have": []}))
    assert {p["digest"] for p in original["parts"]} == {p["digest"] for p in first["parts"]}

    report = ended(client, client.post("/api/avatar/export/json"))
    file = client.get(f"/api/jobs/{report['id']}/file")
    again = Avatar.from_dict(file.json())
    assert again.parameters.hair_style == "bob"
    assert again.parameters.shape == {"nose_hump": 0.8}
    report = ended(client, client.post("/api/avatar/export/glb"))
    glb = Glb(client.get(f"/api/jobs/{report['id']}/file").content)
    assert {"skin", "hair"} <= {mesh["name"] for mesh in glb.json["meshes"]}


def test_a_group_is_randomised_alone(client: TestClient, session: Session) -> None:
    session.begin(PERSON)
    asked = {"group": "brows", "seed": 5}
    now = after(client, client.post("/api/avatar/randomise", json=asked))["parameters"]
    before = PERSON.parameters.to_dict()
    changed = {name for name in before if now[name] != before[name]}
    assert changed
    assert changed <= set(group_names("brows"))
    again = after(client, client.post("/api/avatar/randomise", json=asked))["parameters"]
    assert now == again
    sentence(client.post("/api/avatar/randomise", json={"group": "soul", "seed": 5}), 422)


def test_a_photo_without_a_face_is_refused(client: TestClient, session: Session) -> None:
    session.begin(PERSON)
    grey = io.BytesIO()
    Image.fromarray(np.full((300, 300, 3), 128, np.uint8)).save(grey, "PNG")
    report = ended(client, client.post("/api/avatar/photo", content=grey.getvalue()))
    assert report["state"] == "failed"
    assert report["error"].endswith(".")
    assert session.avatar is PERSON, "what was there stays"


@pytest.mark.parametrize(
    "data", [b"GIF89a", b"\xff\xd8\xff\xe0" * 9, b"<svg/>", b"%PDF-1.4", b"PK\3\4", bytes(4096)]
)
def test_what_is_no_photo_is_refused(client: TestClient, data: bytes) -> None:
    report = ended(client, client.post("/api/avatar/photo", content=data))
    assert report["state"] == "failed"
    assert report["error"].endswith(".")
    assert "tmp" not in report["error"]


def test_uploads_are_bounded(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portraiture.studio.avatar_routes.MAX_PHOTO_BYTES", 1000)
    sentence(client.post("/api/avatar/photo", content=b"x" * 1001), 413)
    chunks = (b"x" * 100 for _ in range(11))
    sentence(client.post("/api/avatar/photo", content=chunks), 413)
    sentence(client.post("/api/avatar/photo", content=b""), 422)
    assert uploads.MAX_PHOTO_BYTES == 40_000_000


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/api/avatar", {"changes": {"age": 7}}),
        ("PATCH", "/api/avatar", {"changes": []}),
        ("PATCH", "/api/avatar", {}),
        ("PATCH", "/api/avatar", {"changes": {}, "more": 1}),
        ("POST", "/api/avatar/parts", {"have": ["x" * 1000]}),
        ("POST", "/api/avatar/parts", {"revision": "last"}),
        ("POST", "/api/avatar/seed", {"seed": -1}),
        ("POST", "/api/avatar/seed", {"seed": 2**32}),
        ("POST", "/api/avatar/seed", {"seed": "../etc"}),
        ("POST", "/api/avatar/export/exe", None),
        ("POST", "/api/head/export/pkl", None),
        ("POST", "/api/head/seed", {"seed": 1.5}),
        ("PATCH", "/api/head", {"amounts": {"smile": 1.0}}),
        ("PATCH", "/api/head", {"amounts": {"soul": 1.0}}),
        ("GET", "/api/avatar/moved/hair_length", None),
        ("GET", "/api/pictures/hair_style/..", None),
        ("GET", "/api/pictures/style/noir", None),
        ("GET", "/api/pictures/__class__/x", None),
    ],
)
def test_what_cannot_be_is_refused(
    client: TestClient, session: Session, method: str, path: str, body: object
) -> None:
    session.begin(PERSON)
    answer = client.request(method, path, json=body)
    if answer.status_code != 404:
        sentence(answer, 422)
    assert session.avatar is PERSON


@pytest.mark.parametrize(
    "data", [b"{}", b"[" * 100_000, b"\xff", b'{"format": "portraiture-avatar"}']
)
def test_what_is_no_avatar_is_refused(client: TestClient, data: bytes) -> None:
    report = ended(client, client.post("/api/avatar/file", content=data))
    assert report["state"] == "failed"
    assert report["error"].endswith(".")


def test_an_avatar_file_opens_no_path(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "secret.mhclo").write_text("name secret\n")
    for name in (str(tmp_path / "secret.mhclo"), "../secret", f"{tmp_path}/secret"):
        values = replace(PERSON, assets=(name,)).to_dict()
        report = ended(client, client.post("/api/avatar/file", content=json.dumps(values)))
        assert report["state"] == "failed"


def test_unknown_work_is_not_found(client: TestClient) -> None:
    for path in ("events", "file"):
        sentence(client.get(f"/api/jobs/nobody/{path}"), 404)
    sentence(client.delete("/api/jobs/nobody"), 404)


def test_work_is_cancelled(client: TestClient, session: Session) -> None:
    session.begin(PERSON)
    answer = client.post("/api/avatar/export/turntable")
    assert client.delete(f"/api/jobs/{answer.json()['id']}").json()["state"] == "cancelled"
    assert ended(client, answer)["state"] == "cancelled"
    sentence(client.get(f"/api/jobs/{answer.json()['id']}/file"), 404)
