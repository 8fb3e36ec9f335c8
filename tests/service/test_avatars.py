"""Routes of avatars: asked for, followed, fetched, changed, exported, listed and deleted."""

from __future__ import annotations

import json

import pytest
from served import Served


def test_a_seed_becomes_an_avatar(served: Served) -> None:
    client, alice = served.client, served.alice
    answer = client.post("/v1/avatars", json={"seed": 7, "style": "pixar"}, headers=alice)
    job = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}" == job["links"]["self"]
    assert job["state"] == "queued"
    early = client.get(f"/v1/avatars/{job['id']}.glb", headers=alice)
    assert early.status_code == 409 and early.headers["Location"] == f"/v1/jobs/{job['id']}"
    (done,) = served.work()
    assert done.payload == {"style": "pixar", "seed": 7}
    assert client.get(job["links"]["self"], headers=alice).json()["state"] == "done"
    avatar = client.get(job["links"]["result"], headers=alice).json()
    assert avatar["version"] == 1
    for suffix in ("glb", "vrm", "json"):
        file = client.get(avatar["links"][suffix], headers=alice)
        assert file.status_code == 200
        assert file.text == f"avatar.{suffix} of {job['id']}"


def test_a_photo_is_kept_for_the_worker_alone(served: Served, jpeg: bytes) -> None:
    form = {"style": "comic", "face": "2", "title": "Me"}
    answer = served.client.post(
        "/v1/avatars", data=form, files={"photo": ("../../me.jpg", jpeg)}, headers=served.alice
    )
    id = answer.json()["id"]
    assert served.service.store.photo(id).read_bytes() == jpeg
    assert [path.name for path in served.service.store.photos.iterdir()] == [id]
    (done,) = served.work()
    assert {**done.payload, "photo": None} == {
        "style": "comic", "face": 2, "title": "Me", "photo": None,
    }  # fmt: skip


def test_a_raw_photo(served: Served, jpeg: bytes) -> None:
    headers = {**served.alice, "Content-Type": "image/jpeg"}
    answer = served.client.post("/v1/avatars?style=cartoon", content=jpeg, headers=headers)
    assert answer.status_code == 202
    assert served.work()[0].payload["style"] == "cartoon"


def test_the_same_key_is_the_same_job(served: Served, jpeg: bytes) -> None:
    headers = {**served.alice, "Idempotency-Key": "once"}

    def post(photo: bytes) -> object:
        return served.client.post("/v1/avatars", files={"photo": photo}, headers=headers)

    first, second = post(jpeg), post(jpeg)
    assert first.json()["id"] == second.json()["id"]
    assert len(list(served.service.store.photos.iterdir())) == 1
    other = served.client.post("/v1/avatars", json={"seed": 3}, headers=headers)
    assert other.status_code == 409
    bobs = {**served.bob, "Idempotency-Key": "once"}
    assert served.client.post("/v1/avatars", json={"seed": 3}, headers=bobs).status_code == 202


def test_options_make_a_file_once(served: Served) -> None:
    id = served.avatar(served.alice)
    address = f"/v1/avatars/{id}.glb?lod=2&morphTargets=none"
    waiting = served.client.get(address, headers=served.alice)
    assert waiting.status_code == 202
    again = served.client.get(address, headers=served.alice)
    assert again.json()["id"] == waiting.json()["id"]
    assert len(served.work()) == 1
    made = served.client.get(address, headers=served.alice)
    assert made.status_code == 200 and made.text.endswith(f".glb of {id}")
    assert served.client.get(address, headers=served.alice).text == made.text
    assert served.work() == []


def test_an_export_beforehand_is_the_same_file(served: Served) -> None:
    id = served.avatar(served.alice)
    body = {"format": "glb", "lod": 2, "useMeshOptCompression": True, "morphTargets": ["ARKit"]}
    answer = served.client.post(f"/v1/avatars/{id}/exports", json=body, headers=served.alice)
    assert answer.status_code == 202
    served.work()
    query = "lod=2&useMeshOptCompression=true&morphTargets=ARKit"
    made = served.client.get(f"/v1/avatars/{id}.glb?{query}", headers=served.alice)
    assert made.status_code == 200


def test_a_failed_export_can_be_asked_for_again(served: Served) -> None:
    id = served.avatar(served.alice)
    address = f"/v1/avatars/{id}.png?size=64"
    first = served.client.get(address, headers=served.alice).json()["id"]
    lease = served.service.table.lease("worker", 60.0)
    assert lease is not None and lease.job.id == first
    served.service.table.fail(lease, "The lamp is broken.", again=False)
    second = served.client.get(address, headers=served.alice)
    assert second.status_code == 202 and second.json()["id"] != first
    served.work()
    assert served.client.get(address, headers=served.alice).status_code == 200


def test_a_change_makes_the_next_version(served: Served) -> None:
    id = served.avatar(served.alice)
    address, changes = f"/v1/avatars/{id}", {"parameters": {"age": 0.9}, "style": "comic"}
    before = served.client.get(f"{address}.glb", headers=served.alice)
    answer = served.client.patch(address, json=changes, headers=served.alice)
    assert answer.status_code == 202
    assert answer.json()["links"]["result"] == address
    assert served.client.get(f"{address}.glb", headers=served.alice).text == before.text
    (done,) = served.work()
    assert done.payload["changes"] == changes
    after = served.client.get(f"{address}.glb", headers=served.alice)
    assert after.text == f"avatar.glb of {done.id}"
    assert served.client.get(address, headers=served.alice).json()["version"] == 2
    assert after.headers["ETag"] != before.headers["ETag"]


def test_a_change_of_another_version_is_refused(served: Served) -> None:
    address = f"/v1/avatars/{served.avatar(served.alice)}"
    changes = {"style": "comic"}
    for version, status in (("2", 412), ("x", 422), ('"1"', 202)):
        headers = {**served.alice, "If-Match": version}
        assert served.client.patch(address, json=changes, headers=headers).status_code == status


def test_lists_go_page_by_page(served: Served) -> None:
    ids = [served.avatar(served.alice, seed) for seed in range(5)]
    served.avatar(served.bob)
    page = served.client.get("/v1/avatars?limit=3", headers=served.alice).json()["avatars"]
    last = page[-1]["id"]
    rest = served.client.get(f"/v1/avatars?after={last}", headers=served.alice).json()["avatars"]
    assert [avatar["id"] for avatar in (*page, *rest)] == ids[::-1]
    assert served.client.get("/v1/heads", headers=served.alice).json() == {"heads": []}


def test_deleted_is_gone(served: Served) -> None:
    id = served.avatar(served.alice)
    assert served.client.delete(f"/v1/avatars/{id}", headers=served.alice).status_code == 204
    for address in (f"/v1/avatars/{id}", f"/v1/avatars/{id}.glb", f"/v1/avatars/{id}.png"):
        assert served.client.get(address, headers=served.alice).status_code == 404
    assert list(served.service.store.results.iterdir()) == []
    assert served.client.delete(f"/v1/avatars/{id}", headers=served.alice).status_code == 404


def test_deleted_before_it_is_made(served: Served, jpeg: bytes) -> None:
    job = served.client.post("/v1/avatars", files={"photo": jpeg}, headers=served.alice).json()
    address = f"/v1/avatars/{job['id']}"
    assert served.client.delete(address, headers=served.alice).status_code == 204
    assert list(served.service.store.photos.iterdir()) == []
    assert served.work() == []
    state = served.client.get(f"/v1/jobs/{job['id']}", headers=served.alice).json()["state"]
    assert state == "cancelled"


def test_caches_ask_whether_it_has_changed(served: Served) -> None:
    address = f"/v1/avatars/{served.avatar(served.alice)}.glb"
    tag = served.client.get(address, headers=served.alice).headers["ETag"]
    again = served.client.get(address, headers={**served.alice, "If-None-Match": tag})
    assert again.status_code == 304 and again.content == b""


def test_a_signed_link_needs_no_key(served: Served) -> None:
    id, other = served.avatar(served.alice), served.avatar(served.alice, 2)
    public = served.client.get(f"/v1/avatars/{id}", headers=served.alice).json()["public"]
    assert served.client.get(public["glb"]).text == f"avatar.glb of {id}"
    assert served.client.get(public["glb"] + "&lod=2").status_code == 202
    for changed in (
        public["glb"].replace(id, other),
        public["glb"][:-1] + ("0" if public["glb"][-1] != "0" else "1"),
        public["glb"].replace("expires=", "expires=9"),
        f"/v1/avatars/{id}.glb?signature=ü&expires=1",
        f"/v1/avatars/{id}.glb?signature=x",
        f"/v1/avatars/{id}.glb?signature=x&expires={'9' * 40}",
    ):
        assert served.client.get(changed).status_code == 403, changed
    assert served.client.get(f"/v1/avatars/{id}.glb").status_code == 401


@pytest.mark.parametrize("kind", ["heads", "avatars"])
def test_a_head_is_no_avatar(served: Served, kind: str) -> None:
    other = "avatars" if kind == "heads" else "heads"
    job = served.client.post(f"/v1/{kind}", json={"seed": 1}, headers=served.alice).json()
    served.work()
    for suffix in ("", ".glb", ".png"):
        address = f"/v1/{other}/{job['id']}{suffix}"
        assert served.client.get(address, headers=served.alice).status_code == 404
    gone = served.client.delete(f"/v1/{other}/{job['id']}", headers=served.alice)
    assert gone.status_code == 404


def test_events_end_with_the_job(served: Served) -> None:
    job = served.client.post("/v1/avatars", json={"seed": 1}, headers=served.alice).json()
    served.work()
    events = served.client.get(f"/v1/jobs/{job['id']}/events", headers=served.alice).text
    name, data = events.strip().splitlines()[:2]
    assert name == "event: done"
    assert json.loads(data.removeprefix("data: "))["id"] == job["id"]


def test_a_broken_export_is_our_fault_and_a_cancelled_one_is_nobodys(served: Served) -> None:
    id = served.avatar(served.alice)
    address = f"/v1/avatars/{id}.png?size=64"
    for _ in range(5):
        job = served.client.get(address, headers=served.alice).json()["id"]
        served.client.delete(f"/v1/jobs/{job}", headers=served.alice)
    for _ in range(9):
        served.client.get(address, headers=served.alice)
        lease = served.service.table.lease("worker", 60.0)
        assert lease is not None
        served.service.table.fail(lease, "The lamp is broken.", again=True)
    answer = served.client.get(address, headers=served.alice)
    assert answer.status_code == 503 and answer.headers["Retry-After"]


def test_an_export_says_where_its_file_is(served: Served) -> None:
    id = served.avatar(served.alice)
    job = served.client.post(f"/v1/avatars/{id}/exports", json={"lod": 2}, headers=served.alice)
    served.work()
    links = served.client.get(job.headers["Location"], headers=served.alice).json()["links"]
    file = served.client.get(links["file"], headers=served.alice)
    assert file.text.endswith(f" of {id}")
    head = served.client.head(links["file"], headers=served.alice)
    assert head.status_code == 200 and head.headers["Content-Length"] == str(len(file.content))
    for name in ("..%2favatar.json", "secret", "a.json", ".glb"):
        address = f"/v1/avatars/{id}/exports/{name}"
        assert served.client.get(address, headers=served.alice).status_code in (404, 422)


def test_changes_are_done_in_their_order(served: Served) -> None:
    id = served.avatar(served.alice)
    for style in ("comic", "pixar"):
        served.client.patch(f"/v1/avatars/{id}", json={"style": style}, headers=served.alice)
    table = served.service.table
    first = table.lease("one", 60.0)
    assert first is not None and first.job.payload["changes"] == {"style": "comic"}
    assert table.lease("two", 60.0) is None


def test_a_heads_files_are_made_when_asked_for(served: Served) -> None:
    job = served.client.post("/v1/heads", json={"seed": 1}, headers=served.alice).json()
    served.work()
    for suffix in ("glb", "ply", "mp4"):
        address = f"/v1/heads/{job['id']}.{suffix}"
        assert served.client.get(address, headers=served.alice).status_code == 202
        (done,) = served.work()
        assert (done.kind, done.payload["kind"], done.payload["suffix"]) == (
            "export", "head", suffix,
        )  # fmt: skip
        assert served.client.get(address, headers=served.alice).status_code == 200
    unknown = served.client.get(f"/v1/heads/{job['id']}.obj", headers=served.alice)
    assert unknown.status_code == 422
