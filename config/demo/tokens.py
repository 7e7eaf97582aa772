"""DEMO ONLY: an issuer that signs a token for anybody, with a key made at start."""

from __future__ import annotations

import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

LIFETIME = 3600


class Issuer:
    """What the plugin offers in process: the jwt middleware finds it by equal `issuer`."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self._key = ec.generate_private_key(ec.SECP256R1())
        public = ECAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        self._kid = f"demo-{public['x'][:8]}"
        self._jwks = {"keys": [{**public, "kid": self._kid, "use": "sig", "alg": "ES256"}]}

    async def jwks(self) -> dict[str, Any]:
        """The public keys, as RFC 7517 writes them."""
        return self._jwks

    def token(self, subject: str, scope: str) -> str:
        """A signed token, good for an hour."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": "demo",
            "sub": subject,
            "scope": scope,
            "iat": now,
            "exp": now + LIFETIME,
        }
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": self._kid})
