"""No route answers one tenant with what is another's, nor says that it is there."""

from __future__ import annotations

import re
from typing import Any

import pytest
from served import Served

from portraiture.service.embed import TOKEN_SECONDS
from portraiture.service.signatures import check_embed

FREE = {"/metrics", "/health", "/embed", "/embed.{suffix}", "/openapi.json"}
"""Routes that serve everybody the same."""


def routes(served: Served) -> list[tuple[str, str]]:
    """Every method and path of the application."""
    schema = served.client.get("/openapi.json").json()
    return [
        (method.upper(), path)
        for path, methods in schema["paths"].items()
        for method in methods
        if path not in FREE
    ]


def filled(path: str, id: str) -> str:
    name = "a" * 32 + ".glb"
    return path.replace("{id}", id).replace("{name}", name).replace("{suffix}", "ply")


def body(method: str, path: str) -> Any:
    match method, path.rsplit("/", 1)[-1]:
        case "PATCH", _:
            return {"style": "comic"}
        case "POST", "exports":
            return {"format": "glb", "lod": 2}
        case "POST", _:
            return {"seed": 1}
        case _:
            return None


def test_every_route_with_anothers_ids(served: Served) -> None:
    alices = served.avatar(served.alice)
    head = served.client.post("/v1/heads", json={"seed": 1}, headers=served.alice).json()["id"]
    served.work()
    unknown = "0" * 32
    tried = 0
    for method, path in routes(served):
        if "{id}" not in path:
            continue
        answers = []
        for id in (alices, head, unknown):
            answer = served.client.request(
                method, filled(path, id), json=body(method, path), headers=served.bob
            )
            assert answer.status_code == 404, (method, path, answer.text)
            answers.append(answer.text.replace(id, ""))
            tried += 1
        assert len(set(answers)) == 1, (method, path)
    assert tried >= 3 * 16
    for id in (alices, head):
        kind = "avatars" if id == alices else "heads"
        assert served.client.get(f"/v1/{kind}/{id}", headers=served.alice).status_code == 200


def test_every_route_that_is_not_free_wants_a_key(served: Served) -> None:
    for path in FREE:
        answer = served.client.get(path.replace("{suffix}", "js"))
        assert answer.status_code == 200
    for method, path in routes(served):
        address = filled(path, "a" * 32)
        answer = served.client.request(method, address, json=body(method, path))
        assert answer.status_code == 401, (method, path)


def test_lists_are_ones_own(served: Served) -> None:
    alices, bobs = served.avatar(served.alice), served.avatar(served.bob)
    for headers, own in ((served.alice, alices), (served.bob, bobs)):
        listed = served.client.get("/v1/avatars", headers=headers).json()["avatars"]
        assert [avatar["id"] for avatar in listed] == [own]
    page = served.client.get(f"/v1/avatars?after={alices}", headers=served.bob).json()
    assert page == {"avatars": []}


def test_an_id_cannot_be_guessed(served: Served) -> None:
    ids = [served.avatar(served.alice, seed) for seed in range(8)]
    assert all(re.fullmatch("[0-9a-f]{32}", id) for id in ids)
    positions = zip(*ids, strict=True)
    assert all(len(set(digits)) > 1 for digits in positions)


def test_a_revoked_key_is_no_key(served: Served) -> None:
    (key,) = served.service.table.keys(tenant="alice")
    assert served.client.get("/v1/avatars", headers=served.alice).status_code == 200
    assert served.service.table.revoke(key.id, tenant="alice")
    assert served.client.get("/v1/avatars", headers=served.alice).status_code == 401


def test_an_embedded_page_makes_and_reads_only(served: Served) -> None:
    answer = served.client.post("/v1/embed-tokens", headers=served.alice).json()
    page = {"Authorization": f"Bearer {answer['token']}"}
    assert check_embed(served.service.secret, answer["token"]) == "alice"
    assert answer["expires"] - TOKEN_SECONDS > 0
    id = served.avatar(page)
    assert served.client.get(f"/v1/avatars/{id}.glb", headers=page).status_code == 200
    assert served.client.get(f"/v1/avatars/{id}", headers=served.alice).status_code == 200
    for method, address in (
        ("GET", "/v1/avatars"), ("GET", "/v1/heads"), ("POST", "/v1/heads"),
        ("POST", "/v1/embed-tokens"), ("PATCH", f"/v1/avatars/{id}"),
        ("DELETE", f"/v1/avatars/{id}"), ("POST", f"/v1/avatars/{id}/exports"),
    ):  # fmt: skip
        refused = served.client.request(method, address, json={"seed": 1}, headers=page)
        assert refused.status_code == 403, (method, address)


@pytest.mark.parametrize("open", [True, False])
def test_open_serves_the_local_tenant(tmp_path: Any, open: bool) -> None:
    from served import make_served

    served = make_served(tmp_path, open=open)
    status = served.client.get("/v1/avatars").status_code
    assert status == (200 if open else 401)
    served.avatar(served.alice)
    if open:
        assert served.client.get("/v1/avatars").json() == {"avatars": []}
    assert served.client.get("/v1/avatars", headers={"X-API-Key": "x"}).status_code == 401
