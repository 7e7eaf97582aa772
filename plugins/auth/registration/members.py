"""What a client says of itself beside its columns (RFC 7591 section 2), whoever registers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, UnsetType

from plugins.auth.dpop.proof import Algorithm as Signing
from plugins.auth.keys.options import Algorithm
from plugins.auth.oauth.redirects import check as check_uri

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
Word = Annotated[str, msgspec.Meta(max_length=2000)]
Words = Annotated[list[Word], msgspec.Meta(max_length=20)]
Web = Annotated[str, msgspec.Meta(max_length=2000, pattern="^https?://")]
Identifier = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{32})?$")]
Offered = Callable[[str], Awaitable[bool]]


class Members(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Null and what is empty say that there is none."""

    client_uri: Web | UnsetType | None = UNSET
    logo_uri: Web | UnsetType | None = UNSET
    tos_uri: Web | UnsetType | None = UNSET
    policy_uri: Web | UnsetType | None = UNSET
    contacts: Words | UnsetType | None = UNSET
    software_id: Word | UnsetType | None = UNSET
    software_version: Word | UnsetType | None = UNSET
    post_logout_redirect_uris: Words | UnsetType | None = UNSET
    backchannel_logout_uri: Web | UnsetType | None = UNSET
    backchannel_logout_session_required: bool | UnsetType | None = UNSET
    id_token_signed_response_alg: Algorithm | UnsetType | None = UNSET
    jwks: dict[str, Any] | UnsetType | None = UNSET
    jwks_uri: Web | UnsetType | None = UNSET
    token_endpoint_auth_signing_alg: Signing | UnsetType | None = UNSET
    dpop_bound_access_tokens: bool | UnsetType | None = UNSET
    require_pushed_authorization_requests: bool | UnsetType | None = UNSET


class OperatorsMembers(Members, frozen=True, kw_only=True, omit_defaults=True):
    """organisation: the id of the one that its tokens are about; operators alone say so."""

    organisation: Identifier | UnsetType | None = UNSET


ASKED = ("backchannel_logout_uri", "jwks_uri")
NAMES = Members.__struct_fields__


class BadUri(ValueError):
    """People would be sent there."""


class Rules:
    """issuer: what is on this machine itself may be told of addresses of it. offered: whether
    id_tokens can be signed by that algorithm."""

    def __init__(self, issuer: str, offered: Offered) -> None:
        self._here = local(issuer)
        self._offered = offered

    async def checked(self, said: Members) -> dict[str, Any]:
        """What was said, None where there is to be none. Raises ValueError and BackendError."""
        names = OperatorsMembers.__struct_fields__
        members = {
            name: None if value in ("", []) else value
            for name in names
            if (value := getattr(said, name, UNSET)) is not UNSET
        }
        for uri in members.get("post_logout_redirect_uris") or ():
            _check(uri)
        for name in ASKED:
            if (uri := members.get(name)) is not None:
                self._check_asked(name, uri)
        algorithm = members.get("id_token_signed_response_alg")
        if algorithm is not None and not await self._offered(algorithm):
            raise ValueError("id_tokens are signed by RS256 or as keys.algorithm says")
        return members

    def _check_asked(self, name: str, uri: str) -> None:
        """We send requests there: so only where https says who it is."""
        try:
            check_uri(uri)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        if local(uri) and not self._here:
            raise ValueError(f"{name} is not of this machine")


def local(uri: str) -> bool:
    """Whether it is of the machine that reads it."""
    return urlsplit(uri).hostname in LOCAL


def _check(uri: str) -> None:
    try:
        check_uri(uri)
    except ValueError as error:
        raise BadUri(str(error)) from None
