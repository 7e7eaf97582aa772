"""Public keys as issuers publish them (JWK Sets, RFC 7517), reduced to what verifies a token."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from gateway.errors import GatewayError

Algorithm = Literal[
    "ES256", "ES384", "ES512", "RS256", "RS384", "RS512",
    "PS256", "PS384", "PS512", "EdDSA", "Ed25519", "HS256",
]  # fmt: skip
SYMMETRIC = "HS256"

# The one key type, and curve, that each algorithm verifies with (RFC 7518 section 3, 8037, 9864).
FITS: Mapping[str, tuple[str, str | None]] = {
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "RS256": ("RSA", None),
    "RS384": ("RSA", None),
    "RS512": ("RSA", None),
    "PS256": ("RSA", None),
    "PS384": ("RSA", None),
    "PS512": ("RSA", None),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
    SYMMETRIC: ("oct", None),
}
# Only these are read, so a private key that was published by mistake is not one here.
MEMBERS: Mapping[str, tuple[str, ...]] = {
    "EC": ("kty", "crv", "x", "y"),
    "RSA": ("kty", "n", "e"),
    "OKP": ("kty", "crv", "x"),
    "oct": ("kty", "k"),
}
MAX_KEYS = 64
MAX_MEMBER = 1400  # characters: room for an RSA modulus of 8192 bits, which verifies in 1 ms
MAX_TRIES = 4


class KeysUnavailable(GatewayError):
    """Where the keys are kept did not give any. The message is for the operator."""


class Key(NamedTuple):
    """A key bound to one algorithm. `mark` is equal only for the same key under the same name."""

    mark: str
    algorithm: str
    kid: str | None
    jwk: PyJWK


class KeySet:
    """What tokens are verified with at one moment; never changed, only replaced."""

    def __init__(self, keys: Iterable[Key], secret: Key | None = None) -> None:
        found = [*keys, secret] if secret else list(keys)
        self.marks = frozenset(key.mark for key in found)
        self._secret = secret
        self._named: dict[tuple[str, str | None], tuple[Key, ...]] = {}
        self._fitting: dict[str, tuple[Key, ...]] = {}
        for key in found:
            name = (key.algorithm, key.kid)
            self._named[name] = (*self._named.get(name, ()), key)[:MAX_TRIES]
            fitting = self._fitting.get(key.algorithm, ())
            self._fitting[key.algorithm] = (*fitting, key)[:MAX_TRIES]

    def candidates(self, algorithm: str, kid: str | None) -> Sequence[Key]:
        """The few keys that may have signed; a configured secret goes by any name."""
        if self._secret is not None and algorithm == SYMMETRIC:
            return (self._secret,)
        if kid is None:
            return self._fitting.get(algorithm, ())
        return self._named.get((algorithm, kid), ())


@dataclass(frozen=True)
class KeyReader:
    """Makes key sets that hold only keys for the pinned algorithms."""

    algorithms: Sequence[str]
    secret: Key | None = None

    @property
    def groups(self) -> list[list[str]]:
        """The pinned algorithms by who knows the key: the public, and only those who sign."""
        public = [each for each in self.algorithms if each != SYMMETRIC]
        shared = [each for each in self.algorithms if each == SYMMETRIC]
        return [group for group in (public, shared) if group]

    def read(self, document: object, *, private: bool = False) -> KeySet:
        """The keys of a JWK Set. What does not fit is passed over, as RFC 7517 section 5 asks.

        `private` says that nobody else can read the document, so `oct` keys are believed.
        Raises KeysUnavailable when it is not a JWK Set.
        """
        entries = document.get("keys") if isinstance(document, Mapping) else None
        if not isinstance(entries, list):
            raise KeysUnavailable("not a JWK Set: it has no list of keys")
        if len(entries) > MAX_KEYS:
            raise KeysUnavailable(f"a JWK Set of more than {MAX_KEYS} keys")
        keys = [
            key
            for entry in entries
            if isinstance(entry, Mapping)
            for algorithm in self.algorithms
            if algorithm != SYMMETRIC or (private and self.secret is None)
            if (key := _key(entry, algorithm)) is not None
        ]
        return KeySet(keys, self.secret)


def shared_secret(text: str) -> Key:
    """An HS256 key. Raises ValueError for a short one, and for a public key in its place."""
    encoded = base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
    key = _bound({"kty": "oct", "k": encoded}, SYMMETRIC, None)
    if key is None:
        raise ValueError("an HS256 secret is 32 to 1024 random bytes, and no public key or JWK")
    return key


def _key(entry: Mapping[str, Any], algorithm: str) -> Key | None:
    kty, curve = FITS[algorithm]
    operations = entry.get("key_ops", ("verify",))
    kid = entry.get("kid")
    fits = (
        entry.get("kty") == kty
        and entry.get("crv") == curve
        and entry.get("alg", algorithm) == algorithm
        and entry.get("use", "sig") == "sig"
        and isinstance(operations, (list, tuple))
        and "verify" in operations
        and (kid is None or isinstance(kid, str))
    )
    return _bound(entry, algorithm, kid) if fits else None


def _bound(entry: Mapping[str, Any], algorithm: str, kid: str | None) -> Key | None:
    """None for a key that cannot be one: broken, too short, or asymmetric used as a secret."""
    members = {name: entry.get(name) for name in MEMBERS[FITS[algorithm][0]]}
    if any(not isinstance(value, str) or len(value) > MAX_MEMBER for value in members.values()):
        return None
    try:
        jwk = PyJWK(members, "EdDSA" if algorithm == "Ed25519" else algorithm)
        jwk.algorithm_name = algorithm  # PyJWT has not the name that RFC 9864 gives it
        usable = jwk.Algorithm.check_key_length(jwk.Algorithm.prepare_key(jwk.key)) is None
    except (PyJWTError, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    text = json.dumps([algorithm, kid, members], sort_keys=True)
    mark = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return Key(mark, algorithm, kid, jwk) if usable else None
