"""What workers do: results are whole folders, faults of the input are sentences without paths, and
everything else is worth another attempt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from served import Served, make_served

import portraiture.service.make as make
from portraiture.errors import CheckpointError, JobError, OutputError, PhotoError
from portraiture.jobs.folders import sweep
from portraiture.jobs.table import Lease
from portraiture.progress import SILENT
from portraiture.service.work import Work


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return make_served(tmp_path)


def lease(served: Served) -> Lease:
    found = served.service.table.lease("w", 60.0)
    assert found is not None
    return found


def do(served: Served) -> None:
    """The next job, for real."""
    held = lease(served)
    made = Work(served.service.settings)(held.job, SILENT)
    folder = made.folder and made.folder.name
    assert served.service.table.finish(held, made.result, folder=folder, revises=made.revises)


def pretend(monkeypatch: pytest.MonkeyPatch, name: str, does: Callable[..., Any]) -> None:
    monkeypatch.setattr(make, name, does)


def written(payload: Any, photo: Path | None, out: Path, progress: Any) -> dict[str, Any]:
    (out / "avatar.json").write_text("{}")
    (out / "avatar.glb").write_text(f"of {payload.get('seed')}")
    return {"style": "natural"}


def test_an_avatar_is_a_folder(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "make_avatar", written)
    answer = served.client.post("/v1/avatars", json={"seed": 5}, headers=served.alice).json()
    do(served)
    file = served.client.get(f"/v1/avatars/{answer['id']}.glb", headers=served.alice)
    assert file.text == "of 5"
    assert sweep(served.service.table, served.service.store.results, grace=0.0) == []


def test_an_edit_is_the_next_folder(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "make_avatar", written)

    def edited(changes: Any, old: Path, out: Path, progress: Any) -> dict[str, Any]:
        (out / "avatar.json").write_text("{}")
        (out / "avatar.glb").write_text((old / "avatar.glb").read_text() + f" in {changes}")
        return {}

    pretend(monkeypatch, "edit_avatar", edited)
    id = served.client.post("/v1/avatars", json={"seed": 5}, headers=served.alice).json()["id"]
    do(served)
    address = f"/v1/avatars/{id}"
    for style in ("comic", "pixar"):
        served.client.patch(address, json={"style": style}, headers=served.alice)
    do(served)
    do(served)
    file = served.client.get(f"{address}.glb", headers=served.alice)
    assert file.text == "of 5 in {'style': 'comic'} in {'style': 'pixar'}"
    assert file.headers["X-Version"] == "3"
    assert len(sweep(served.service.table, served.service.store.results, grace=0.0)) == 2
    assert served.client.get(f"{address}.glb", headers=served.alice).text == file.text


def test_an_edit_of_what_is_gone(served: Served) -> None:
    id = served.avatar(served.alice)
    served.client.patch(f"/v1/avatars/{id}", json={"style": "comic"}, headers=served.alice)
    served.client.delete(f"/v1/avatars/{id}", headers=served.alice)
    with pytest.raises(JobError, match="deleted"):
        Work(served.service.settings)(lease(served).job, SILENT)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (PhotoError("{photo} has no face."), PhotoError),
        (CheckpointError("/srv/weights is damaged."), RuntimeError),
        (OutputError("/srv/results cannot be written: the disk is full."), RuntimeError),
        (MemoryError(), MemoryError),
    ],
)
def test_what_goes_wrong(
    served: Served, jpeg: bytes, monkeypatch: pytest.MonkeyPatch, error: Exception,
    expected: type[Exception],
) -> None:  # fmt: skip
    def fails(payload: Any, photo: Path, out: Path, progress: Any) -> dict[str, Any]:
        (out / "half").touch()
        raise type(error)(*(text.format(photo=photo) for text in error.args))

    pretend(monkeypatch, "make_head", fails)
    served.client.post("/v1/heads", files={"photo": jpeg}, headers=served.alice)
    with pytest.raises(expected) as caught:
        Work(served.service.settings)(lease(served).job, SILENT)
    if expected is PhotoError:
        assert str(caught.value) == "The photo has no face."
    assert list(served.service.store.results.iterdir()) == []


def test_a_photo_that_is_gone(served: Served, jpeg: bytes) -> None:
    answer = served.client.post("/v1/heads", files={"photo": jpeg}, headers=served.alice)
    served.service.store.photo(answer.json()["id"]).unlink()
    with pytest.raises(JobError, match="send it again"):
        Work(served.service.settings)(lease(served).job, SILENT)


@pytest.mark.slow
def test_a_seed_for_real(served: Served) -> None:
    client, alice = served.client, served.alice
    id = client.post("/v1/avatars", json={"seed": 5}, headers=alice).json()["id"]
    do(served)
    client.patch(f"/v1/avatars/{id}", json={"parameters": {"hair_grey": 1.0}}, headers=alice)
    body = {"format": "png", "size": 64, "expression": "happy", "background": [255, 255, 255]}
    do(served)
    client.post(f"/v1/avatars/{id}/exports", json=body, headers=alice)
    client.post(f"/v1/avatars/{id}/exports", json={"quality": "low"}, headers=alice)
    do(served)
    do(served)
    png = client.get(
        f"/v1/avatars/{id}.png?size=64&expression=happy&background=255,255,255", headers=alice
    )
    assert png.content[:4] == b"\x89PNG"
    low = client.get(f"/v1/avatars/{id}.glb?quality=low", headers=alice)
    whole = client.get(f"/v1/avatars/{id}.glb", headers=alice)
    assert low.content[:4] == whole.content[:4] == b"glTF"
    assert len(low.content) < len(whole.content) / 8
    head = client.post("/v1/heads", json={"seed": 5}, headers=alice).json()["id"]
    do(served)
    assert client.get(f"/v1/heads/{head}.safetensors", headers=alice).status_code == 200
