"""What a provider, or somebody in its place, may answer and gains nothing by."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from tests.plugins.auth.browser import Page, Place
from tests.plugins.auth.social.conftest import Opening
from tests.plugins.auth.social.scripted import SECRET, Scripted
from tests.plugins.auth.social.traveller import Traveller

NOW = int(time.time())
LEAVE = "/authorize?"
HUGE = web.Response(body=b'{"a": "' + b"x" * 300_000 + b'"}', content_type="application/json")


def inside(shown: Page) -> bool:
    return shown.status == 200 and urlsplit(shown.url).path.startswith("/auth/account")


async def met(here: Place, scripted: Scripted, **more: str) -> Page:
    """What a new browser sees after it was at the provider."""
    ada = Traveller(here.browser())
    leaving = await ada.press(stop=LEAVE)
    assert leaving.status == 303, leaving.text
    shown = await ada.go(scripted.back(leaving.url, **more))
    if shown.status != 200:
        assert not inside(await ada.browser.get("/auth/account"))
    return shown


async def test_an_honest_answer_is_believed(opening: Opening, scripted: Scripted) -> None:
    here = await opening()
    assert inside(await met(here, scripted))
    assert inside(await met(here, scripted, iss=scripted.url))
    scripted.claims = {"aud": ["gateway", "other"], "azp": "gateway", "at_hash": None}
    assert inside(await met(here, scripted))


async def test_a_log_in_of_long_ago_there_is_none_of_the_last_ten_minutes_here(
    opening: Opening, scripted: Scripted
) -> None:
    """ASVS 5.0 6.8.4."""
    here = await opening()
    for ago, path in ((3600, "/auth/login"), (0, "/auth/account/identities")):
        ada = Traveller(here.browser())
        scripted.claims = {"auth_time": int(time.time()) - ago}
        assert inside(await ada.go(scripted.back((await ada.press(stop=LEAVE)).url)))
        shown = await ada.browser.get("/auth/account/identities")
        assert urlsplit(shown.url).path == path
    leaving = await ada.press("/auth/login?fresh=1", stop=LEAVE)
    assert "max_age=600" in leaving.url


CLAIMS: list[dict[str, Any]] = [
    {"nonce": "another"},
    {"nonce": None},
    {"iss": "https://evil.example"},
    {"iss": None},
    {"aud": "another"},
    {"aud": None},
    {"aud": ["gateway", "other"]},
    {"azp": "another"},
    {"exp": NOW - 3600},
    {"exp": None},
    {"iat": NOW + 3600},
    {"iat": None},
    {"nbf": NOW + 3600},
    {"sub": None},
    {"sub": ""},
    {"sub": "x" * 256},
    {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
    {"at_hash": 5},
]


@pytest.mark.parametrize("claims", CLAIMS, ids=lambda claims: next(iter(claims)))
async def test_an_id_token_that_says_something_else_is_refused(
    claims: dict[str, Any], opening: Opening, scripted: Scripted
) -> None:
    """ASVS 5.0 10.5.1, 10.5.4."""
    here = await opening()
    scripted.claims = claims
    shown = await met(here, scripted)
    assert (shown.status, "cannot be trusted" in shown.text) == (403, True)


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
async def test_an_unsigned_token_and_one_signed_with_the_public_key_are_refused(
    algorithm: str, opening: Opening, scripted: Scripted
) -> None:
    """Although the issuer's metadata names both algorithms: ASVS 5.0 6.8.2."""
    here = await opening()
    scripted.algorithm = algorithm
    assert (await met(here, scripted)).status == 403


@pytest.mark.parametrize(
    "header",
    [{"typ": "at+jwt"}, {"crit": ["exp"]}, {"kid": "unknown"}, {"kid": None, "alg": "ES512"}],
    ids=str,
)
async def test_a_token_with_a_strange_header_is_refused(
    header: dict[str, Any], opening: Opening, scripted: Scripted
) -> None:
    here = await opening()
    scripted.header = header
    if "alg" in header:
        scripted.algorithm = "HS256"
    assert (await met(here, scripted)).status == 403


async def test_a_token_by_a_key_that_only_pretends_to_be_the_published_one_is_refused(
    opening: Opening, scripted: Scripted
) -> None:
    here = await opening()
    assert inside(await met(here, scripted))
    scripted.new_key(scripted.kid)
    assert (await met(here, scripted)).status == 403


async def test_a_new_key_of_the_issuer_is_found(opening: Opening, scripted: Scripted) -> None:
    here = await opening()
    assert inside(await met(here, scripted))
    scripted.new_key()
    assert inside(await met(here, scripted))


ANSWERS = [
    (503, web.Response(status=500)),
    (503, web.Response(text="<html>garbage")),
    (503, HUGE),
    (403, web.Response(status=302, headers={"Location": "https://evil.example/"})),
    (403, web.json_response([1])),
    (403, web.json_response({"access_token": "opaque"})),
    (403, web.json_response({"id_token": 5, "access_token": "opaque"})),
    (403, web.json_response({"id_token": "a.b.c", "access_token": "opaque"})),
    (403, web.json_response({"error": "invalid_client"}, status=401)),
    (403, web.json_response({"error": "<script>"}, status=400)),
]


@pytest.mark.parametrize("number", range(len(ANSWERS)))
async def test_a_token_endpoint_that_answers_nonsense_gets_a_page(
    number: int, opening: Opening, scripted: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    here = await opening()
    status, scripted.answer = ANSWERS[number]
    shown = await met(here, scripted)
    assert shown.status == status
    assert "<script>" not in shown.text + caplog.text
    assert SECRET not in shown.text + caplog.text


METADATA: list[dict[str, Any]] = [
    {"issuer": "https://evil.example"},
    {"token_endpoint": None},
    {"jwks_uri": "file:///etc/passwd"},
    {"authorization_endpoint": "javascript:alert(1)"},
    {"id_token_signing_alg_values_supported": ["none", "HS256", {}, []]},
]


@pytest.mark.parametrize("metadata", METADATA, ids=lambda each: next(iter(each)))
async def test_an_issuer_whose_metadata_is_not_to_be_believed_gets_nobody(
    metadata: dict[str, Any], opening: Opening, scripted: Scripted
) -> None:
    """ASVS 5.0 10.5.3."""
    here = await opening()
    scripted.metadata = metadata
    shown = await Traveller(here.browser()).press()
    assert (shown.status, "does not answer" in shown.text) == (503, True)


async def test_a_provider_that_is_down_gets_a_page_and_the_rest_works(
    opening: Opening, scripted: Scripted
) -> None:
    here = await opening()
    await scripted.stop()
    ada = Traveller(here.browser())
    assert (await ada.press()).status == 503
    await ada.browser.register()
    assert inside(await ada.browser.log_in())


async def test_a_provider_that_goes_down_meanwhile_gets_a_page(
    opening: Opening, scripted: Scripted
) -> None:
    here = await opening()
    ada = Traveller(here.browser())
    back = scripted.back((await ada.press(stop=LEAVE)).url)
    await scripted.stop()
    assert (await ada.go(back)).status == 503


async def test_userinfo_of_somebody_else_is_refused(opening: Opening, scripted: Scripted) -> None:
    here = await opening()
    scripted.claims = {"email": None, "email_verified": None}
    assert inside(await met(here, scripted))
    scripted.userinfo = {"sub": "somebody-else"}
    assert (await met(here, scripted)).status == 403


async def test_an_issuer_that_says_iss_must_say_it(opening: Opening, scripted: Scripted) -> None:
    scripted.metadata = {"authorization_response_iss_parameter_supported": True}
    here = await opening()
    assert (await met(here, scripted)).status == 403
    assert (await met(here, scripted, iss="https%3A%2F%2Fevil.example")).status == 403
    assert inside(await met(here, scripted, iss=scripted.url))


async def test_an_answer_for_one_provider_is_none_for_another(
    opening: Opening, scripted: Scripted
) -> None:
    """Mix-up: the attacker's provider gets the code of the honest one, by its redirect URI."""
    here = await opening(names=("there", "other"))
    ada = Traveller(here.browser())
    back = scripted.back((await ada.press(stop=LEAVE)).url)
    assert (await ada.go(back.replace("/with/there/", "/with/other/"))).status == 400
    assert (await ada.go(back.replace("/with/there/", "/with/nobody/"))).status == 404
    assert inside(await ada.go(back))
