"""Access tokens: JWTs of RFC 9068."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

from plugins.auth.keys.keyring import Keyring
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
        self._lifetime = options.access_lifetime
        self._keyring = keyring
        self._clock = clock

    def issue(self, subject: str, client_id: str, scopes: Sequence[str]) -> dict[str, Any]:
        """The members of a token response (RFC 6749 section 5.1)."""
        now, scope = int(self._clock()), " ".join(scopes)
        claims = {
            "iss": self._issuer,
            "sub": subject,
            "aud": self.audience,
            "client_id": client_id,
            "iat": now,
            "exp": now + self._lifetime,
            "jti": secrets.token_urlsafe(16),
            "scope": scope,
        }
        return {
            "access_token": self._keyring.signing().sign(claims, "at+jwt"),
            "token_type": "Bearer",
            "expires_in": self._lifetime,
            "scope": scope,
        }
