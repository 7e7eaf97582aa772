import asyncio
import json
import os

import pytest

from gateway.jose.fetch import MAX_BYTES
from gateway.jose.issuer import KeyIssuer, RevokingIssuer, issuer_among, revocation
from gateway.jose.keys import KeyReader, KeysUnavailable
from gateway.jose.sources import (
    DiscoveredKeys,
    KeyAddress,
    KeyFile,
    PluginKeys,
    is_web_address,
)
from tests.gateway.jose.signing import ISSUER, Issuer, Signer, jwks, serving, signer

READER = KeyReader(["ES256"])


def known(fetched):
    return bool(fetched.keys.candidates("ES256", "one"))


@pytest.mark.parametrize(
    ("headers", "again_in"),
    [
        ({}, 540),
        ({"Cache-Control": "max-age=1000"}, 900),
        ({"Cache-Control": "max-age=0"}, 54),
        ({"Cache-Control": "max-age=999999"}, 3240),
    ],
)
async def test_keys_behind_an_address_are_asked_for_again_before_their_lifetime_ends(
    headers, again_in
):
    async with serving(Issuer(signer("ES256"))) as issuer:
        issuer.headers = headers
        fetched = await KeyAddress(f"{issuer.url}/keys", READER).fetch()
    assert known(fetched)
    assert fetched.again_in == pytest.approx(again_in)


async def test_discovery_names_the_address_of_the_keys():
    async with serving(Issuer(signer("ES256"))) as issuer:
        assert known(await DiscoveredKeys(issuer.url, READER).fetch())


async def test_an_issuer_with_a_slash_at_its_end_keeps_it_in_its_name_only():
    async with serving(Issuer(signer("ES256"))) as issuer:
        issuer.discovery = {"issuer": f"{issuer.url}/"}
        assert known(await DiscoveredKeys(f"{issuer.url}/", READER).fetch())


@pytest.mark.parametrize(
    ("discovery", "message"),
    [
        ({"issuer": "https://other.example"}, "another issuer's"),
        ({"issuer": None}, "another issuer's"),
        ({"jwks_uri": None}, "no fit jwks_uri"),
        ({"jwks_uri": "/keys"}, "no fit jwks_uri"),
        ({"jwks_uri": "file:///etc/passwd"}, "no fit jwks_uri"),
    ],
)
async def test_a_discovery_document_that_does_not_fit_is_refused(discovery, message):
    async with serving(Issuer(signer("ES256"))) as issuer:
        issuer.discovery = discovery
        with pytest.raises(KeysUnavailable, match=message):
            await DiscoveredKeys(issuer.url, READER).fetch()


async def test_a_file_is_read_again_when_it_has_changed(tmp_path):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(jwks(signer("ES256"))))
    source = KeyFile(path, READER)
    first = await source.fetch()
    assert (await source.fetch()).keys is first.keys
    path.write_text(json.dumps(jwks(Signer("ES256", "two"))))
    os.utime(path, ns=(1, 1))
    assert (await source.fetch()).keys.candidates("ES256", "two")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file"),
        ("", "not JSON"),
        ("{}", "no list of keys"),
        ('{"keys": []}', "no key in it fits ES256"),
        (json.dumps(jwks(signer("EdDSA"))), "no key in it fits ES256"),
        (" " * (MAX_BYTES + 1), "more than"),
    ],
)
async def test_a_file_that_cannot_be_used_says_its_name_and_why(tmp_path, text, message):
    path = tmp_path / "keys.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(KeysUnavailable, match=message) as refused:
        await KeyFile(path, READER).fetch()
    assert str(refused.value).startswith(str(path))


async def test_a_file_for_hs256_needs_an_oct_key(tmp_path):
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(jwks(signer("ES256"))))
    with pytest.raises(KeysUnavailable, match="fits HS256"):
        await KeyFile(path, KeyReader(["ES256", "HS256"])).fetch()


class Signing:
    """What a plugin offers that signs tokens."""

    issuer = ISSUER

    def __init__(self, document):
        self.document = document

    async def jwks(self):
        if isinstance(self.document, Exception):
            raise self.document
        return self.document


class Revoking(Signing):
    def revoked(self, claims):
        return claims["jti"] == "gone"


async def test_a_plugin_in_process_gives_its_keys():
    assert known(await PluginKeys(Signing(jwks(signer("ES256"))), READER).fetch())


@pytest.mark.parametrize(
    ("document", "message"),
    [(RuntimeError("database password"), "raised RuntimeError"), (None, "no list of keys")],
)
async def test_a_plugin_that_fails_gives_none_and_its_words_are_not_repeated(document, message):
    with pytest.raises(KeysUnavailable, match=message) as refused:
        await PluginKeys(Signing(document), READER).fetch()
    assert "password" not in str(refused.value)


async def test_a_cancelled_fetch_from_a_plugin_is_cancelled():
    class Slow(Signing):
        async def jwks(self):
            await asyncio.Event().wait()

    task = asyncio.create_task(PluginKeys(Slow(None), READER).fetch())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_the_issuer_is_found_among_what_plugins_offer():
    signing, other = Signing({}), Signing({})
    other.issuer = "https://other.example"
    offers = [None, object(), other, signing]
    assert issuer_among(offers, ISSUER) is signing
    assert issuer_among(offers, "https://nobody.example") is None
    assert issuer_among(offers, None) is None
    assert isinstance(signing, KeyIssuer)
    assert not isinstance(signing, RevokingIssuer)


def test_revocation_is_there_only_when_the_issuer_has_it():
    assert revocation(None) is None
    assert revocation(Signing({})) is None
    check = revocation(Revoking({}))
    assert check is not None
    assert check({"jti": "gone"})
    assert not check({"jti": "here"})


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("https://issuer.example/a?b=c", True),
        ("http://localhost:4003/auth", True),
        ("HTTPS://issuer.example", True),
        ("https://user@issuer.example", False),
        ("https://:secret@issuer.example", False),
        ("https://issuer.example/#part", False),
        ("issuer.example", False),
        ("ftp://issuer.example", False),
        ("https://", False),
        ("https:///path", False),
        ("http://[::1", False),
        ("http://host:port", False),
        ("", False),
    ],
)
def test_a_web_address_is_absolute_and_plain(text, answer):
    assert is_web_address(text) is answer


def test_a_secure_web_address_is_https():
    assert is_web_address("https://issuer.example", secure=True)
    assert not is_web_address("http://issuer.example", secure=True)
