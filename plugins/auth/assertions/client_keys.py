"""Keys that clients sign assertions by: given at registration, or fetched from where they are."""

from __future__ import annotations

import logging
from typing import Any

from gateway.jose.keys import KeyReader, KeySet
from gateway.jose.ring import KeyRing
from gateway.jose.sources import KeyAddress
from gateway.jose.verify import Verified, Verifier
from plugins.auth.assertions.registered import JWKS, URI
from plugins.auth.dpop.proof import ALGORITHMS
from plugins.auth.leaving.reach import Reach
from plugins.auth.oauth.clients import Client

MOST = 1000
"""Sets of keys that are held; those asked for longest ago go first."""
log = logging.getLogger("gateway.auth.assertions")


class ClientKeys:
    """An address is asked when a client of it comes and the answer before is too old, or has not
    the key; never where `reach` does not reach."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._reader = KeyReader(ALGORITHMS)
        self._given: dict[str, tuple[Any, KeySet]] = {}
        self._rings: dict[str, KeyRing] = {}

    async def verified(self, client: Client, verifier: Verifier, token: str) -> Verified:
        """Raises Refused, and KeysUnavailable when there are no keys."""
        jwks = client.metadata.get(JWKS)
        if jwks is not None:
            return verifier.verify(token, self._read(client.id, jwks))
        uri = str(client.metadata[URI])
        ring = await self._ring(uri)
        await ring.refresh(KeyAddress(uri, self._reader, self._reach.connector))
        return await ring.verified(verifier, token)

    async def stop(self) -> None:
        for ring in self._rings.values():
            await ring.stop()

    def _read(self, client_id: str, jwks: Any) -> KeySet:
        """A key is read in the time that ten signatures take."""
        known = self._given.pop(client_id, None)
        keys = known[1] if known and known[0] == jwks else self._reader.read(jwks)
        if len(self._given) >= MOST:
            del self._given[next(iter(self._given))]
        self._given[client_id] = jwks, keys
        return keys

    async def _ring(self, uri: str) -> KeyRing:
        found = self._rings.pop(uri, None)
        if found is None:
            found = KeyRing(log, changed=lambda _: None, counted=lambda _: None)
        self._rings[uri] = found
        if len(self._rings) > MOST:
            await self._rings.pop(next(iter(self._rings))).stop()
        return found
