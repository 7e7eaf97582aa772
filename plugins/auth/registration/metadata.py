"""What a client says about itself (RFC 7591 section 2), read and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from plugins.auth.oauth.authentication import BASIC
from plugins.auth.oauth.clients import (
    CODE,
    EXCHANGE,
    OF_PEOPLE,
    PASSWORD,
    PERSONAL,
    Client,
    check,
)
from plugins.auth.oauth.errors import OAuthError
from plugins.auth.oauth.redirects import check as check_uri
from plugins.auth.registration.members import BadUri, Members, Rules

NOT_BY_THEMSELVES = frozenset({PASSWORD, EXCHANGE})
"""Grants that an operator alone may give a client."""


class Said(Members, frozen=True, kw_only=True, omit_defaults=True):
    """Members that are not known are passed over, as section 2 asks."""

    redirect_uris: list[str] = msgspec.field(default_factory=list)
    token_endpoint_auth_method: str = BASIC
    grant_types: list[str] = msgspec.field(default_factory=lambda: [CODE])
    response_types: list[str] = msgspec.field(default_factory=list)
    client_name: str = "client"
    scope: str | None = None


async def read(
    body: bytes, client_id: str, allowed: Sequence[str], rules: Rules
) -> tuple[Client, Mapping[str, Any]]:
    """The client, and what was sent. allowed: scopes beyond PERSONAL. Raises OAuthError and
    BackendError."""
    try:
        raw = msgspec.json.decode(body, type=dict[str, Any])
        said = msgspec.convert(raw, Said)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise wrong("expected a JSON object with members of RFC 7591") from None
    for uri in said.redirect_uris:
        try:
            check_uri(uri)
        except ValueError as error:
            raise _no_place(error) from None
    try:
        client = _client(said, client_id, allowed)
        members = await rules.checked(said)
        kept = {name: value for name, value in members.items() if value is not None}
        client = replace(client, metadata=kept)
        check(client)
    except BadUri as error:
        raise _no_place(error) from None
    except ValueError as error:
        raise wrong(str(error)) from None
    return client, raw


def told(client: Client) -> dict[str, Any]:
    """What is registered (RFC 7591 section 3.2.1), without secrets."""
    return {
        **client.metadata,
        "client_id": client.id,
        "client_name": client.name,
        "token_endpoint_auth_method": client.method,
        "grant_types": sorted(client.grants),
        "response_types": ["code"] if CODE in client.grants else [],
        "redirect_uris": list(client.redirect_uris),
        "scope": " ".join(client.scopes),
    }


def wrong(why: str) -> OAuthError:
    return OAuthError("invalid_client_metadata", plain(why))


def plain(why: str) -> str:
    """Of the characters that an `error_description` has (RFC 6749 section 5.2)."""
    return why.encode("ascii", "replace").decode().translate({0x22: "'", 0x5C: "/"})


def _no_place(error: ValueError) -> OAuthError:
    return OAuthError("invalid_redirect_uri", plain(str(error)))


def _client(said: Said, client_id: str, allowed: Sequence[str]) -> Client:
    grants = frozenset(said.grant_types)
    if grants & NOT_BY_THEMSELVES:
        raise ValueError("an operator alone registers clients for that grant")
    if set(said.response_types) - {"code"}:
        raise ValueError("response_types has code alone")
    default = PERSONAL if grants & OF_PEOPLE else tuple(allowed)
    scopes = default if said.scope is None else tuple(dict.fromkeys(said.scope.split()))
    if not set(scopes) <= {*PERSONAL, *allowed}:
        raise ValueError("the client may not have all of these scopes")
    made = Client(client_id, said.client_name.strip() or "client", "", grants, scopes)
    uris = tuple(dict.fromkeys(said.redirect_uris))
    return replace(made, method=said.token_endpoint_auth_method, redirect_uris=uris)
