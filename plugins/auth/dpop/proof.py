"""A DPoP proof: a JWT signed by the key that is within it (RFC 9449 sections 4.2 and 4.3)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args

import jwt
from jwt.types import Options
from yarl import URL

from gateway.jose.keys import FITS, MEMBERS, KeyReader
from plugins.auth.keys.signing_key import thumbprint

Algorithm = Literal["ES256", "PS256", "RS256", "EdDSA", "Ed25519"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)
LARGEST, LONGEST_JTI = 8192, 256
PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
UNCHECKED: Options = {
    "verify_aud": False,
    "verify_iat": False,
    "verify_exp": False,
    "verify_nbf": False,
}


class BadProof(ValueError):
    """The message says what is wrong, without anything the client sent."""


class Proof(NamedTuple):
    """jkt: the thumbprint of its key (RFC 7638). iat: UTC seconds since 1970."""

    jkt: str
    jti: str
    htm: str
    htu: str
    iat: int
    ath: str | None
    nonce: str | None


def read(text: str) -> Proof:
    """Whoever sends it holds the key of `jkt`; what it is for is yet to be compared.

    Raises BadProof.
    """
    if len(text) > LARGEST or not text.isascii():
        raise BadProof("the proof is too large")
    try:
        header = jwt.get_unverified_header(text)
    except jwt.PyJWTError:
        raise BadProof("the proof is no signed JWT") from None
    algorithm, jwk = header.get("alg"), header.get("jwk")
    if header.get("typ") != "dpop+jwt" or "crit" in header or "b64" in header:
        raise BadProof("the proof is not of type dpop+jwt")
    if algorithm not in ALGORITHMS:
        raise BadProof(f"a proof is signed with {', '.join(ALGORITHMS)}")
    public = _public(jwk, algorithm)
    return _proof(_claims(text, public, algorithm), thumbprint(public))


def same_place(one: str, other: str) -> bool:
    """As URLs without query and fragment, after the normalisation of RFC 3986 section 6."""
    try:
        return _normal(one) == _normal(other)
    except ValueError:
        return False


def hash_of(token: str) -> str:
    """`ath`: of an access token."""
    digest = hashlib.sha256(token.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _public(jwk: object, algorithm: str) -> dict[str, Any]:
    """The members that make the key, and nothing else of what is there."""
    kty, curve = FITS[algorithm]
    if not isinstance(jwk, dict) or PRIVATE & jwk.keys():
        raise BadProof("the proof has a public key in its header")
    if jwk.get("kty") != kty or jwk.get("crv") != curve:
        raise BadProof("the proof's key is of another algorithm")
    return {name: jwk.get(name) for name in MEMBERS[kty]}


def _claims(text: str, public: Mapping[str, Any], algorithm: str) -> Mapping[str, Any]:
    found = KeyReader([algorithm]).read({"keys": [public]}).candidates(algorithm, None)
    if not found:
        raise BadProof("the proof's key cannot be used")
    try:
        claims: dict[str, Any] = jwt.decode(
            text, found[0].jwk, algorithms=[algorithm], options=UNCHECKED
        )
    except jwt.PyJWTError:
        raise BadProof("the proof's signature is not valid") from None
    return claims


def _proof(claims: Mapping[str, Any], jkt: str) -> Proof:
    needed = [claims.get(name) for name in ("jti", "htm", "htu")]
    iat = claims.get("iat")
    if not all(isinstance(each, str) and each and each.isprintable() for each in needed):
        raise BadProof("the proof has jti, htm, htu and iat")
    if isinstance(iat, bool) or not isinstance(iat, int | float) or not abs(iat) < 2**53:
        raise BadProof("the proof has jti, htm, htu and iat")
    if len(claims["jti"]) > LONGEST_JTI:
        raise BadProof("the proof's jti is too long")
    ath, nonce = claims.get("ath"), claims.get("nonce")
    if not isinstance(ath, str | None) or not isinstance(nonce, str | None):
        raise BadProof("ath and nonce are text")
    if not (ath or "").isascii():
        raise BadProof("ath is no hash")
    return Proof(jkt, claims["jti"], claims["htm"], claims["htu"], int(iat), ath, nonce)


def _normal(text: str) -> str:
    url = URL(text)
    if not url.absolute or url.user or url.password:
        raise ValueError("not a URL of a resource")
    return str(url.with_query(None).with_fragment(None))
