"""What a client says about itself (RFC 7591 section 2), read and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

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

NOT_BY_THEMSELVES = frozenset({PASSWORD, EXCHANGE})
"""Grants that an operator alone may give a client."""
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
Text = str | None
Texts = list[str] | None


class Said(msgspec.Struct, omit_defaults=True):
    """Members that are not known are passed over, as section 2 asks."""

    redirect_uris: list[str] = []
    token_endpoint_auth_method: str = BASIC
    grant_types: list[str] = msgspec.field(default_factory=lambda: [CODE])
    response_types: list[str] = []
    client_name: str = "client"
    scope: Text = None
    client_uri: Text = None
    logo_uri: Text = None
    tos_uri: Text = None
    policy_uri: Text = None
    contacts: Texts = None
    software_id: Text = None
    software_version: Text = None
    post_logout_redirect_uris: Texts = None
    backchannel_logout_uri: Text = None
    backchannel_logout_session_required: bool | None = None
    id_token_signed_response_alg: Text = None
    dpop_bound_access_tokens: bool | None = None
    require_pushed_authorization_requests: bool | None = None


WEB = ("client_uri", "logo_uri", "tos_uri", "policy_uri")
COLUMNS = (
    "redirect_uris",
    "token_endpoint_auth_method",
    "grant_types",
    "response_types",
    "client_name",
    "scope",
)


def read(
    body: bytes, client_id: str, allowed: Sequence[str], *, here: bool
) -> tuple[Client, Mapping[str, Any]]:
    """The client, and what was sent. allowed: scopes beyond PERSONAL. here: whether addresses of
    this machine may be told, as only a server that is on one itself allows. Raises OAuthError.
    """
    try:
        raw = msgspec.json.decode(body, type=dict[str, Any])
        said = msgspec.convert(raw, Said)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise wrong("expected a JSON object with members of RFC 7591") from None
    _check_members(said, here=here)
    try:
        client = _client(said, client_id, allowed)
        check(client)
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
    return OAuthError("invalid_client_metadata", why)


def _client(said: Said, client_id: str, allowed: Sequence[str]) -> Client:
    grants = frozenset(said.grant_types)
    if grants & NOT_BY_THEMSELVES:
        raise ValueError("an operator alone registers clients for that grant")
    default = PERSONAL if grants & OF_PEOPLE else tuple(allowed)
    scopes = default if said.scope is None else tuple(dict.fromkeys(said.scope.split()))
    if not set(scopes) <= {*PERSONAL, *allowed}:
        raise ValueError("the client may not have all of these scopes")
    more = {
        name: value
        for name in Said.__struct_fields__
        if name not in COLUMNS and (value := getattr(said, name)) is not None
    }
    made = Client(client_id, said.client_name.strip() or "client", "", grants, scopes)
    uris = tuple(dict.fromkeys(said.redirect_uris))
    return replace(made, method=said.token_endpoint_auth_method, redirect_uris=uris, metadata=more)


def _check_members(said: Said, *, here: bool) -> None:
    """Raises OAuthError."""
    for uri in [*said.redirect_uris, *(said.post_logout_redirect_uris or ())]:
        try:
            check_uri(uri)
        except ValueError as error:
            raise OAuthError("invalid_redirect_uri", str(error)) from None
    if set(said.response_types) - {"code"}:
        raise wrong("response_types has code alone")
    texts = [getattr(said, name) for name in (*WEB, "software_id", "software_version")]
    many = [*(said.contacts or ()), *(said.post_logout_redirect_uris or ())]
    if len(many) > 40 or any(len(each) > 2000 for each in [*many, *filter(None, texts)]):
        raise wrong("that is too much")
    for name in WEB:
        found = getattr(said, name)
        if found is not None and urlsplit(found).scheme not in {"http", "https"}:
            raise wrong(f"{name} is no web address")
    if said.backchannel_logout_uri is not None:
        _check_backchannel(said.backchannel_logout_uri, here=here)


def _check_backchannel(uri: str, *, here: bool) -> None:
    """We send requests there: so only where https says who it is."""
    try:
        check_uri(uri)
    except ValueError as error:
        raise wrong(f"backchannel_logout_uri: {error}") from None
    local = urlsplit(uri).hostname in LOCAL
    if urlsplit(uri).scheme not in {"http", "https"} or (local and not here):
        raise wrong("backchannel_logout_uri is https, and not of this machine")
