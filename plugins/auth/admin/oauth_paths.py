"""The endpoints of OAuth 2 as OpenAPI describes them; clients read the metadata of RFC 8414."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plugins.auth.oauth.authentication import ASSERTION

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
PROOF = {
    "client_id": "of a client that sends its credentials in the form",
    "client_secret": "the same",
    "client_assertion": "of a client that signs one instead (RFC 7523)",
    "client_assertion_type": ASSERTION,
}

AUTHORIZATION = {
    "response_type": "code",
    "client_id": "which client",
    "redirect_uri": "one of the client's",
    "scope": "with spaces",
    "state": "comes back as it is",
    "nonce": "comes back in the id_token",
    "code_challenge": "RFC 7636",
    "code_challenge_method": "S256",
    "request_uri": "of a pushed request (RFC 9126)",
}


def _page(name: str, summary: str, fields: Mapping[str, str]) -> dict[str, Any]:
    """What a browser is led to."""
    query = [
        {"name": each, "in": "query", "description": fields[each], "schema": {"type": "string"}}
        for each in fields
    ]
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "tags": ["oauth"],
            "security": NOBODY,
            "parameters": query,
            "responses": {
                "200": {"description": "A page"},
                "303": {"description": "Onward, or back to the client"},
                "400": {"description": "A page that says what is wrong"},
            },
        }
    }


def _bearer(method: str, name: str, summary: str, status: str, words: str) -> dict[str, Any]:
    return {
        method: {
            "operationId": name,
            "summary": summary,
            "tags": ["oauth"],
            "security": [{"bearer": []}],
            "responses": {
                status: _json(words, {"type": "object"}),
                "401": _json("The token is not valid", ERROR),
            },
        }
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
            **PROOF,
        },
        ["grant_type"],
        {"200": _json("Tokens", TOKENS)},
    ),
    "/introspect": _form(
        "introspect",
        "What a token is (RFC 7662)",
        {"token": "an access token", "token_type_hint": "not needed", **PROOF},
        ["token"],
        {"200": _json("What it is, or that it is not active", ACTIVE)},
    ),
    "/revoke": _form(
        "revoke",
        "Take a token back (RFC 7009)",
        {"token": "to be taken back", "token_type_hint": "not needed", **PROOF},
        ["token"],
        {"200": {"description": "It is good no more"}},
    ),
    "/authorize": _page(
        "authorize", "Ask a person for a code (RFC 6749 section 4.1)", AUTHORIZATION
    ),
    "/par": _form(
        "push",
        "Push an authorization request (RFC 9126)",
        {**AUTHORIZATION, **PROOF},
        ["response_type"],
        {"201": _json("A request_uri", {"type": "object", "required": ["request_uri"]})},
    ),
    "/device_authorization": _form(
        "device",
        "Codes for a device without a keyboard (RFC 8628)",
        {"scope": "with spaces", **PROOF},
        [],
        {"200": _json("Codes", {"type": "object", "required": ["device_code", "user_code"]})},
    ),
    "/userinfo": _bearer(
        "get", "userinfo", "Who has logged in (OpenID Connect Core 5.3)", "200", "Claims"
    ),
    "/clients": _bearer("post", "register", "Register a client (RFC 7591)", "201", "A client"),
    "/logout": _page(
        "logout",
        "Log out (OpenID Connect RP-Initiated Logout)",
        {
            "id_token_hint": "of whom to log out",
            "client_id": "which client asks",
            "post_logout_redirect_uri": "one of the client's",
            "state": "comes back as it is",
        },
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
