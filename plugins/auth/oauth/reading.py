"""Access tokens read by the server that signed them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import jwt

from plugins.auth.keys.keyring import Keyring
from plugins.auth.oauth.revoked import Revoked

LARGEST, REMEMBERED = 8192, 2000
REQUIRED = ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"]


class Reading:
    def __init__(self, issuer: str, keyring: Keyring, revoked: Revoked) -> None:
        self._issuer = issuer
        self._keyring = keyring
        self._revoked = revoked
        self._verified: dict[str, tuple[str, Mapping[str, Any]]] = {}

    async def claims(self, token: str) -> Mapping[str, Any] | None:
        """Of an access token that we signed for whatever audience, and that is still good."""
        kid, claims = self._verified.get(token) or await self._verify(token)
        if claims is None or self._keyring.named(kid) is None:
            return None
        good = claims["exp"] > time.time() and not self._revoked.has(claims)
        return claims if good else None

    async def _verify(self, token: str) -> tuple[str, Mapping[str, Any] | None]:
        """The key, and what it has signed: remembered, as it remains what it is."""
        if len(token) > LARGEST or not token.isascii():
            return "", None
        try:
            header = jwt.get_unverified_header(token)
            key = await self._keyring.find(str(header.get("kid", "")))
            if key is None or header.get("typ") != "at+jwt" or "crit" in header:
                return "", None
            claims: dict[str, Any] = jwt.decode(
                token,
                key.private.public_key(),
                algorithms=[key.algorithm],
                issuer=self._issuer,
                options={"require": REQUIRED, "verify_aud": False},
            )
        except jwt.PyJWTError:
            return "", None
        if len(self._verified) >= REMEMBERED:
            self._verified.clear()
        self._verified[token] = key.kid, claims
        return key.kid, claims
