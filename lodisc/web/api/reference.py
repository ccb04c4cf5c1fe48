"""The documentation of the API: its OpenAPI description as a page."""

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
    """A parameter of a call, or a field of an object; `object` names the object in its type."""

    name: str
    type: str
    object: str | None
    words: str


@dataclass(frozen=True)
class Call:
    """One call: what it takes and what it returns."""

    method: str
    path: str
    words: str
    fields: list[Field]
    takes: tuple[str, str | None] | None
    gives: tuple[str, str | None]


@router.get("/api/docs")
def docs(request: Request) -> HTMLResponse:
    """The documentation of the API."""
    spec = request.app.openapi()
    schemas = spec["components"]["schemas"]
    parts: dict[str, list[Call]] = {}
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            parts.setdefault(operation["tags"][0], []).append(
                _call(method, path, operation, schemas=schemas)
            )
    objects = {
        name: (_one_paragraph(schema.get("description", "")), _fields(schema))
        for name, schema in sorted(schemas.items())
        if "properties" in schema
    }
    return render(
        "api.html",
        title=spec["info"]["title"],
        words=spec["info"]["description"],
        parts=parts,
        objects=objects,
    )


def _call(method: str, path: str, operation: dict[str, Any], *, schemas: dict[str, Any]) -> Call:
    fields = [
        Field(
            parameter["name"],
            *_optional(parameter["schema"], schemas),
            _words(parameter["schema"]),
        )
        for parameter in operation.get("parameters", [])
    ]
    takes = None
    for media, body in operation.get("requestBody", {}).get("content", {}).items():
        takes = _content(media, body)
        if takes[1] is None:
            fields += _fields(body["schema"])
    ((media, body),) = operation["responses"]["200"]["content"].items()
    return Call(
        method=method.upper(),
        path=path,
        words=_one_paragraph(operation["description"]),
        fields=fields,
        takes=takes,
        gives=_content(media, body),
    )


def _one_paragraph(docstring: str) -> str:
    return " ".join(docstring.split())


def _optional(schema: dict[str, Any], schemas: dict[str, Any]) -> tuple[str, str | None]:
    """The type of a parameter, without null: a parameter is left out instead."""
    text, name = _type_of(
        schemas[schema["$ref"].removeprefix(REFERENCE)] if "$ref" in schema else schema
    )
    return text.removesuffix(" or null"), name


def _content(media: str, body: dict[str, Any]) -> tuple[str, str | None]:
    return _type_of(body["schema"]) if media == "application/json" else (MEDIA[media], None)


def _fields(schema: dict[str, Any]) -> list[Field]:
    return [
        Field(name, *_type_of(part), _words(part)) for name, part in schema["properties"].items()
    ]


def _words(schema: dict[str, Any]) -> str:
    """The meaning of a value, and its default."""
    default = f"by default {schema['default']}" if schema.get("default") is not None else ""
    return "; ".join(filter(None, (str(schema.get("description", "")), default)))


def _type_of(schema: dict[str, Any]) -> tuple[str, str | None]:
    """A type in words, and the name of the object in it."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REFERENCE)
        return name, name
    if "anyOf" in schema:
        kinds = [_type_of(choice) for choice in schema["anyOf"]]
        return " or ".join(text for text, _ in kinds), next(
            (name for _, name in kinds if name), None
        )
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"])), None
    if schema.get("type") == "array":
        text, name = _type_of(schema["items"])
        return f"list of {text}", name
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type_of(schema['additionalProperties'])[0]} by name", None
    kind = {"binary": "file"}.get(schema.get("format", ""), schema.get("type", "object"))
    low, high = schema.get("minimum"), schema.get("maximum")
    bounds = f" from {low} to {high}" if low is not None and high is not None else ""
    return f"{kind}{bounds}", None
