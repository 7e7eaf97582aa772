"""The seam to a plugin in process that signs the tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

Claims = Mapping[str, Any]


@runtime_checkable
class KeyIssuer(Protocol):
    """**Protocol:** what a plugin's `offers()` has so that its tokens are verified in process.

    `issuer` is compared exactly with the middleware's. `jwks()` is its JWK Set (RFC 7517) as
    a mapping, asked again every few seconds and for a `kid` nobody knows; it may raise, and
    the keys known before serve on.
    """

    issuer: str

    async def jwks(self) -> Mapping[str, Any]: ...


@runtime_checkable
class RevokingIssuer(KeyIssuer, Protocol):
    """**Protocol:** a KeyIssuer that takes tokens back before they expire.

    `revoked` is asked for each request with the claims of a verified token, so it looks
    something up in memory and never waits. Whatever it raises refuses the request.
    """

    def revoked(self, claims: Claims) -> bool: ...


def issuer_among(offers: Iterable[object], issuer: str | None) -> KeyIssuer | None:
    """The first of the plugins' offers that signs as `issuer`."""
    for offer in offers:
        if issuer and isinstance(offer, KeyIssuer) and offer.issuer == issuer:
            return offer
    return None


def revocation(issuer: KeyIssuer | None) -> Callable[[Claims], bool] | None:
    """The issuer's own check, when it has one."""
    return issuer.revoked if isinstance(issuer, RevokingIssuer) else None
