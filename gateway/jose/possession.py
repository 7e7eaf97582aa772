"""Tokens that are bound to a key, and requests that prove to hold it (RFC 9449)."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from gateway.errors import GatewayError
from gateway.exchange import Exchange
from gateway.jose.issuer import Claims, KeyIssuer


class Unproved(GatewayError):
    """code: of RFC 9449. The message is for the client's developer. nonce: what the next proof
    has to have."""

    def __init__(self, code: str, message: str, nonce: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.nonce = nonce


@runtime_checkable
class ProvingIssuer(KeyIssuer, Protocol):
    """**Protocol:** a KeyIssuer that checks the proofs which come with its tokens.

    `holder` answers the thumbprint (RFC 7638) of the key whose holder sent the request. proofs:
    the values of its fields DPoP. Each counts once, whichever worker or host it came to. Raises
    Unproved and BackendError.
    """

    proof_algorithms: Sequence[str]

    async def holder(self, proofs: Sequence[str], method: str, url: str, token: str) -> str: ...


class Possession:
    """origin: what URLs in proofs begin with; what the request says in Host is not believed."""

    def __init__(self, issuer: ProvingIssuer, origin: str) -> None:
        self._issuer = issuer
        self._origin = origin
        algorithms = " ".join(issuer.proof_algorithms)
        self.challenge = f'DPoP realm="gateway", algs="{algorithms}"'

    async def check(self, exchange: Exchange, token: str, claims: Claims) -> None:
        """claims: of the token, with `cnf`. Raises Unproved and BackendError."""
        url = self._origin + exchange.path.decode("latin-1")
        jkt = await self._issuer.holder(exchange.getall("DPoP"), exchange.method, url, token)
        if not hmac.compare_digest(jkt.encode(), thumbprint(claims).encode()):
            raise Unproved("invalid_token", "the token is bound to another key")

    def fields(self, unproved: Unproved) -> list[tuple[str, str]]:
        """Of the answer to who did not prove it (section 7.1)."""
        words = f'{self.challenge}, error="{unproved.code}", error_description="{unproved}"'
        nonce = [] if unproved.nonce is None else [("DPoP-Nonce", unproved.nonce)]
        return [("WWW-Authenticate", words), *nonce]


def thumbprint(claims: Claims) -> str:
    """Of the key that a token is bound to; empty for one bound otherwise, or not at all."""
    confirmation = claims.get("cnf")
    found = confirmation.get("jkt") if isinstance(confirmation, dict) else None
    return found if isinstance(found, str) else ""
