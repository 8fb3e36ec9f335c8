"""Routes of neural heads."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from portraiture.service.access import Owner, Readable, Tenant, ThisService, find_result
from portraiture.service.creation import (
    IdempotencyKey,
    check_kind,
    face_of,
    list_results,
    remove_result,
    take_on,
)
from portraiture.service.exports import file_response, made_file
from portraiture.service.ids import ID, ExportName, Id
from portraiture.service.links import result_json
from portraiture.service.openapi import HEAD_PNG_QUERY, upload_body
from portraiture.service.queries import MAX_HEAD_PICTURE, key_of, picture, record_of
from portraiture.service.uploads import read_upload

router = APIRouter(prefix="/v1/heads", tags=["heads"])
WHOLE = "whole"
"""Stands for a file that has no options."""


@router.post("", status_code=202, summary="Make a neural head", openapi_extra=upload_body("head"))
async def post_head(
    request: Request, service: ThisService, tenant: Owner, key: IdempotencyKey = None
) -> JSONResponse:
    """Of a photo (form field "photo", or an image/* body) or of a seed. Answers at once with the
    job; the head's id is the job's."""
    upload = await read_upload(request, service.settings.max_upload)
    return await take_on(service, tenant, "head", upload, face_of(upload), key)


@router.get("", summary="Your heads, the newest first")
def get_heads(
    service: ThisService,
    tenant: Owner,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[
        str | None, Query(pattern=ID, description="the last id of the page before")
    ] = None,
) -> dict[str, Any]:
    """At most `limit`; ask for those after the last one to go on."""
    return list_results(service, tenant, "head", limit, after)


@router.head("/{id}.safetensors", include_in_schema=False)
@router.get(
    "/{id}.safetensors",
    summary="The head itself",
)
def get_head_file(request: Request, service: ThisService, result: Readable) -> Response:
    """What `portraiture edit` reads."""
    check_kind(result.kind, "head")
    path = service.store.file(result.folder, "head.safetensors")
    return file_response(request, path, result, "safetensors")


@router.head("/{id}.png", include_in_schema=False)
@router.get("/{id}.png", summary="A render of the head", openapi_extra=HEAD_PNG_QUERY)
async def get_head_png(request: Request, service: ThisService, result: Readable) -> Response:
    """From the side, in the size and over the background of the address."""
    check_kind(result.kind, "head")
    asked = picture(request.query_params, largest=MAX_HEAD_PICTURE)
    return await made_file(request, service, result, "png", key_of(asked), record_of(asked))


@router.head("/{id}.{suffix}", include_in_schema=False)
@router.get("/{id}.{suffix}", summary="The head's surface as GLB or PLY, or a turntable as MP4")
async def get_head_export(
    suffix: Literal["glb", "ply", "mp4"], request: Request, service: ThisService, result: Readable
) -> Response:
    """Made when it is first asked for; 202 with a job where that takes long."""
    check_kind(result.kind, "head")
    return await made_file(request, service, result, suffix, WHOLE, None)


@router.get("/{id}", summary="A head")
def get_head(id: Id, service: ThisService, tenant: Tenant) -> dict[str, Any]:
    """Its version and the addresses of its files."""
    result = find_result(service, id, tenant)
    check_kind(result.kind, "head")
    return result_json(service, result)


@router.head("/{id}/exports/{name}", include_in_schema=False)
@router.get("/{id}/exports/{name}", summary="A file that an export has made")
def get_export(
    request: Request, name: ExportName, service: ThisService, result: Readable
) -> Response:
    """Its address is in the ended job's links."""
    check_kind(result.kind, "head")
    path = service.store.export_path(result.folder, name)
    return file_response(request, path, result, path.suffix[1:])


@router.delete("/{id}", status_code=204, summary="Delete a head")
def delete_head(id: Id, service: ThisService, tenant: Owner) -> Response:
    """With all its files; its job is cancelled where it still runs."""
    remove_result(service, tenant, id, "head")
    return Response(None, 204)
