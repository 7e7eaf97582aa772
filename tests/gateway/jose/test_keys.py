import base64

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.jose.keys import MAX_KEYS, MAX_TRIES, KeyReader, KeysUnavailable, shared_secret
from tests.gateway.jose.signing import Signer, jwks, signer

EVERY = KeyReader(["ES256", "RS256", "EdDSA", "PS256", "HS256"])


def read(*entries, private=False):
    return EVERY.read(jwks(*entries), private=private)


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA", "PS256"])
def test_a_key_is_found_by_algorithm_and_kid(algorithm):
    keys = read(signer(algorithm))
    (key,) = keys.candidates(algorithm, "one")
    assert (key.algorithm, key.kid, key.jwk.algorithm_name) == (algorithm, "one", algorithm)
    assert keys.candidates(algorithm, "two") == ()


def test_an_rsa_key_without_alg_serves_every_pinned_rsa_algorithm_and_no_other():
    keys = read(signer("RS256"))
    assert len(keys.candidates("RS256", "one")) == len(keys.candidates("PS256", "one")) == 1
    assert keys.candidates("RS512", "one") == ()
    assert keys.candidates("HS256", "one") == ()


def test_an_rsa_key_with_alg_serves_that_one():
    keys = read(signer("RS256").jwk(alg="PS256"))
    assert keys.candidates("RS256", "one") == ()
    assert len(keys.candidates("PS256", "one")) == 1


def test_a_token_without_kid_is_tried_with_a_few_fitting_keys():
    many = [Signer("ES256", f"k{number}") for number in range(MAX_TRIES + 3)]
    keys = read(*many, signer("EdDSA"))
    assert [key.kid for key in keys.candidates("ES256", None)] == ["k0", "k1", "k2", "k3"]
    assert [key.kid for key in keys.candidates("EdDSA", None)] == ["one"]


@pytest.mark.parametrize(
    "members",
    [
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"key_ops": "verify"},
        {"alg": "ES384"},
        {"crv": "P-384"},
        {"crv": None},
        {"kty": "RSA"},
        {"kty": None},
        {"kid": 7},
        {"x": "AAAA"},
        {"x": None},
        {"x": ["AAAA"]},
        {"x": "\ud800"},
        {"x": "A" * 100_000},
    ],
)
def test_an_entry_that_does_not_fit_is_passed_over(members):
    keys = read(signer("ES256").jwk(**members), signer("EdDSA"))
    assert keys.candidates("ES256", "one") == keys.candidates("ES256", None) == ()
    assert len(keys.candidates("EdDSA", "one")) == 1


def test_key_ops_may_say_that_a_key_verifies():
    assert read(signer("ES256").jwk(key_ops=["verify"], use="sig")).candidates("ES256", "one")


def test_a_short_rsa_key_is_passed_over():
    assert read(Signer("RS256", bits=1024)).candidates("RS256", "one") == ()


def test_a_private_key_published_by_mistake_is_reduced_to_its_public_half():
    private = signer("EdDSA").jwk(d=base64.urlsafe_b64encode(bytes(32)).decode())
    (key,) = read(private).candidates("EdDSA", "one")
    assert not hasattr(key.jwk.key, "sign")


def test_entries_that_are_no_objects_are_passed_over():
    assert len(EVERY.read({"keys": [1, None, "x", signer("ES256").jwk()]}).marks) == 1


@pytest.mark.parametrize("document", [None, [], "keys", {}, {"keys": {}}, {"keys": "all"}])
def test_what_is_no_jwk_set_is_refused(document):
    with pytest.raises(KeysUnavailable, match="no list of keys"):
        EVERY.read(document)


def test_a_set_of_too_many_keys_is_refused():
    with pytest.raises(KeysUnavailable, match="more than 64 keys"):
        EVERY.read({"keys": [{}] * (MAX_KEYS + 1)})


def test_oct_keys_are_believed_only_in_a_document_that_nobody_else_can_read():
    oct_key = signer("HS256")
    assert read(oct_key).candidates("HS256", "one") == ()
    assert len(read(oct_key, private=True).candidates("HS256", "one")) == 1


def test_oct_keys_are_not_believed_beside_a_configured_secret():
    reader = KeyReader(["HS256", "ES256"], shared_secret("s" * 32))
    keys = reader.read(jwks(signer("HS256"), signer("ES256")), private=True)
    (key,) = keys.candidates("HS256", "one")
    assert key == reader.secret
    assert keys.candidates("HS256", None) == (key,)


def test_a_mark_is_the_same_for_the_same_key_and_another_for_another_name_or_key():
    one = read(signer("ES256")).marks
    assert one == read(signer("ES256").jwk(x5t="whatever")).marks
    assert one.isdisjoint(read(signer("ES256").jwk(kid="two")).marks)
    assert one.isdisjoint(read(Signer("ES256")).marks)


def public_key(encoding, form):
    return signer("RS256").private.public_key().public_bytes(encoding, form)


PEM = public_key(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
SSH = public_key(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
JWK = '{"kty": "EC", "crv": "P-256", "x": "AAAAAAAAAAAA", "y": "AAAAAAAAAAAA"}'


@pytest.mark.parametrize("text", ["", "short", "s" * 31, "s" * 2000, PEM, SSH, JWK])
def test_a_secret_is_long_enough_and_no_public_key(text):
    with pytest.raises(ValueError, match="32 to 1024 random bytes, and no public key") as refused:
        shared_secret(text)
    assert not text or text not in str(refused.value)


def test_an_oct_key_made_of_a_public_key_is_passed_over():
    k = base64.urlsafe_b64encode(public_key(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    confused = {"kty": "oct", "kid": "one", "k": k.rstrip(b"=").decode()}
    assert read(confused, private=True).candidates("HS256", "one") == ()
