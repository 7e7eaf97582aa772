"""Who holds a key and proves it (RFC 9449)."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from plugins.auth.dpop.proof import hash_of

KINDS: dict[str, Any] = {
    "ES256": (lambda: ec.generate_private_key(ec.SECP256R1()), ECAlgorithm),
    "EdDSA": (ed25519.Ed25519PrivateKey.generate, OKPAlgorithm),
    "Ed25519": (ed25519.Ed25519PrivateKey.generate, OKPAlgorithm),
    "RS256": (lambda: rsa.generate_private_key(65537, 2048), RSAAlgorithm),
    "PS256": (lambda: rsa.generate_private_key(65537, 2048), RSAAlgorithm),
}
JWS = jwt.PyJWS()
JWS.register_algorithm("Ed25519", OKPAlgorithm())


class Holder:
    def __init__(self, algorithm: str = "ES256") -> None:
        make, kind = KINDS[algorithm]
        self.algorithm = algorithm
        self.key = make()
        self.private = json.loads(kind.to_jwk(self.key))
        self.jwk = json.loads(kind.to_jwk(self.key.public_key()))

    def proof(
        self, htm: str, htu: str, *, token: str = "", header: Any = None, **claims: Any
    ) -> str:
        """A claim or a member of the header that is None is left out."""
        held = {
            "jti": secrets.token_urlsafe(),
            "htm": htm,
            "htu": htu,
            "iat": int(time.time()),
            "ath": hash_of(token) if token else None,
            **claims,
        }
        headers = {"typ": "dpop+jwt", "jwk": self.jwk, **(header or {})}
        return self.signed(headers, held)

    def signed(self, headers: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
        """What is None is left out."""
        payload = json.dumps({name: each for name, each in claims.items() if each is not None})
        head = {name: each for name, each in headers.items() if each is not None}
        return JWS.encode(payload.encode(), self.key, self.algorithm, head)
