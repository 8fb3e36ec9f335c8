"""What the OpenAPI file says of bodies and addresses that the routes read by themselves."""

from __future__ import annotations

from typing import Any

from portraiture.service.changes import EDITABLE, STYLES

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}


def _query(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _one_of(*values: Any) -> Schema:
    kind = "integer" if isinstance(values[0], int) else "string"
    return {"type": kind, "enum": list(values)}


def _number(low: float, high: float, kind: str = "number") -> Schema:
    return {"type": kind, "minimum": low, "maximum": high}


SIGNED = [
    _query("expires", {"type": "integer"}, "of a signed link"),
    _query("signature", TEXT, "of a signed link, in place of an API key"),
]
VIEW = [
    _query("yaw", _number(-180, 180), "degrees; positive shows the person's left"),
    _query("pitch", _number(-45, 45), "degrees; positive looks from above"),
    _query("background", TEXT, "red, green, blue from 0 to 255; transparent without"),
]
GLB_PARAMETERS = [
    _query("quality", _one_of("low", "medium", "high"), "a choice of the following together"),
    _query("lod", _one_of(0, 1, 2), "detail: 0 all, 1 about 15,000 triangles, 2 about 5,000"),
    _query("textureSizeLimit", _one_of(256, 512, 1024, 2048), "largest side of a texture"),
    _query("textureAtlas", _one_of("none", "256", "512", "1024", "2048"), "one texture for all"),
    _query("textureFormat", _one_of("png", "jpeg", "webp"), "webp needs EXT_texture_webp"),
    _query("textureChannels", TEXT, "baseColor, normal, … with commas between; none for none"),
    _query("morphTargets", TEXT, "ARKit, Oculus Visemes, names, or none, with commas between"),
    _query("pose", _one_of("rest", "A", "T"), "of the skeleton"),
    _query("useMeshOptCompression", {"type": "boolean"}, "needs EXT_meshopt_compression"),
]
PNG_PARAMETERS = [
    _query("size", _number(16, 1024, "integer"), "pixels of a side"),
    _query("camera", _one_of("portrait", "fit"), "how the person is framed"),
    _query(
        "expression",
        _one_of(
            "own", "neutral", "happy", "lol", "sad", "scared", "rage", "angry", "relaxed",
            "surprised",
        ),
        "own is the photo's",
    ),
    *VIEW,
]  # fmt: skip
GLB_QUERY: Schema = {"parameters": [*GLB_PARAMETERS, *SIGNED]}
PNG_QUERY: Schema = {"parameters": [*PNG_PARAMETERS, *SIGNED]}
HEAD_PNG_QUERY: Schema = {
    "parameters": [_query("size", _number(16, 512, "integer"), "pixels of a side"), *VIEW, *SIGNED]
}
PATCH_BODY: Schema = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "minProperties": 1,
                    "additionalProperties": False,
                    "properties": {
                        EDITABLE[0]: {"type": "object", "description": "values by name"},
                        EDITABLE[1]: _one_of(*STYLES),
                        EDITABLE[2]: {"type": "object", "additionalProperties": _number(0, 1)},
                    },
                },
                "example": {"parameters": {"hair_length": 0.8, "shape": {"nose_scale_horiz": 0.4}}},
            }
        },
    }
}
EXPORT_BODY: Schema = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object", "properties": {"format": _one_of("glb", "png")}},
                "example": {"format": "glb", "quality": "low"},
            }
        },
    }
}


def upload_body(kind: str) -> Schema:
    """Of a request for an avatar or a head."""
    options: Schema = {"face": _number(1, 20, "integer")}
    if kind == "avatar":
        options |= {"style": _one_of(*STYLES), "title": {"type": "string", "maxLength": 100}}
    seed = {"seed": _number(0, 2**32 - 1, "integer")}
    photo = {"photo": {"type": "string", "format": "binary"}}
    raw = {"schema": {"type": "string", "format": "binary"}}
    return {
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object", "required": ["photo"], "properties": photo | options
                    }
                },
                "application/json": {
                    "schema": {
                        "type": "object", "required": ["seed"], "properties": seed | options
                    },
                    "example": {"seed": 7},
                },
                "image/jpeg": raw,
                "image/png": raw,
                "image/webp": raw,
            },
        }
    }  # fmt: skip
