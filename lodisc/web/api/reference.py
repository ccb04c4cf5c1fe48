"""The documentation of the API: its OpenAPI description, written out as a page."""

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse

from lodisc.web.rendering import render

router = APIRouter(include_in_schema=False)
REFERENCE = "#/components/schemas/"
MEDIA = {
    "multipart/form-data": "a multipart form",
    "text/csv": "CSV",
    "image/webp": "a WebP picture",
    "image/jpeg": "a JPEG picture",
}


@dataclass(frozen=True)
class Field:
    """A parameter of a call, or a part of an object: its type in words, and the object that it is of."""

    name: str
    type: str
    object: str | None
    words: str


@dataclass(frozen=True)
class Call:
    """One call: what it takes and what it gives."""

    method: str
    path: str
    words: str
    fields: list[Field]
    takes: tuple[str, str | None] | None
    gives: tuple[str, str | None]


@router.get("/api/docs")
def docs(request: Request) -> HTMLResponse:
    """The page."""
    described = request.app.openapi()
    schemas = described["components"]["schemas"]
    parts: dict[str, list[Call]] = {}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            parts.setdefault(operation["tags"][0], []).append(
                _call(method, path, operation, schemas=schemas)
            )
    objects = {
        name: (schema.get("description", ""), _fields(schema))
        for name, schema in sorted(schemas.items())
        if "properties" in schema
    }
    return render(
        "api.html",
        title=described["info"]["title"],
        words=described["info"]["description"],
        parts=parts,
        objects=objects,
    )


def _call(method: str, path: str, operation: dict[str, Any], *, schemas: dict[str, Any]) -> Call:
    fields = [
        Field(one["name"], *_optional(one["schema"], schemas), _words(one["schema"]))
        for one in operation.get("parameters", [])
    ]
    takes = None
    for media, body in operation.get("requestBody", {}).get("content", {}).items():
        takes = _content(media, body)
        if takes[1] is None:
            fields += _fields(body["schema"])
    ((media, body),) = operation["responses"]["200"]["content"].items()
    return Call(
        method.upper(), path, operation["description"], fields, takes, _content(media, body)
    )


def _optional(schema: dict[str, Any], schemas: dict[str, Any]) -> tuple[str, str | None]:
    """The type of a parameter, which is left out rather than null."""
    text, name = _typed(
        schemas[schema["$ref"].removeprefix(REFERENCE)] if "$ref" in schema else schema
    )
    return text.removesuffix(" or null"), name


def _content(media: str, body: dict[str, Any]) -> tuple[str, str | None]:
    return _typed(body["schema"]) if media == "application/json" else (MEDIA[media], None)


def _fields(schema: dict[str, Any]) -> list[Field]:
    return [Field(name, *_typed(part), _words(part)) for name, part in schema["properties"].items()]


def _words(schema: dict[str, Any]) -> str:
    """What a value means, and what it is when it is left out."""
    default = f"by default {schema['default']}" if schema.get("default") is not None else ""
    return "; ".join(filter(None, (str(schema.get("description", "")), default)))


def _typed(schema: dict[str, Any]) -> tuple[str, str | None]:
    """A type in words, and the name of the object in it."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REFERENCE)
        return name, name
    if "anyOf" in schema:
        kinds = [_typed(one) for one in schema["anyOf"]]
        return " or ".join(text for text, _ in kinds), next(
            (name for _, name in kinds if name), None
        )
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"])), None
    if schema.get("type") == "array":
        text, name = _typed(schema["items"])
        return f"list of {text}", name
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_typed(schema['additionalProperties'])[0]} by name", None
    kind = {"binary": "file"}.get(schema.get("format", ""), schema.get("type", "object"))
    low, high = schema.get("minimum"), schema.get("maximum")
    bounds = f" from {low} to {high}" if low is not None and high is not None else ""
    return f"{kind}{bounds}", None
