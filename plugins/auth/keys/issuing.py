"""What the `jwt` middleware asks in process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from plugins.auth.keys.keyring import Keyring


class Issuer:
    """A `gateway.jose.issuer.RevokingIssuer`: keys and revoked tokens are known without a hop."""

    def __init__(
        self, issuer: str, keyring: Keyring, has: Callable[[Mapping[str, Any]], bool]
    ) -> None:
        self.issuer = issuer
        self._keyring = keyring
        self._has = has

    async def jwks(self) -> Mapping[str, Any]:
        return await self._keyring.jwks()

    def revoked(self, claims: Mapping[str, Any]) -> bool:
        return self._has(claims)
