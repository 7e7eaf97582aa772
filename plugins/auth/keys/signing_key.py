"""A key pair: made, sealed, and its public half as a JWK (RFC 7517)."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from plugins.auth.keys.options import Algorithm

Private = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
THUMBED = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """signs_at: UTC seconds since 1970, from when it signs. kid: its thumbprint (RFC 7638)."""

    number: int
    kid: str
    algorithm: str
    private: Private = field(repr=False)
    public: Mapping[str, Any] = field(repr=False)
    signs_at: int

    def sign(self, claims: Mapping[str, Any], typ: str) -> str:
        """A JWT in compact form with this `typ`."""
        headers = {"kid": self.kid, "typ": typ}
        return jwt.encode(dict(claims), self.private, self.algorithm, headers=headers)


def new_private(algorithm: Algorithm) -> bytes:
    """PKCS #8 in DER. For RS256 it takes a tenth of a second or more of one core."""
    made: Private
    if algorithm == "ES256":
        made = ec.generate_private_key(ec.SECP256R1())
    elif algorithm == "RS256":
        made = rsa.generate_private_key(65537, 2048)
    else:
        made = ed25519.Ed25519PrivateKey.generate()
    return made.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def signing_key(number: int, algorithm: str, der: bytes, signs_at: int) -> SigningKey:
    """Raises ValueError for what is no key of the three kinds."""
    private = load_der_private_key(der, None)
    if not isinstance(private, Private):
        raise ValueError("a signing key is of EC, RSA or Ed25519")
    jwk = _jwk(private)
    needed = {name: jwk[name] for name in THUMBED[str(jwk["kty"])]}
    kid = thumbprint(needed)
    public = {**needed, "kid": kid, "alg": algorithm, "use": "sig"}
    return SigningKey(number, kid, algorithm, private, public, signs_at)


def thumbprint(needed: Mapping[str, Any]) -> str:
    """SHA-256 of the members that make a public key (RFC 7638)."""
    digest = hashlib.sha256(json.dumps(needed, separators=(",", ":"), sort_keys=True).encode())
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()


def _jwk(private: Private) -> dict[str, Any]:
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    if isinstance(private, rsa.RSAPrivateKey):
        return RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    return OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
