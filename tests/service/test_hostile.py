"""Bad uploads and hostile requests: each gets the right 4xx, one sentence that names no path of the
service's, and leaves nothing behind."""

from __future__ import annotations

import io
import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from served import Served, make_served

KB = 1000


def png_header(width: int, height: int) -> bytes:
    """A PNG that says how large it is, and has nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + crc

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b""))


def encoded(side: int, kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((side, side, 3), 90, np.uint8)).save(buffer, kind)
    return buffer.getvalue()


SCRIPT = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
PICKLE = b"\x80\x04\x95\x1c\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94."
PHOTOS: dict[str, tuple[bytes, int]] = {
    "nothing": (b"", 422),
    "text": (b"not a photo", 422),
    "html": (b"<!doctype html><script>alert(1)</script>", 422),
    "svg": (SCRIPT, 422),
    "pdf": (b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n", 422),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(ls) run\n", 422),
    "zip": (b"PK\x03\x04" + bytes(200), 422),
    "gzip": (b"\x1f\x8b\x08\x00" + bytes(200), 422),
    "program": (b"\x7fELF\x02\x01\x01" + bytes(200), 422),
    "pickle": (PICKLE, 422),
    "zeros": (bytes(5 * KB), 422),
    "cut jpeg": (encoded(300, "JPEG")[:400], 422),
    "cut png": (encoded(300, "PNG")[:120], 422),
    "empty png": (png_header(64, 64), 422),
    "bomb": (png_header(60_000, 60_000), 422),
    "huge sides": (png_header(2**31 - 1, 2**31 - 1), 422),
    "tiny": (encoded(8, "PNG"), 422),
    "too long": (bytes(60 * KB), 413),
}


def check(served: Served, status: int, expected: int, body: bytes) -> None:
    """Of an answer that refuses something."""
    assert status == expected, body
    problem = json.loads(body)
    assert problem["status"] == expected
    sentence = problem["detail"]
    assert sentence.endswith(".") and "\n" not in sentence and len(sentence) < 300
    for secret in (str(served.service.settings.folder), "Traceback", ".partial", "results"):
        assert secret not in sentence
    assert list(served.service.store.photos.iterdir()) == []
    assert served.service.table.counts().by_state == {}


@pytest.fixture
def small(tmp_path: Path) -> Served:
    """A service that takes 50 kB."""
    return make_served(tmp_path, max_upload=50 * KB, wait_seconds=0.0)


@pytest.mark.parametrize("name", PHOTOS)
def test_photos_in_a_form(small: Served, name: str) -> None:
    photo, expected = PHOTOS[name]
    answer = small.client.post("/v1/avatars", files={"photo": photo}, headers=small.alice)
    check(small, answer.status_code, expected, answer.content)


@pytest.mark.parametrize("name", PHOTOS)
def test_photos_as_they_are(small: Served, name: str) -> None:
    photo, expected = PHOTOS[name]
    headers = {**small.alice, "Content-Type": "image/png"}
    answer = small.client.post("/v1/heads", content=photo, headers=headers)
    check(small, answer.status_code, expected, answer.content)


FORM = "multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n'
BODIES: dict[str, tuple[str, bytes, int]] = {
    "no type": ("", b"x", 415),
    "xml": ("application/xml", b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>", 415),
    "urlencoded": ("application/x-www-form-urlencoded", b"photo=x", 415),
    "no boundary": ("multipart/form-data", b"x", 400),
    "not a form": (FORM, b"x", 400),
    "unfinished form": (FORM, PART % b"photo", 422),
    "form without photo": (FORM, PART % b"a" + b"b\r\n--x--\r\n", 422),
    "not json": ("application/json", b"{", 400),
    "json list": ("application/json", b"[]", 400),
    "json number": ("application/json", b"1e999", 400),
    "deep json": ("application/json", b"[" * 60_000, 400),
    "long json": ("application/json", b'{"seed": "' + b"1" * 70_000 + b'"}', 413),
    "no seed": ("application/json", b"{}", 422),
    "negative seed": ("application/json", b'{"seed": -1}', 422),
    "large seed": ("application/json", b'{"seed": 4294967296}', 422),
    "fractional seed": ("application/json", b'{"seed": 1.5}', 422),
    "seed true": ("application/json", b'{"seed": true}', 422),
    "seed text": ("application/json", b'{"seed": "\xd9\xa1"}', 422),
    "seed list": ("application/json", b'{"seed": [1]}', 422),
    "seed nan": ("application/json", b'{"seed": NaN}', 422),
    "face 0": ("application/json", b'{"seed": 1, "face": 0}', 422),
    "style": ("application/json", b'{"seed": 1, "style": "../../etc"}', 422),
    "style list": ("application/json", b'{"seed": 1, "style": ["pixar"]}', 422),
    "half a pair": ("application/json", b'{"seed": 1, "title": "\\ud800"}', 400),
    "not utf-8": ("application/json", b'{"seed": "\xff"}', 400),
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_bodies(small: Served, name: str) -> None:
    kind, body, expected = BODIES[name]
    headers = {**small.alice, "Content-Type": kind}
    answer = small.client.post("/v1/avatars", content=body, headers=headers)
    check(small, answer.status_code, expected, answer.content)


ADDRESSES = {
    "/v1/avatars/..%2f..%2fsecret.glb": 404,
    "/v1/avatars/%2e%2e/secret": 404,
    "/v1/avatars/secret": 422,
    "/v1/avatars/" + "a" * 31 + ".glb": 404,
    "/v1/avatars/" + "A" * 32: 422,
    "/v1/avatars/" + "a" * 32 + "%00.glb": 404,
    "/v1/avatars/" + "a" * 32 + ".exe": 422,
    "/v1/avatars/" + "a" * 32: 404,
    "/v1/jobs/" + "a" * 32 + "'--": 422,
    "/v1/jobs/" + "a" * 32: 404,
    "/v1/avatars?limit=0": 422,
    "/v1/avatars?limit=1e9": 422,
    "/v1/avatars?after=' OR 1=1 --": 422,
    "/embed.py": 422,
    "/embed.html": 422,
    "/": 404,
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_addresses(small: Served, address: str) -> None:
    answer = small.client.get(address, headers=small.alice)
    check(small, answer.status_code, ADDRESSES[address], answer.content)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": "portraiture_guess"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer embed.616c696365.99999999999.0"},
        {"Authorization": "Bearer embed.ff.x.y"},
        {"X-API-Key": "' OR 1=1 --"},
    ],
)
def test_without_a_key(small: Served, headers: dict[str, str]) -> None:
    for method, address in (("POST", "/v1/avatars"), ("GET", "/v1/avatars/" + "a" * 32 + ".glb")):
        answer = small.client.request(method, address, headers=headers)
        check(small, answer.status_code, 401, answer.content)
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_declared_length_is_not_believed(small: Served) -> None:
    """A body that is longer than it says, or says that it is too long."""
    headers = {**small.alice, "Content-Type": "image/png", "Content-Length": str(10**12)}
    answer = small.client.post("/v1/avatars", content=b"x", headers=headers)
    check(small, answer.status_code, 413, answer.content)

    def endless():  # type: ignore[no-untyped-def]
        for _ in range(100):
            yield bytes(10 * KB)

    headers = {**small.alice, "Content-Type": "image/png"}
    answer = small.client.post("/v1/avatars", content=endless(), headers=headers)
    check(small, answer.status_code, 413, answer.content)


def test_a_full_queue(tmp_path: Path) -> None:
    served = make_served(tmp_path, max_queued=2)
    posts = [
        served.client.post("/v1/avatars", json={"seed": seed}, headers=served.alice)
        for seed in range(3)
    ]
    assert [answer.status_code for answer in posts] == [202, 202, 429]
    assert int(posts[-1].headers["Retry-After"]) > 0
    served.work()
    again = served.client.post("/v1/avatars", json={"seed": 3}, headers=served.alice)
    assert again.status_code == 202


def test_too_many_requests(tmp_path: Path) -> None:
    served = make_served(tmp_path, rate=0.5, burst=3)
    answers = [served.client.get("/v1/avatars", headers=served.alice) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert served.client.get("/v1/avatars", headers=served.bob).status_code == 200


def test_one_tenant_does_not_fill_the_queue(tmp_path: Path) -> None:
    served = make_served(tmp_path, max_own=2)
    posts = [
        served.client.post("/v1/avatars", json={"seed": seed}, headers=served.alice)
        for seed in range(3)
    ]
    assert [answer.status_code for answer in posts] == [202, 202, 429]
    bobs = served.client.post("/v1/avatars", json={"seed": 1}, headers=served.bob)
    assert bobs.status_code == 202


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:8080"}, 200),
        ({"Host": "[::1]:8080"}, 200),
        ({"Origin": "http://127.0.0.1"}, 200),
        ({"Origin": "https://ours.example"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "["}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:9"}, 403),
    ],
)
def test_an_open_service_is_for_this_computer(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    served = make_served(tmp_path, open=True, origins=("https://ours.example",))
    assert served.client.get("/v1/avatars", headers=headers).status_code == status


def test_odd_methods_are_one_number(small: Served) -> None:
    for method in ("Q1", "Q2", "X" * 3000):
        assert small.client.request(method, "/v1/avatars").status_code == 405
    text = small.client.get("/metrics").text
    assert 'method="other"' in text and "Q1" not in text and "XXX" not in text


def test_exports_do_not_fill_the_disk(tmp_path: Path) -> None:
    served = make_served(tmp_path, wait_seconds=0.0, rate=1e6, burst=10**6)
    store = served.service.store
    folder = "f" * 32
    for number in range(70):
        path = store.export_path(folder, f"{number:032d}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (0, number))
    store.make_room(folder, 60)
    left = sorted(path.name for path in store.exports(folder).iterdir())
    assert left == [f"{number:032d}.png" for number in range(10, 70)]
    id = served.avatar(served.alice)
    jobs = {
        served.client.get(f"/v1/avatars/{id}.png?yaw={yaw}", headers=served.alice).json()["id"]
        for yaw in (10, 10.001, 10.3)
    }
    assert len(jobs) == 1
