"""What the `jwt` middleware asks in process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plugins.auth.keys.keyring import Keyring


class Issuer:
    """A `gateway.jose.issuer.KeyIssuer`: its keys are known without a hop."""

    def __init__(self, issuer: str, keyring: Keyring) -> None:
        self.issuer = issuer
        self._keyring = keyring

    async def jwks(self) -> Mapping[str, Any]:
        return await self._keyring.jwks()
