"""Which keys a client may be registered with."""

from __future__ import annotations

from typing import Any

import pytest

from plugins.auth.assertions.registered import check_keys
from plugins.auth.dpop.proof import ALGORITHMS
from plugins.auth.oauth.authentication import BASIC, PRIVATE_KEY_JWT
from tests.plugins.auth.assertions.asserting import Asserting

HOLDER = Asserting()
URI = "https://app.example.org/keys"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_public_key_of_each_algorithm_will_do(algorithm: str) -> None:
    jwks = Asserting(algorithm).jwks
    check_keys(PRIVATE_KEY_JWT, {"jwks": jwks, "token_endpoint_auth_signing_alg": algorithm})
    check_keys(PRIVATE_KEY_JWT, {"jwks_uri": URI, "jwks": None})
    check_keys(BASIC, {})


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({}, "needs jwks or jwks_uri"),
        ({"jwks": HOLDER.jwks, "jwks_uri": URI}, "not both"),
        ({"jwks": {}}, "JWK Set"),
        ({"jwks": {"keys": "x"}}, "JWK Set"),
        ({"jwks": {"keys": []}}, "no key for ES256, PS256"),
        ({"jwks": {"keys": [HOLDER.jwk, 1]}}, "public keys alone"),
        ({"jwks": {"keys": [HOLDER.private]}}, "public keys alone"),
        ({"jwks": {"keys": [HOLDER.jwk, HOLDER.private]}}, "public keys alone"),
        ({"jwks": {"keys": [HOLDER.jwk, {"kty": "oct", "k": "x" * 43}]}}, "public keys alone"),
        ({"jwks": {"keys": [{**HOLDER.jwk, "use": "enc"}]}}, "no key"),
        ({"jwks": {"keys": [{**HOLDER.jwk, "alg": "ES384"}]}}, "no key"),
        ({"jwks": {"keys": [HOLDER.jwk] * 65}}, "JWK Set"),
        ({"jwks": {"keys": [{**HOLDER.jwk, "x5c": ["x" * 16384]}]}}, "16384 bytes"),
        ({"jwks": HOLDER.jwks, "token_endpoint_auth_signing_alg": "RS256"}, "no key for RS256"),
    ],
)
def test_what_could_not_be_verified_by_or_is_a_secret_is_refused(metadata: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_keys(PRIVATE_KEY_JWT, metadata)
