"""A proof is signed by the one public key in its header, and says what for."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest

from plugins.auth.dpop.proof import ALGORITHMS, BadProof, read, same_place
from tests.plugins.auth.dpop.holder import Holder

PLACE = "https://id.example.org/auth/token"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_proves_its_key(algorithm: str) -> None:
    holder = Holder(algorithm)
    first, second = (read(holder.proof("POST", PLACE)) for _ in range(2))
    assert first.jkt == second.jkt != read(Holder(algorithm).proof("POST", PLACE)).jkt
    assert first.jti != second.jti
    assert (first.htm, first.htu, first.ath, first.nonce) == ("POST", PLACE, None, None)


def test_the_thumbprint_is_that_of_rfc_9449() -> None:
    """The example of section 5 and 6; its proof is old, which is for others to say."""
    text = (
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0Vj"
        "NoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5"
        "VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TV"
        "CIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8"
        "lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
    )
    assert read(text).jkt == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


def forged(proof: str, **header: Any) -> str:
    first, _, rest = proof.partition(".")
    changed = {**json.loads(base64.urlsafe_b64decode(first + "==")), **header}
    return base64.urlsafe_b64encode(json.dumps(changed).encode()).rstrip(b"=").decode() + "." + rest


HOLDER, OTHER, LARGE = Holder(), Holder(), Holder("RS256")
SECRET = {"kty": "oct", "k": base64.urlsafe_b64encode(b"k" * 32).rstrip(b"=").decode()}
WRONG = {
    "no JWT": "a.b.c",
    "empty": "",
    "not ASCII": "ñ",
    "too large": HOLDER.proof("POST", PLACE, much="x" * 9000),
    "another type": HOLDER.proof("POST", PLACE, header={"typ": "JWT"}),
    "no key": HOLDER.proof("POST", PLACE, header={"jwk": None}),
    "a key by reference": HOLDER.proof("POST", PLACE, header={"jwk": "https://evil.example"}),
    "another's key": HOLDER.proof("POST", PLACE, header={"jwk": OTHER.jwk}),
    "a private key": HOLDER.proof("POST", PLACE, header={"jwk": HOLDER.private}),
    "a private RSA key": LARGE.proof("POST", PLACE, header={"jwk": LARGE.private}),
    "another kind of key": HOLDER.proof("POST", PLACE, header={"jwk": LARGE.jwk}),
    "a broken key": HOLDER.proof("POST", PLACE, header={"jwk": {**HOLDER.jwk, "x": "AA"}}),
    "crit": forged(HOLDER.proof("POST", PLACE), crit=["b64"]),
    "no algorithm": forged(HOLDER.proof("POST", PLACE), alg="none"),
    "another algorithm": forged(HOLDER.proof("POST", PLACE), alg="ES384"),
    "a shared secret": jwt.encode(
        {"jti": "1", "htm": "POST", "htu": PLACE, "iat": 1},
        b"k" * 32,
        "HS256",
        headers={"typ": "dpop+jwt", "jwk": SECRET},
    ),
    "no jti": HOLDER.proof("POST", PLACE, jti=None),
    "a long jti": HOLDER.proof("POST", PLACE, jti="x" * 257),
    "a jti that is no text": HOLDER.proof("POST", PLACE, jti=7),
    "half a character in the jti": HOLDER.proof("POST", PLACE, jti="\ud800"),
    "half a character in ath": HOLDER.proof("POST", PLACE, ath="\ud800"),
    "no iat": HOLDER.proof("POST", PLACE, iat=None),
    "an iat of text": HOLDER.proof("POST", PLACE, iat="1"),
    "an iat without end": HOLDER.proof("POST", PLACE, iat=1e300),
    "no htu": HOLDER.proof("POST", ""),
    "a nonce that is no text": HOLDER.proof("POST", PLACE, nonce=1),
}


@pytest.mark.parametrize("proof", WRONG.values(), ids=WRONG.keys())
def test_what_is_no_proof_is_refused(proof: str) -> None:
    with pytest.raises(BadProof):
        read(proof)


def test_places_are_compared_as_urls_without_their_query() -> None:
    for same in (PLACE, PLACE + "?a=b#c", "HTTPS://ID.example.org:443/auth/%74oken"):
        assert same_place(same, PLACE), same
    for other in (
        "https://id.example.org/auth/token/",
        "https://id.example.org:444/auth/token",
        "http://id.example.org/auth/token",
        "https://a:b@id.example.org/auth/token",
        "https://id.example.org/auth/Token",
        "/auth/token",
        "https://[",
        "",
    ):
        assert not same_place(other, PLACE), other
