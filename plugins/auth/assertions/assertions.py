"""Assertions as clients send them: each for this server, of now, once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from backends.sql import Sql
from gateway.jose.keys import KeysUnavailable
from gateway.jose.verify import Refused, Verified, Verifier
from plugins.auth.assertions.client_keys import ClientKeys
from plugins.auth.assertions.registered import ALGORITHM
from plugins.auth.dpop.proof import ALGORITHMS, LONGEST_JTI
from plugins.auth.oauth.clients import Client
from plugins.auth.oauth.errors import OAuthError, invalid_client
from plugins.auth.once.once import Once

LEEWAY, LONGEST = 30, 300
"""Seconds that clocks may differ, and that an assertion may last from now."""
TYPES = frozenset({"jwt", "client-authentication+jwt"})
"""Of no other kind of JWT, so that none is taken for another (RFC 8725 section 3.11)."""
SAID = {
    "expired": "the assertion has expired",
    "immature": "the assertion is not of now: is the clock right?",
}
"""To who has proved that it holds the key; who has not learns nothing."""


class Assertions:
    """issuer: the one audience that an assertion may have, whichever endpoint it is sent to
    (RFC 7523bis section 4, FAPI 2.0 section 5.3.2.1): an endpoint's URL is what another server
    could make a client sign, and an audience besides could use it here."""

    def __init__(self, sql: Sql, issuer: str, keys: ClientKeys) -> None:
        self._once = Once(sql)
        self._issuer = issuer
        self._keys = keys
        self._any = Verifier(ALGORITHMS, leeway=LEEWAY, types=TYPES)
        self._by = {each: Verifier([each], leeway=LEEWAY, types=TYPES) for each in ALGORITHMS}

    async def check(self, client: Client, text: str) -> None:
        """Raises OAuthError (`invalid_client`) and BackendError."""
        claims = (await self._verified(client, text)).identity.claims
        self._check(client, claims)
        until = int(claims["exp"]) + 2 * LEEWAY  # by the clock of the host that prunes
        if not await self._once.first(client.id, claims["jti"], until):
            raise invalid_client("the assertion was used before")

    async def _verified(self, client: Client, text: str) -> Verified:
        verifier = self._by.get(client.metadata.get(ALGORITHM, ""), self._any)
        try:
            return await self._keys.verified(client, verifier, text)
        except KeysUnavailable:
            raise invalid_client() from None
        except Refused as error:
            raise _refused(error.reason) from None

    def _check(self, client: Client, claims: Mapping[str, Any]) -> None:
        if not claims.get("iss") == claims.get("sub") == client.id:
            raise invalid_client()
        if claims.get("aud") not in (self._issuer, [self._issuer]):
            raise invalid_client("the assertion's aud is the issuer, and nothing else")
        if claims["exp"] > time.time() + LONGEST + LEEWAY:
            raise invalid_client(f"an assertion lasts at most {LONGEST} seconds")
        jti = claims.get("jti")
        if not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_JTI or not jti.isprintable():
            raise invalid_client(f"an assertion has a jti of 1 to {LONGEST_JTI} characters")


def _refused(reason: str) -> OAuthError:
    return invalid_client(SAID[reason]) if reason in SAID else invalid_client()
