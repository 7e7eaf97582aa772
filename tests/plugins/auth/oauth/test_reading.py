"""ASVS 5.0 chapter V9 where we read our own tokens: one test an item, named by its number."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from backends.sql import Sql
from gateway.seat import Subscribers
from plugins.auth.keys.at_rest import AtRest
from plugins.auth.keys.keyring import Keyring
from plugins.auth.keys.options import KeyOptions
from plugins.auth.oauth.reading import Reading
from plugins.auth.oauth.revoked import Revoked

ISSUER = "https://id.example.org/auth"


class Desk:
    def __init__(self, sql: Sql) -> None:
        self.keyring = Keyring(sql, AtRest("s" * 32), KeyOptions())
        self.revoked = Revoked(sql, Subscribers(), 900)
        self.reading = Reading(ISSUER, self.keyring, self.revoked)

    def claims(self, **changed: Any) -> dict[str, Any]:
        now = int(time.time())
        good = {
            "iss": ISSUER,
            "sub": "ada",
            "aud": "https://api.example.org",
            "client_id": "c",
            "iat": now,
            "exp": now + 60,
            "jti": "one",
            "scope": "openid",
        }
        return {name: each for name, each in (good | changed).items() if each is not None}

    def signed(self, typ: str = "at+jwt", **changed: Any) -> str:
        return self.keyring.signing().sign(self.claims(**changed), typ)


@pytest.fixture
async def desk(sql: Sql) -> Desk:
    made = Desk(sql)
    await made.keyring.start()
    return made


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


async def test_9_1_1_what_is_not_signed_by_us_is_not_read(desk: Desk) -> None:
    token = desk.signed()
    assert await desk.reading.claims(token) == desk.claims()
    header, body, signature = token.split(".")
    other = b64(json.dumps(desk.claims(sub="eve")).encode())
    for forged in (f"{header}.{other}.{signature}", f"{header}.{body}.", f"{header}.{body}", ""):
        assert await desk.reading.claims(forged) is None


async def test_9_1_2_no_algorithm_but_the_keys_own(desk: Desk) -> None:
    key = desk.keyring.signing()
    public = key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = {"kid": key.kid, "typ": "at+jwt"}
    assert (
        await desk.reading.claims(jwt.encode(desk.claims(), None, "none", headers=header)) is None
    )
    body = ".".join(
        b64(json.dumps(part).encode()) for part in ({**header, "alg": "HS256"}, desk.claims())
    )
    signature = jwt.get_algorithm_by_name("HS256").sign(body.encode(), public)
    assert await desk.reading.claims(f"{body}.{b64(signature)}") is None


async def test_9_1_3_no_key_but_ours_whatever_a_header_says(desk: Desk) -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    public = jwt.get_algorithm_by_name("ES256").to_jwk(stranger.public_key(), as_dict=True)
    kid = desk.keyring.signing().kid
    for more in ({"jwk": public}, {"jku": "https://evil.example"}, {"kid": "x", "jwk": public}):
        header = {"kid": kid, "typ": "at+jwt", **more}
        token = jwt.encode(desk.claims(), stranger, "ES256", headers=header)
        assert await desk.reading.claims(token) is None
    header = {"kid": kid, "typ": "at+jwt", "crit": ["exp"]}
    token = jwt.encode(desk.claims(), desk.keyring.signing().private, "ES256", headers=header)
    assert await desk.reading.claims(token) is None


async def test_a_key_of_one_kind_signs_for_no_other_and_nothing_is_read_that_is_huge(
    desk: Desk,
) -> None:
    assert await desk.keyring.offered("RS256")
    one, other = desk.keyring.signing(), desk.keyring.signing("RS256")
    for key, kid in ((one, other.kid), (other, one.kid)):
        header = {"kid": kid, "typ": "at+jwt"}
        token = jwt.encode(desk.claims(), key.private, key.algorithm, headers=header)
        assert await desk.reading.claims(token) is None
    assert await desk.reading.claims(desk.signed(more="x" * 5000)) is not None
    assert await desk.reading.claims(desk.signed(more="x" * 6500)) is None


async def test_9_2_1_its_time_is_heeded(desk: Desk) -> None:
    now = int(time.time())
    for changed in ({"exp": now - 1}, {"nbf": now + 60}, {"iat": now + 60}, {"exp": None}):
        assert await desk.reading.claims(desk.signed(**changed)) is None


async def test_9_2_2_it_is_an_access_token(desk: Desk) -> None:
    for typ in ("JWT", "at+JWT2", "logout+jwt", ""):
        assert await desk.reading.claims(desk.signed(typ)) is None


async def test_9_2_3_and_4_it_is_ours_and_for_somebody(desk: Desk) -> None:
    """ASVS 5.0 9.2.4."""
    for changed in ({"iss": "https://id.example.org"}, {"aud": None}, {"jti": None}):
        assert await desk.reading.claims(desk.signed(**changed)) is None


async def test_a_revoked_one_is_none(desk: Desk) -> None:
    await desk.revoked.add(desk.claims())
    assert await desk.reading.claims(desk.signed()) is None
    assert await desk.reading.claims(desk.signed(jti="two")) is not None
