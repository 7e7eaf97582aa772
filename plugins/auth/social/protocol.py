"""Authlib's part: the words of OAuth 2 and the claims of an id_token.

Imported by `opening` alone, when there is a provider, since Authlib takes its time to load.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Protocol

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc.errors import JoseError

from plugins.auth.social.errors import Untrusted
from plugins.auth.social.person import Person
from plugins.auth.social.trips import Departure, Trip

LEEWAY = 60


class Provider(Protocol):
    """**Protocol:** one place to log in at. All raise ProviderError.

    `leave` gives the URL the browser goes to; `again` asks the provider to ask the person.
    `check_issuer` is given the `iss` of an answer (RFC 9207), or nothing.
    """

    label: str

    async def leave(self, redirect_uri: str, trip: Departure, *, again: bool) -> str: ...

    async def check_issuer(self, issuer: str | None) -> None: ...

    async def meet(self, redirect_uri: str, trip: Trip, code: str) -> Person: ...

    async def stop(self) -> None: ...


def departure(
    endpoint: str, client_id: str, redirect_uri: str, scope: str, trip: Departure, **more: str
) -> str:
    """An authorization request (RFC 6749 section 4.1.1) with PKCE (RFC 7636)."""
    uri: str = prepare_grant_uri(
        endpoint,
        client_id,
        "code",
        redirect_uri,
        scope,
        trip.state,
        code_challenge=create_s256_code_challenge(trip.verifier),
        code_challenge_method="S256",
        **more,
    )
    return uri


def redemption(redirect_uri: str, code: str, verifier: str, **more: str) -> str:
    """The form of a token request (RFC 6749 section 4.1.3)."""
    form: str = prepare_token_request(
        "authorization_code", redirect_uri=redirect_uri, code=code, code_verifier=verifier, **more
    )
    return form


def check_claims(
    claims: Mapping[str, Any], algorithm: str, client_id: str, nonce: str, access_token: str
) -> None:
    """iss and signature apart, OpenID Connect Core section 3.1.3.7. Raises Untrusted."""
    token = CodeIDToken(
        dict(claims),
        {"alg": algorithm},
        {"aud": {"essential": True, "value": client_id}, "nonce": {"essential": True}},
        {"nonce": nonce, "client_id": client_id, "access_token": access_token},
    )
    try:
        token.validate(int(time.time()), LEEWAY)
    except (JoseError, ValueError, TypeError, AttributeError) as error:
        raise Untrusted(f"an id_token was refused: {type(error).__name__}") from None
