"""Keys of a client, as its metadata has them (RFC 7591 section 2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from gateway.jose.keys import KeyReader, KeysUnavailable
from plugins.auth.dpop.proof import ALGORITHMS, PRIVATE
from plugins.auth.oauth.authentication import PRIVATE_KEY_JWT

JWKS, URI, ALGORITHM = "jwks", "jwks_uri", "token_endpoint_auth_signing_alg"
LARGEST = 16384


def check_keys(method: str, metadata: Mapping[str, Any]) -> None:
    """Raises ValueError."""
    jwks, uri, algorithm = (metadata.get(name) for name in (JWKS, URI, ALGORITHM))
    if jwks is not None and uri is not None:
        raise ValueError("a client has jwks or jwks_uri, not both")
    if method == PRIVATE_KEY_JWT and jwks is None and uri is None:
        raise ValueError(f"{PRIVATE_KEY_JWT} needs jwks or jwks_uri")
    if jwks is not None:
        _check_set(jwks, ALGORITHMS if algorithm is None else (algorithm,))


def _check_set(jwks: Any, algorithms: tuple[str, ...]) -> None:
    try:
        keys = KeyReader(algorithms).read(jwks)
    except KeysUnavailable:
        raise ValueError("jwks is a JWK Set (RFC 7517 section 5)") from None
    if not all(isinstance(entry, dict) and not PRIVATE & entry.keys() for entry in jwks["keys"]):
        raise ValueError("jwks has public keys alone")
    if not keys.marks:
        raise ValueError(f"jwks has no key for {', '.join(algorithms)}")
    if len(orjson.dumps(jwks)) > LARGEST:
        raise ValueError(f"jwks has at most {LARGEST} bytes")
