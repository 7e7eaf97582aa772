"""Access tokens: JWTs of RFC 9068."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from plugins.auth.keys.keyring import Keyring
from plugins.auth.oauth.clients import Client
from plugins.auth.oauth.options import TokenOptions


class AccessTokens:
    def __init__(
        self,
        issuer: str,
        options: TokenOptions,
        keyring: Keyring,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.audience = options.audience or issuer
        self._issuer = issuer
        self.lifetime = options.access_lifetime
        self._keyring = keyring
        self._clock = clock

    def issue(
        self,
        subject: str,
        client: Client,
        scopes: Sequence[str],
        *,
        sid: str | None = None,
        grant_id: str | None = None,
        cnf: Mapping[str, Any] | None = None,
        act: Mapping[str, Any] | None = None,
        auth_time: int | None = None,
        acr: str | None = None,
        amr: Sequence[str] | None = None,
        audience: str | None = None,
        until: int | None = None,
        claims: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """The members of a token response (RFC 6749 section 5.1).

        The token ends with the session `sid` and with the grant `grant_id`. cnf: RFC 7800; with
        `jkt` it is for DPoP (RFC 9449). act: RFC 8693. until: the latest end, in UTC seconds.
        claims: others, which replace none of these.
        """
        now, scope = int(self._clock()), " ".join(scopes)
        lifetime = self.lifetime if until is None else max(0, min(self.lifetime, until - now))
        optional = {
            "sid": sid,
            "grant_id": grant_id,
            "cnf": cnf,
            "act": act,
            "auth_time": auth_time,
            "acr": acr,
            "amr": amr,
        }
        held = {
            **(claims or {}),
            "iss": self._issuer,
            "sub": subject,
            "aud": audience or client.audience or self.audience,
            "client_id": client.id,
            "iat": now,
            "exp": now + lifetime,
            "jti": secrets.token_urlsafe(16),
            "scope": scope,
            **{name: value for name, value in optional.items() if value is not None},
        }
        return {
            "access_token": self._keyring.signing().sign(held, "at+jwt"),
            "token_type": "DPoP" if cnf and "jkt" in cnf else "Bearer",
            "expires_in": lifetime,
            "scope": scope,
        }
