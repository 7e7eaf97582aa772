"""What makes a bearer token believed (RFC 7519, RFC 8725, RFC 9068)."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from jwt import PyJWT
from jwt.exceptions import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAudienceError,
    InvalidIssuerError,
    InvalidSignatureError,
    PyJWTError,
)
from jwt.utils import base64url_decode

from gateway.exchange import Identity
from gateway.jose.keys import Key, KeySet

MAX_TOKEN = 8 * 1024
COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
TYPES = frozenset({"jwt", "at+jwt", "application/jwt", "application/at+jwt"})
FOREVER = 2**53
REASONS: Mapping[type[Exception], str] = {
    ExpiredSignatureError: "expired",
    ImmatureSignatureError: "immature",
    InvalidAudienceError: "audience",
    InvalidIssuerError: "issuer",
}


class Refused(Exception):
    """`reason` is one of expired, immature, audience, issuer, signature, malformed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UnknownKey(Refused):
    """No key of that id is known: newer keys may have it."""

    def __init__(self) -> None:
        super().__init__("signature")


class Header(NamedTuple):
    algorithm: str
    kid: str | None


@dataclass(frozen=True, slots=True)
class Verified:
    """A believed token: until `until` (seconds of the epoch), and while the key `mark` lives."""

    identity: Identity
    until: float
    mark: str


class Verifier:
    """Verifies compact tokens against a key set. `leeway` in seconds, for exp, nbf and iat.

    Without an issuer, or audiences, those claims are not looked at. types: of `typ`, in small
    letters; a token without one is a `jwt`.
    """

    def __init__(
        self,
        algorithms: Collection[str],
        *,
        issuer: str | None = None,
        audiences: Collection[str] = (),
        leeway: float = 0.0,
        types: Collection[str] = TYPES,
    ) -> None:
        self._algorithms = frozenset(algorithms)
        self._types = types
        self._issuer = issuer
        self._audiences = tuple(audiences) or None
        self._leeway = leeway
        self._jwt = PyJWT(
            options={
                "require": ["exp"],
                "verify_aud": self._audiences is not None,
                "enforce_minimum_key_length": True,
            }
        )

    def verify(self, token: str, keys: KeySet) -> Verified:
        """Raises Refused, and UnknownKey when the key that it names is not among `keys`."""
        header = self._header(token)
        candidates = keys.candidates(header.algorithm, header.kid)
        if not candidates:
            raise UnknownKey
        for key in candidates:
            claims = self._claims(token, key)
            if claims is not None:
                return self._verified(claims, key)
        raise Refused("signature")

    def _header(self, token: str) -> Header:
        """What is needed to find the key, before anything costly is done."""
        shape = COMPACT.fullmatch(token) if len(token) <= MAX_TOKEN else None
        if shape is None:
            raise Refused("malformed")
        try:
            header = json.loads(base64url_decode(shape[1]))
        except (ValueError, RecursionError):
            raise Refused("malformed") from None
        if not isinstance(header, dict) or "crit" in header or "b64" in header:
            raise Refused("malformed")
        algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
        if not isinstance(kind, str) or kind.lower() not in self._types:
            raise Refused("malformed")
        if kid is not None and not isinstance(kid, str):
            raise Refused("malformed")
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            raise Refused("signature")
        return Header(algorithm, kid)

    def _claims(self, token: str, key: Key) -> dict[str, Any] | None:
        """The token's claims, or None when this key did not sign it. Raises Refused."""
        try:
            return self._jwt.decode(
                token,
                key.jwk,
                algorithms=[key.algorithm],
                audience=self._audiences,
                issuer=self._issuer,
                leeway=self._leeway,
            )
        except InvalidSignatureError:
            return None
        except PyJWTError as error:
            raise Refused(REASONS.get(type(error), "malformed")) from None

    def _verified(self, claims: dict[str, Any], key: Key) -> Verified:
        if any(isinstance(claims.get(name), str) for name in ("exp", "nbf", "iat")):
            raise Refused("malformed")
        scope = claims["scope"] if "scope" in claims else claims.get("scp")
        identity = Identity(
            subject=_subject(claims.get("sub", "")),
            kind="jwt",
            claims=MappingProxyType(claims),
            scopes=frozenset(scope.split()) if isinstance(scope, str) else _strings(scope),
            roles=_roles(claims),
        )
        return Verified(identity, min(int(claims["exp"]), FOREVER) + self._leeway, key.mark)


def _subject(subject: str) -> str:
    """As it is, or Refused when it cannot be written as UTF-8 or breaks a line."""
    if not subject.isprintable():
        raise Refused("malformed")
    return subject


def _roles(claims: Mapping[str, Any]) -> frozenset[str]:
    """`roles` (RFC 9068 section 2.2.3.1), else `realm_access.roles` as Keycloak writes it."""
    if "roles" in claims:
        return _strings(claims["roles"])
    realm = claims.get("realm_access")
    return _strings(realm.get("roles")) if isinstance(realm, dict) else frozenset()


def _strings(value: object) -> frozenset[str]:
    found = value if isinstance(value, list) else []
    return frozenset(each for each in found if isinstance(each, str))
