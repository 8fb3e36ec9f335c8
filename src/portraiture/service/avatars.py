"""Routes of avatars."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import JSONResponse, Response
from starlette.concurrency import run_in_threadpool

from portraiture.export.options import GlbOptions
from portraiture.service.access import Owner, Readable, Tenant, ThisService, find_result
from portraiture.service.changes import STYLES, check_changes
from portraiture.service.creation import (
    IdempotencyKey,
    accepted,
    check_kind,
    face_of,
    list_results,
    remove_result,
    take_on,
    whole,
)
from portraiture.service.exports import export_job, file_response, made_file
from portraiture.service.ids import ID, ExportName, Id
from portraiture.service.links import result_json
from portraiture.service.openapi import EXPORT_BODY, GLB_QUERY, PATCH_BODY, PNG_QUERY, upload_body
from portraiture.service.problems import ProblemError
from portraiture.service.queries import glb_options, key_of, picture, record_of
from portraiture.service.uploads import read_json, read_upload

router = APIRouter(prefix="/v1/avatars", tags=["avatars"])
MAX_TITLE = 100


@router.post("", status_code=202, summary="Make an avatar", openapi_extra=upload_body("avatar"))
async def post_avatar(
    request: Request, service: ThisService, tenant: Tenant, key: IdempotencyKey = None
) -> JSONResponse:
    """Of a photo (form field "photo", or an image/* body) or of a seed. Answers at once with the
    job; the avatar's id is the job's."""
    upload = await read_upload(request, service.settings.max_upload)
    options: dict[str, Any] = {"style": _style(upload.fields.get("style", "natural"))}
    options |= face_of(upload)
    if title := str(upload.fields.get("title", "")).strip():
        options["title"] = title[:MAX_TITLE]
    return await take_on(service, tenant, "avatar", upload, options, key)


@router.get("", summary="Your avatars, the newest first")
def get_avatars(
    service: ThisService,
    tenant: Owner,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[
        str | None, Query(pattern=ID, description="the last id of the page before")
    ] = None,
) -> dict[str, Any]:
    """At most `limit`; ask for those after the last one to go on."""
    return list_results(service, tenant, "avatar", limit, after)


@router.head("/{id}.glb", include_in_schema=False)
@router.get("/{id}.glb", summary="The avatar as GLB", openapi_extra=GLB_QUERY)
async def get_glb(request: Request, service: ThisService, result: Readable) -> Response:
    """With the options of the address; made when they are first asked for, then kept. 202 with a
    job where that takes long."""
    check_kind(result.kind, "avatar")
    options = glb_options(request.query_params)
    if key_of(options) == DEFAULT_GLB:
        path = service.store.file(result.folder, "avatar.glb")
        return file_response(request, path, result, "glb")
    return await made_file(request, service, result, "glb", key_of(options), record_of(options))


@router.head("/{id}.png", include_in_schema=False)
@router.get("/{id}.png", summary="A render of the avatar", openapi_extra=PNG_QUERY)
async def get_png(request: Request, service: ThisService, result: Readable) -> Response:
    """A portrait with the pose, expression and background of the address."""
    check_kind(result.kind, "avatar")
    asked = picture(request.query_params)
    return await made_file(request, service, result, "png", key_of(asked), record_of(asked))


@router.head("/{id}.vrm", include_in_schema=False)
@router.get(
    "/{id}.vrm",
    summary="The avatar as VRM 1.0",
)
def get_vrm(request: Request, service: ThisService, result: Readable) -> Response:
    """The file that was written with the avatar."""
    check_kind(result.kind, "avatar")
    path = service.store.file(result.folder, "avatar.vrm")
    return file_response(request, path, result, "vrm")


@router.head("/{id}.json", include_in_schema=False)
@router.get(
    "/{id}.json",
    summary="The avatar's parameters and texture",
)
def get_json(request: Request, service: ThisService, result: Readable) -> Response:
    """What `portraiture render` and `portraiture export` read."""
    check_kind(result.kind, "avatar")
    path = service.store.file(result.folder, "avatar.json")
    return file_response(request, path, result, "json")


@router.get("/{id}", summary="An avatar")
def get_avatar(id: Id, service: ThisService, tenant: Tenant) -> dict[str, Any]:
    """Its version and the addresses of its files."""
    result = find_result(service, id, tenant)
    check_kind(result.kind, "avatar")
    return result_json(service, result)


@router.patch("/{id}", status_code=202, summary="Change an avatar", openapi_extra=PATCH_BODY)
async def patch_avatar(
    id: Id, request: Request, service: ThisService, tenant: Owner, key: IdempotencyKey = None,
    if_match: Annotated[str | None, Header(description="only this version is changed")] = None,
) -> JSONResponse:  # fmt: skip
    """Parameters, style or expression; what is not named stays. Answers with the job that makes the
    next version; until it is done the files are the old ones."""
    changes = await read_json(request)
    result = await run_in_threadpool(find_result, service, id, tenant)
    check_kind(result.kind, "avatar")
    version = whole((if_match or "").strip('" ') or None, "If-Match", 1, 10**9)
    if version is not None and version != result.version:
        raise ProblemError(412, f"The avatar is at version {result.version} now.")
    await run_in_threadpool(check_changes, changes)
    payload = {"id": id, "kind": "avatar", "changes": changes}
    if version is not None:
        payload["version"] = version
    job = await run_in_threadpool(
        service.table.enqueue, "edit", payload, tenant=tenant, key=key and f"client:{key}",
        subject=id, max_queued=service.settings.max_queued, max_own=service.settings.max_own,
    )  # fmt: skip
    return accepted(job)


@router.post(
    "/{id}/exports", status_code=202, summary="Make a file beforehand", openapi_extra=EXPORT_BODY
)
async def post_export(
    id: Id, request: Request, service: ThisService, tenant: Owner
) -> JSONResponse:
    """The body has the names that the address of a .glb or .png takes, and "format"."""
    asked = await read_json(request)
    result = await run_in_threadpool(find_result, service, id, tenant)
    check_kind(result.kind, "avatar")
    query = {name: _text(value) for name, value in asked.items()}
    match query.pop("format", "glb"):
        case "glb":
            options = glb_options(query)
        case "png":
            options = picture(query)
        case _:
            raise ProblemError(422, "format: choose one of glb, png.")
    suffix = "png" if type(options).__name__ == "Picture" else "glb"
    job = await run_in_threadpool(
        export_job, service, result, suffix, key_of(options), record_of(options)
    )
    return accepted(job)


@router.head("/{id}/exports/{name}", include_in_schema=False)
@router.get("/{id}/exports/{name}", summary="A file that an export has made")
def get_export(
    request: Request, name: ExportName, service: ThisService, result: Readable
) -> Response:
    """Its address is in the ended job's links."""
    check_kind(result.kind, "avatar")
    path = service.store.export_path(result.folder, name)
    return file_response(request, path, result, path.suffix[1:])


@router.delete("/{id}", status_code=204, summary="Delete an avatar")
def delete_avatar(id: Id, service: ThisService, tenant: Owner) -> Response:
    """With all its files and versions; its job is cancelled where it still runs."""
    remove_result(service, tenant, id, "avatar")
    return Response(None, 204)


def _style(style: Any) -> str:
    if style not in STYLES:
        raise ProblemError(422, f"style: choose one of {', '.join(STYLES)}.")
    return style


def _text(value: Any) -> str:
    """A value of JSON as an address would have it."""
    match value:
        case bool():
            return "true" if value else "false"
        case list():
            return ",".join(str(one) for one in value)
        case _:
            return str(value)


DEFAULT_GLB = key_of(GlbOptions())
