"""`/openapi.json`: OpenAPI 3.1, made of the operations' own types."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from plugins.auth.admin.gate import SCOPE
from plugins.auth.admin.oauth_paths import OAUTH_PATHS
from plugins.auth.admin.operation import Operation

REFERENCE = "#/components/schemas/{name}"
NAMES = re.compile(r"\{(\w+)\}")


class ProblemBody(msgspec.Struct, frozen=True):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str


def document(issuer: str, version: str, operations: Iterable[Operation]) -> dict[str, Any]:
    found = list(operations)
    kinds = [each for op in found for each in (op.answer, op.body) if each is not None]
    _, schemas = msgspec.json.schema_components([*kinds, ProblemBody], ref_template=REFERENCE)
    paths: dict[str, Any] = {path: dict(methods) for path, methods in OAUTH_PATHS.items()}
    for operation in found:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "ait-gateway auth", "version": version},
        "servers": [{"url": issuer}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "dpop": {"type": "http", "scheme": "DPoP", "description": "RFC 9449"},
                "client": {"type": "http", "scheme": "basic"},
            },
        },
    }


def _described(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": ["admin"],
        "security": [{"bearer": [SCOPE]}, {"dpop": [SCOPE]}],
        "responses": {
            **_answers(operation),
            "default": {
                "description": "A problem",
                "content": {"application/problem+json": {"schema": _reference(ProblemBody)}},
            },
        },
    }
    if parameters := [*_in_path(operation.path), *_in_query(operation.query)]:
        found["parameters"] = parameters
    if operation.body is not None:
        content = {"application/json": {"schema": _reference(operation.body)}}
        found["requestBody"] = {"required": True, "content": content}
    return found


def _answers(operation: Operation) -> dict[str, Any]:
    if operation.streams:
        content = {kind: {"schema": {"type": "string"}} for kind in operation.streams}
        return {"200": {"description": "As it comes", "content": content}}
    if operation.answer is None:
        return {"204": {"description": "Done"}}
    content = {"application/json": {"schema": _reference(operation.answer)}}
    return {str(operation.status): {"description": operation.summary, "content": content}}


def _in_path(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in NAMES.findall(path)
    ]


def _in_query(kind: type[msgspec.Struct]) -> list[dict[str, Any]]:
    (_,), schemas = msgspec.json.schema_components([kind])
    properties = schemas[kind.__name__]["properties"]
    return [{"name": name, "in": "query", "schema": kind} for name, kind in properties.items()]


def _reference(kind: Any) -> dict[str, str]:
    return {"$ref": REFERENCE.format(name=kind.__name__)}
