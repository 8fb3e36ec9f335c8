"""The OpenAPI file describes every route, and no request made of it, good or bad, gets a 5xx.

Positive requests fit the file, negative ones break it in one place (schemathesis).
"""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from served import Served, make_served

MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


def served_with_ids(folder: Path) -> tuple[Served, list[str]]:
    """A service that has an avatar, a head and a job."""
    served = make_served(folder, wait_seconds=0.0, rate=1e6, burst=10**6, max_queued=10**6)
    ids = [served.avatar(served.alice)]
    for kind in ("heads", "avatars"):
        ids.append(
            served.client.post(f"/v1/{kind}", json={"seed": 1}, headers=served.alice).json()["id"]
        )
    return served, ids


def try_all(folder: Path, examples: int) -> int:
    """Request every operation with values made from the file, on ids that there are and others; how
    many requests."""
    served, ids = served_with_ids(folder)
    schema = schemathesis.openapi.from_asgi("/openapi.json", served.client.app)
    count = 0

    def call(case: Any) -> None:
        nonlocal count
        if case.path_parameters and "id" in case.path_parameters and count % 3:
            case.path_parameters["id"] = ids[count % len(ids)]
        count += 1
        answer = case.call(headers=served.alice)
        assert answer.status_code < 500, (case.as_curl_command(), answer.text)

    for found in schema.get_all_operations():
        for mode in MODES:
            with warnings.catch_warnings(), suppress(Unsatisfiable):  # nothing to be broken in it
                warnings.simplefilter("ignore")
                cases = found.ok().as_strategy(generation_mode=mode)
                settled = settings(
                    max_examples=examples, deadline=None, database=None, derandomize=True,
                    suppress_health_check=list(HealthCheck),
                )  # fmt: skip
                settled(given(cases)(call))()
    return count


def test_no_request_breaks_the_service(tmp_path: Path) -> None:
    assert try_all(tmp_path, 3) > 60


@pytest.mark.slow
def test_many_requests_do_not_break_the_service(tmp_path: Path) -> None:
    assert try_all(tmp_path, 100) > 2000


def test_every_operation_is_described(tmp_path: Path) -> None:
    schema = make_served(tmp_path).client.get("/openapi.json").json()
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"] and operation["description"], (method, path)
            if method in ("post", "patch") and not path.endswith("embed-tokens"):
                assert operation["requestBody"]["content"], (method, path)
    formats = schema["paths"]["/v1/avatars/{id}.glb"]["get"]["parameters"]
    assert {"lod", "textureAtlas", "morphTargets"} <= {one["name"] for one in formats}
