"""The endpoints of OAuth 2 as OpenAPI describes them; clients read the metadata of RFC 8414."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
}
CLIENT: list[dict[str, list[str]]] = [{"client": []}, {}]
NOBODY: list[dict[str, list[str]]] = [{}]


def _json(description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _form(
    name: str,
    summary: str,
    fields: Mapping[str, str],
    required: list[str],
    answers: Mapping[str, Any],
) -> dict[str, Any]:
    """fields: names, and what each is."""
    properties = {each: {"type": "string", "description": fields[each]} for each in fields}
    schema = {"type": "object", "required": required, "properties": properties}
    return {
        "post": {
            "operationId": name,
            "summary": summary,
            "tags": ["oauth"],
            "security": CLIENT,
            "requestBody": {
                "required": True,
                "content": {"application/x-www-form-urlencoded": {"schema": schema}},
            },
            "responses": {
                **answers,
                "400": _json("An error of RFC 6749 section 5.2", ERROR),
                "401": _json("The client is not authenticated", ERROR),
                "503": _json("Try again in a moment", ERROR),
            },
        }
    }


def _get(name: str, summary: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "tags": ["oauth"],
            "security": NOBODY,
            "responses": {"200": _json(summary, schema)},
        }
    }


TOKENS = {
    "type": "object",
    "required": ["access_token", "token_type", "expires_in"],
    "properties": {
        "access_token": {"type": "string"},
        "token_type": {"enum": ["Bearer", "DPoP"]},
        "expires_in": {"type": "integer"},
        "scope": {"type": "string"},
        "refresh_token": {"type": "string"},
        "id_token": {"type": "string"},
    },
}
ACTIVE = {
    "type": "object",
    "required": ["active"],
    "properties": {"active": {"type": "boolean"}},
    "additionalProperties": True,
}
SECRET = {
    "client_id": "of a client that sends its credentials in the form",
    "client_secret": "the same",
}

OAUTH_PATHS: Mapping[str, Any] = {
    "/token": _form(
        "token",
        "Tokens by a grant (RFC 6749)",
        {
            "grant_type": "which",
            "scope": "with spaces",
            "code": "of authorization_code",
            "redirect_uri": "the same as before, with code",
            "code_verifier": "RFC 7636",
            "refresh_token": "of refresh_token",
            "resource": "RFC 8707",
            **SECRET,
        },
        ["grant_type"],
        {"200": _json("Tokens", TOKENS)},
    ),
    "/introspect": _form(
        "introspect",
        "What a token is (RFC 7662)",
        {"token": "an access token", "token_type_hint": "not needed", **SECRET},
        ["token"],
        {"200": _json("What it is, or that it is not active", ACTIVE)},
    ),
    "/revoke": _form(
        "revoke",
        "Take a token back (RFC 7009)",
        {"token": "to be taken back", "token_type_hint": "not needed", **SECRET},
        ["token"],
        {"200": {"description": "It is good no more"}},
    ),
    "/jwks.json": _get(
        "jwks",
        "Public keys (RFC 7517)",
        {"type": "object", "required": ["keys"], "properties": {"keys": {"type": "array"}}},
    ),
    "/.well-known/oauth-authorization-server": _get(
        "metadata", "Metadata of the server (RFC 8414)", {"type": "object"}
    ),
}
