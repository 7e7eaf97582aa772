import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.jose.keys import KeyReader
from gateway.jose.verify import MAX_TOKEN, Refused, UnknownKey, Verifier
from tests.gateway.jose.signing import (
    ISSUER,
    Signer,
    encoded,
    good_claims,
    jwks,
    signer,
)

ALGORITHMS = ["ES256", "RS256", "EdDSA", "PS256"]
ES256 = {"alg": "ES256", "kid": "one"}


def keys_of(*signers, algorithms=ALGORITHMS):
    return KeyReader(algorithms).read(jwks(*signers), private=True)


def verify(token, *signers, algorithms=ALGORITHMS, **options):
    options = {"issuer": ISSUER, "audiences": ["api"], **options}
    keys = keys_of(*(signers or [signer("ES256")]), algorithms=algorithms)
    return Verifier(algorithms, **options).verify(token, keys)


def reason(token, *signers, **options):
    with pytest.raises(Refused) as refused:
        verify(token, *signers, **options)
    return refused.value.reason


@pytest.mark.parametrize(
    "algorithm",
    [*ALGORITHMS, "ES384", "ES512", "RS384", "RS512", "PS384", "PS512", "HS256"],
)
def test_a_token_of_each_algorithm_is_believed(algorithm):
    by = signer(algorithm)
    token = by.token(scope="read write", roles=["admin"])
    found = verify(token, by, algorithms=[algorithm])
    assert found.identity.subject == "ada"
    assert found.identity.kind == "jwt"
    assert found.identity.scopes == {"read", "write"}
    assert found.identity.roles == {"admin"}
    assert found.identity.claims["iss"] == ISSUER
    assert found.mark in keys_of(by, algorithms=[algorithm]).marks


def test_a_key_of_ed25519_goes_by_its_new_name_too():
    by = signer("EdDSA")
    token = by.raw({"alg": "Ed25519", "kid": "one"}, good_claims())
    assert verify(token, by, algorithms=["Ed25519"]).identity.subject == "ada"
    assert verify(token, by.jwk(alg="Ed25519"), algorithms=["EdDSA", "Ed25519"])
    for key, pinned in ((by, "EdDSA"), (by.jwk(alg="EdDSA"), "Ed25519")):
        assert reason(token, key, algorithms=[pinned]) == "signature"


def test_claims_cannot_be_changed_by_one_request_for_the_next():
    claims = verify(signer("ES256").token()).identity.claims
    with pytest.raises(TypeError):
        claims["sub"] = "eve"


def test_it_is_believed_until_it_expires_plus_the_leeway():
    claims = good_claims()
    token = signer("ES256").token(**claims)
    assert verify(token).until == claims["exp"]
    assert verify(token, leeway=30.0).until == claims["exp"] + 30
    assert verify(signer("ES256").token(exp=1e300)).until == 2**53


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": 1}, "expired"),
        ({"exp": None}, "malformed"),
        ({"exp": str(2**33)}, "malformed"),
        ({"exp": [1]}, "malformed"),
        ({"nbf": 2**33}, "immature"),
        ({"nbf": "1"}, "malformed"),
        ({"iat": 2**33}, "immature"),
        ({"iat": {}}, "malformed"),
        ({"aud": "other"}, "audience"),
        ({"aud": ["other", "another"]}, "audience"),
        ({"aud": {"api": 1}}, "audience"),
        ({"aud": None}, "malformed"),
        ({"iss": "https://issuer.example/"}, "issuer"),
        ({"iss": None}, "malformed"),
        ({"sub": "a\r\nb"}, "malformed"),
        ({"sub": "\ud800"}, "malformed"),
        ({"jti": None, "sub": "ok", "exp": 0}, "expired"),
    ],
)
def test_claims_that_do_not_hold_are_refused(claims, why):
    assert reason(signer("ES256").token(**claims)) == why


@pytest.mark.parametrize("name", ["sub", "jti", "nbf", "exp"])
@pytest.mark.parametrize("value", [None, [], {"a": 1}, float("nan"), float("inf")])
def test_claims_of_another_type_are_refused(name, value):
    token = signer("ES256").raw(ES256, good_claims() | {name: value})
    assert reason(token) == "malformed"


def test_leeway_forgives_a_clock_that_is_a_little_off():
    now = int(time.time())
    late = signer("ES256").token(exp=now - 5, nbf=now + 5, iat=now + 5)
    assert reason(late) == "immature"
    assert verify(late, leeway=30.0)


def test_one_audience_of_several_is_enough():
    assert verify(signer("ES256").token(aud=["x", "b"]), audiences=["a", "b"])


def test_without_issuer_and_audience_those_claims_are_not_looked_at():
    token = signer("ES256").token(iss="someone", aud="something")
    assert verify(token, issuer=None, audiences=())


def test_a_token_without_subject_has_an_empty_one():
    assert verify(signer("ES256").token(sub=None)).identity.subject == ""


@pytest.mark.parametrize(
    ("claims", "scopes", "roles"),
    [
        ({"scope": " read  write "}, {"read", "write"}, set()),
        ({"scp": "read write"}, {"read", "write"}, set()),
        ({"scp": ["read", 7]}, {"read"}, set()),
        ({"scope": "", "scp": "read"}, set(), set()),
        ({"scope": 7, "roles": "admin"}, set(), set()),
        ({"roles": ["a", None, ["b"]]}, set(), {"a"}),
        ({"realm_access": {"roles": ["a"]}}, set(), {"a"}),
        ({"realm_access": ["a"]}, set(), set()),
        ({"roles": [], "realm_access": {"roles": ["a"]}}, set(), set()),
    ],
)
def test_scopes_and_roles_are_read_where_issuers_write_them(claims, scopes, roles):
    identity = verify(signer("ES256").token(**claims)).identity
    assert (identity.scopes, identity.roles) == (scopes, roles)


@pytest.mark.parametrize("kind", [None, "JWT", "jwt", "at+jwt", "application/at+JWT"])
def test_access_tokens_and_plain_ones_are_believed(kind):
    assert verify(signer("ES256").raw({**ES256, "typ": kind} if kind else ES256, good_claims()))


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "logout+jwt"},
        {"typ": "dpop+jwt"},
        {"typ": None},
        {"typ": 7},
        {"crit": ["b64"], "b64": True},
        {"crit": ["exp"], "exp": 1},
        {"crit": []},
        {"b64": False},
        {"kid": 7},
        {"kid": ["one"]},
    ],
)
def test_headers_that_ask_for_something_else_are_refused(header):
    assert reason(signer("ES256").raw({**ES256, **header}, good_claims())) == "malformed"


@pytest.mark.parametrize(
    "header", [{"jwk": signer("EdDSA").jwk()}, {"jku": "http://127.0.0.1/"}, {"x5u": "http://h/"}]
)
def test_a_key_that_the_token_brings_along_is_not_looked_at(header):
    forged = Signer("ES256").raw({**ES256, **header}, good_claims())
    assert reason(forged) == "signature"


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "nOnE", "", "HS256", "RS512", 7, None]
)
def test_an_algorithm_that_is_not_pinned_is_refused(algorithm):
    header = encoded({"alg": algorithm, "kid": "one"})
    assert reason(f"{header}.{encoded(good_claims())}.AAAA") == "signature"
    assert reason(f"{header}.{encoded(good_claims())}.") == "malformed"


def test_a_token_without_an_algorithm_is_refused():
    assert reason(signer("ES256").raw({"kid": "one"}, good_claims())) == "signature"


@pytest.mark.parametrize("form", ["pem", "der", "jwk", "k"])
def test_a_public_key_is_never_an_hmac_secret(form):
    by = signer("RS256")
    public = by.private.public_key()
    material = {
        "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "jwk": json.dumps(by.jwk()).encode(),
        "k": by.jwk()["n"].encode(),
    }[form]
    hmac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signed = f"{encoded({'alg': 'HS256', 'kid': 'one'})}.{encoded(good_claims())}"
    forged = f"{signed}.{encoded(hmac.sign(signed.encode(), material))}"
    assert reason(forged, by) == "signature"
    assert reason(forged, by, algorithms=["RS256", "HS256"]) == "signature"


def test_a_key_of_one_algorithm_does_not_verify_another():
    by = signer("RS256")
    pss = Signer("PS256")
    pss.private = by.private
    assert reason(pss.token(), by.jwk(alg="RS256")) == "signature"
    assert verify(pss.token(), by.jwk(alg="PS256"))


def test_an_unknown_kid_may_be_known_to_newer_keys():
    with pytest.raises(UnknownKey):
        verify(Signer("ES256", "two").token())


def test_another_key_of_the_same_name_is_a_bad_signature():
    with pytest.raises(Refused) as refused:
        verify(Signer("ES256").token())
    assert not isinstance(refused.value, UnknownKey)
    assert refused.value.reason == "signature"


def test_a_token_without_kid_is_verified_by_whichever_key_fits():
    by = Signer("ES256", None)
    assert verify(by.token(), Signer("ES256", "other"), signer("EdDSA"), by)
    assert reason(by.token(), Signer("ES256", "other")) == "signature"


@pytest.mark.parametrize(
    "change",
    [
        lambda token: "",
        lambda token: "x",
        lambda token: "a.b",
        lambda token: "..",
        lambda token: token + ".AAAA",
        lambda token: token + "==",
        lambda token: token + "\n",
        lambda token: token.replace(".", "..", 1),
        lambda token: token.replace("e", "é", 1),
        lambda token: "A" + token,
        lambda token: encoded(b"[]") + token[token.index(".") :],
        lambda token: encoded(b"{") + token[token.index(".") :],
        lambda token: encoded(b"\xff\xfe\xfd") + token[token.index(".") :],
        lambda token: encoded(b"[" * 6000) + token[token.index(".") :],
        lambda token: "A" + token[token.index(".") :],
        lambda token: "A" * 9000 + token,
    ],
)
def test_what_is_no_compact_token_is_refused(change):
    assert reason(change(signer("ES256").token())) == "malformed"


@pytest.mark.parametrize(
    "payload", [b"[]", b"1", b"{", b"\xff", b"[" * 5000, b'{"exp":' + b"9" * 5000]
)
def test_a_payload_that_is_no_object_is_refused(payload):
    assert reason(signer("ES256").raw(ES256, payload)) == "malformed"


def test_a_token_may_have_8_kib_and_not_a_byte_more():
    by = signer("ES256")
    bare = len(by.token(pad=""))
    token = by.token(pad="x" * int((MAX_TOKEN - bare) * 0.74))
    assert verify(token)
    assert reason(by.token(pad="x" * MAX_TOKEN)) == "malformed"


def test_changing_any_part_breaks_the_signature():
    by = signer("ES256")
    header, payload, signature = by.token().split(".")
    other = encoded(good_claims() | {"sub": "root"})
    assert reason(f"{header}.{other}.{signature}") == "signature"
    assert reason(f"{header}.{payload}.{encoded(bytes(64))}") == "signature"
    assert reason(f"{header}.{payload}.{encoded(bytes(10))}") == "signature"
