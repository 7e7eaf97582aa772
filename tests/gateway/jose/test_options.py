import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.jose.options import JwtOptions
from tests.gateway.jose.signing import ISSUER, signer

SECRET = "s" * 32
PEM = (
    signer("RS256")
    .private.public_key()
    .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    .decode()
)
WITH_SECRET = {"secret": SECRET, "algorithms": ["HS256"]}


def convert(**options):
    """As from a file, but for quantities with a unit."""
    return msgspec.convert(options, JwtOptions)


@pytest.mark.parametrize(
    "options",
    [
        {"issuer": ISSUER},
        {"issuer": "http://localhost:4003/auth", "audience": "api", "scopes": ["read"]},
        {"issuer": ISSUER, "audience": ["a", "b"], "roles": ["admin"], "leeway": 30.0},
        {"jwks": "keys.json"},
        {"jwks": "https://issuer.example/keys?tenant=1", "algorithms": ["RS256"]},
        {"jwks": "keys.json", "algorithms": ["HS256"]},
        {"jwks": "keys.json", "algorithms": ["HS256", "ES256"]},
        WITH_SECRET,
        {**WITH_SECRET, "issuer": ISSUER},
        {"secret": SECRET, "algorithms": ["HS256", "ES256"], "issuer": ISSUER},
        {"secret": SECRET, "algorithms": ["HS256", "ES256"], "jwks": "keys.json"},
    ],
)
def test_options_that_say_whose_tokens_are_believed_are_taken(options):
    assert convert(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "one of issuer, jwks and secret"),
        ({"audience": "api"}, "one of issuer, jwks and secret"),
        ({"issuer": "issuer.example"}, "issuer is an http"),
        ({"issuer": f"{ISSUER}?a=b"}, "issuer is an http"),
        ({"issuer": ""}, "issuer is an http"),
        ({"jwks": "ftp://issuer.example/keys"}, "jwks is an http"),
        ({"jwks": ""}, "length"),
        ({"issuer": ISSUER, "leeway": 301.0}, "leeway is at most 5m"),
        ({"issuer": ISSUER, "leeway": -1.0}, "leeway is at most 5m"),
        ({"issuer": ISSUER, "algorithms": []}, "length"),
        ({"issuer": ISSUER, "algorithms": ["none"]}, "Invalid enum value 'none'"),
        ({"issuer": ISSUER, "algorithms": ["HS512"]}, "Invalid enum value"),
        ({"issuer": ISSUER, "audience": ""}, "length"),
        ({"issuer": ISSUER, "audience": []}, "length"),
        ({"issuer": ISSUER, "audience": [""]}, "length"),
        ({"issuer": ISSUER, "scopes": ['re"ad']}, "regex"),
        ({"issuer": ISSUER, "scopes": ["read write"]}, "regex"),
        ({"issuer": ISSUER, "audiance": "api"}, "unknown field `audiance`"),
        ({"issuer": ISSUER, "secret": SECRET}, "only with HS256 among"),
        ({"issuer": ISSUER, "algorithms": ["HS256"]}, "HS256 needs a secret"),
        ({"jwks": f"{ISSUER}/keys", "algorithms": ["HS256"]}, "HS256 needs a secret"),
        ({"secret": SECRET, "algorithms": ["HS256", "ES256"]}, "only HS256 can do without"),
        ({"issuer": ISSUER, "dpop": "https://a.example/path"}, "dpop is an http"),
        ({"issuer": ISSUER, "dpop": "api"}, "dpop is an http"),
        ({"jwks": "keys.json", "dpop": "https://a.example"}, "dpop needs an issuer"),
        ({**WITH_SECRET, "jwks": "keys.json"}, "jwks is never read"),
        ({**WITH_SECRET, "secret": "tooshort"}, "32 to 1024 random bytes"),
        ({**WITH_SECRET, "secret": PEM}, "no public key"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(msgspec.ValidationError, match=message) as refused:
        convert(**options)
    assert options.get("secret", "tooshort") not in str(refused.value)


def test_the_algorithms_are_pinned_and_hs256_is_not_among_them():
    assert convert(issuer=ISSUER).algorithms == ["ES256", "RS256", "EdDSA", "PS256"]


def test_one_audience_may_be_written_without_a_list():
    assert convert(issuer=ISSUER, audience="api").audiences == ["api"]
    assert convert(issuer=ISSUER, audience=["a", "b"]).audiences == ["a", "b"]
    assert convert(issuer=ISSUER).audiences == ()


def test_the_secret_is_never_shown():
    assert SECRET not in repr(convert(**WITH_SECRET))
    assert SECRET not in f"{convert(**WITH_SECRET)}"
