"""Who asks: API keys, links that are signed, and pages that are embedded.

Authorization: Bearer KEY, or X-API-Key: KEY ─▶ tenant
?expires=…&signature=… on a file's address    ─▶ that one result, to read
Authorization: Bearer embed.TENANT.EXPIRES.MAC ─▶ tenant, for a page in the user's browser
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from portraiture.jobs.table import JobTable, Result
from portraiture.service.limits import RateLimit
from portraiture.service.problems import ProblemError
from portraiture.service.settings import ServiceSettings
from portraiture.service.signatures import check_embed, check_link
from portraiture.service.store import Store

LOCAL = "local"
"""The tenant of requests without a key, where the service is open."""
EMBED = "embed."
"""What tokens of embedded pages begin with."""
MAX_DECODED = 2
"""A photo of 80 megapixels takes half a gigabyte while it is decoded."""
LINK_SECONDS = 24 * 3600
"""How long a signed link stays good."""
BEARER = HTTPBearer(auto_error=False, description="An API key: portraiture keys add NAME")
HEADER = APIKeyHeader(name="X-API-Key", auto_error=False, description="The same API key")


@dataclass(frozen=True)
class Service:
    """What every route works with. table: jobs, results and keys. secret: signs links. limit: of
    requests. store: the files. decoding: of photos that are decoded at once."""

    settings: ServiceSettings
    table: JobTable
    secret: bytes
    limit: RateLimit
    store: Store
    decoding: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(MAX_DECODED))


async def service_of(request: Request) -> Service:
    """The service that a request came to."""
    return request.app.state.service


def tenant_of(
    service: Annotated[Service, Depends(service_of)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
    header: Annotated[str | None, Depends(HEADER)],
) -> str:
    """Who asks, one request of theirs counted. Raises ProblemError 401 or 429."""
    tenant = _known(service, bearer.credentials if bearer else header)
    service.limit.take(tenant)
    return tenant


def owner_of(
    service: Annotated[Service, Depends(service_of)],
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
    header: Annotated[str | None, Depends(HEADER)],
) -> str:
    """Who asks, by an API key. An embedded page, which somebody's browser shows, may make avatars
    and read those whose ids it knows; it may not list, change or delete. Raises ProblemError
    401, 403 or 429."""
    tenant = tenant_of(service, bearer, header)
    if (bearer and bearer.credentials.startswith(EMBED)) or (header or "").startswith(EMBED):
        raise ProblemError(403, "An embedded page may not do this; use your API key.")
    return tenant


Tenant = Annotated[str, Depends(tenant_of)]
Owner = Annotated[str, Depends(owner_of)]
ThisService = Annotated[Service, Depends(service_of)]


def _known(service: Service, key: str | None) -> str:
    if key is None:
        if service.settings.open:
            return LOCAL
        raise _refused("Send an API key as Authorization: Bearer KEY; portraiture keys add NAME")
    if key.startswith(EMBED):
        tenant = check_embed(service.secret, key)
    else:
        tenant = service.table.tenant_of(key)
    if tenant is None:
        raise _refused("This API key is unknown, revoked or expired; ask for a new one")
    return tenant


def _refused(sentence: str) -> ProblemError:
    return ProblemError(401, f"{sentence}.", {"WWW-Authenticate": "Bearer"})


def readable(
    request: Request,
    id: str,
    service: ThisService,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
    header: Annotated[str | None, Depends(HEADER)],
) -> Result:
    """The result whose file is asked for, by its tenant or by a signed link. Raises ProblemError
    401, 404, 409 or 429."""
    signature = request.query_params.get("signature")
    if signature is None:
        tenant = tenant_of(service, bearer, header)
    else:
        expires = request.query_params.get("expires", "")
        good = expires.isdecimal() and len(expires) < 16
        good = good and check_link(service.secret, id, int(expires), signature)
        tenant = service.table.tenant_of_result(id) if good else None
        if tenant is None:
            raise ProblemError(403, "This link has expired or was changed; ask for a new one.")
        service.limit.take(f"link {id}")
    return find_result(service, id, tenant)


def find_result(service: Service, id: str, tenant: str) -> Result:
    """A tenant's result. Raises ProblemError 404, or 409 while it is being made."""
    result = service.table.result(id, tenant=tenant)
    if result is not None:
        return result
    job = service.table.get(id, tenant=tenant)
    if job is not None and job.state in ("queued", "running"):
        where = {"Location": f"/v1/jobs/{id}", "Retry-After": "2"}
        raise ProblemError(409, f"It is still being made; see /v1/jobs/{id}.", where)
    raise ProblemError(404, "There is nothing of yours with this id.")


Readable = Annotated[Result, Depends(readable)]


def now() -> int:
    """Seconds since 1970."""
    return int(time.time())
