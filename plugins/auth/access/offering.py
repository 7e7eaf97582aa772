"""What the plugin offers others in process: `context.plugin("auth")`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway import Identity
from gateway.jose.possession import Unproved
from plugins.auth.access.grants import Grants
from plugins.auth.access.rooms import Access
from plugins.auth.dpop.proof import ALGORITHMS
from plugins.auth.dpop.proofs import NONCE, Proofs
from plugins.auth.keys.issuing import Issuer
from plugins.auth.keys.keyring import Keyring
from plugins.auth.oauth.errors import OAuthError


class Offer(Issuer):
    """Keys and proofs for `jwt`, API keys for `api_key`, and decisions for whoever asks.

    grants: to give somebody a permission on one resource, or take it back.
    """

    proof_algorithms = ALGORITHMS

    def __init__(
        self,
        issuer: str,
        keyring: Keyring,
        has: Callable[[Mapping[str, Any]], bool],
        access: Access,
        proofs: Proofs,
    ) -> None:
        super().__init__(issuer, keyring, has)
        self._proofs = proofs
        self._allowed = access.allowed
        self._known_keys = access.known_keys
        self.grants: Grants = access.grants

    async def allowed(self, who: Identity | str | None, action: str, resource: str) -> bool:
        """Whether `exchange.identity`, or the account of an id, may do that to the resource.

        False for identities that are not of this plugin. Raises BackendError.
        """
        return await self._allowed.ask(who, action, resource)

    def allowed_now(self, who: Identity | str | None, action: str, resource: str) -> bool | None:
        """What `allowed` answered lately, without waiting; None when it has to be asked."""
        return self._allowed.known(who, action, resource)

    async def holder(self, proofs: Sequence[str], method: str, url: str, token: str) -> str:
        """Of a `gateway.jose.possession.ProvingIssuer`. Raises Unproved and BackendError."""
        try:
            return await self._proofs.holder(proofs, method, url, token)
        except OAuthError as error:
            nonce = error.headers.get(NONCE)
            raise Unproved(error.code, error.description, nonce) from None

    def known_key(self, key: bytes, digest: bytes) -> Identity | bool:
        return self._known_keys.known_key(key, digest)

    async def find_key(self, digest: bytes) -> Identity | None:
        return await self._known_keys.find_key(digest)
