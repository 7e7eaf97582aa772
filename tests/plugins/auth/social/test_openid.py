"""Log-in by a server of OpenID Connect that somebody else wrote: npm's oidc-provider."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.engines.oidc import SECRET, Oidc
from tests.plugins.auth.browser import EMAIL, Page, Place, place
from tests.plugins.auth.pages.test_second_step import SECRET as SHOWN
from tests.plugins.auth.pages.test_second_step import code_of
from tests.plugins.auth.people import PASSWORD
from tests.plugins.auth.social.traveller import PLACE, Traveller

CALLBACK = "/auth/login/with/there/callback"


def settings(oidc: Oidc, client: str = "basic", **more: str) -> str:
    options = {"kind": "oidc", "issuer": oidc.url, "client_id": client, "label": "There", **more}
    if client != "public":
        options["client_secret"] = SECRET
    return f", providers: {{there: {json.dumps(options)}}}"


@pytest.fixture
async def here(
    tmp_path: Path, sql_url: str, oidc: Oidc, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Place]:
    async with place(tmp_path, sql_url, capsys, settings(oidc)) as found:
        yield found


def inside(shown: Page) -> bool:
    return shown.status == 200 and urlsplit(shown.url).path.startswith("/auth/account")


async def entered(traveller: Traveller, login: str) -> Page:
    return await traveller.log_in_there(await traveller.press(), login)


async def test_a_new_person_gets_an_account_and_comes_back_to_it(here: Place) -> None:
    ada, again = Traveller(here.browser()), Traveller(here.browser())
    shown = await entered(ada, "ada")
    assert inside(shown), shown.text
    assert (EMAIL in shown.text, "confirmed" in shown.text) == (True, True)
    assert "Some ada" in shown.text
    await ada.browser.submit("/auth/logout")
    back = await ada.press()
    assert inside(back)  # there is a session there still
    assert inside(await entered(again, "ada"))
    bob = Traveller(here.browser())
    assert "bob@example.org" in (await entered(bob, "bob")).text


@pytest.mark.parametrize("client", ["post", "public"])
async def test_a_client_authenticates_as_it_is_registered(
    client: str,
    tmp_path: Path,
    sqlite_url: str,
    oidc: Oidc,
    capsys: pytest.CaptureFixture[str],
) -> None:
    more = {"auth_method": "client_secret_post"} if client == "post" else {}
    options = settings(oidc, client, **more)
    async with place(tmp_path, sqlite_url, capsys, options) as here:
        assert inside(await entered(Traveller(here.browser()), "ada"))


async def test_a_log_in_goes_on_to_where_it_was_wanted_and_nowhere_else(here: Place) -> None:
    ada = Traveller(here.browser())
    shown = await ada.press("/auth/login?continue=/auth/account/totp")
    shown = await ada.log_in_there(shown, "ada")
    assert urlsplit(shown.url).path == "/auth/account/totp"
    for away in ("https://evil.example/", "//evil.example", "/auth/../x", "/elsewhere"):
        assert inside(await ada.press(**{"continue": away, "fresh": ""}))


async def test_a_callback_works_once_and_in_the_browser_that_left(here: Place) -> None:
    ada, eve = Traveller(here.browser()), Traveller(here.browser())
    leaving = await ada.press()
    back = await ada.log_in_there(leaving, "ada", stop=CALLBACK)
    assert (await eve.go(back.url)).status == 400
    await eve.press()  # which has a trip, and a cookie, of its own
    assert (await eve.go(back.url)).status == 400
    assert (await ada.go(back.url.replace("state=", "state=x"))).status == 400
    assert inside(await ada.go(back.url))
    again = await ada.go(back.url)
    assert (again.status, "Begin again" in again.text) == (400, True)
    assert not inside(await eve.browser.get("/auth/account"))


async def test_of_many_callbacks_at_once_one_counts(here: Place) -> None:
    ada = Traveller(here.browser())
    back = await ada.log_in_there(await ada.press(), "ada", stop=CALLBACK)
    pages = await asyncio.gather(*(ada.go(back.url, stop="/auth/account") for _ in range(8)))
    assert sorted(each.status for each in pages) == [303] + [400] * 7


async def test_a_code_of_another_log_in_is_refused_by_pkce(here: Place) -> None:
    """It is injected into a log-in that the attacker began (RFC 9700 section 4.5).

    ASVS 5.0 10.2.1.
    """
    ada, eve = Traveller(here.browser()), Traveller(here.browser())
    stolen = await ada.log_in_there(await ada.press(), "ada", stop=CALLBACK)
    own = await eve.log_in_there(await eve.press(), "eve", stop=CALLBACK)
    code = stolen.url.partition("code=")[2].partition("&")[0]
    mine = own.url.partition("code=")[2].partition("&")[0]
    assert (await eve.go(own.url.replace(mine, code))).status == 403
    assert not inside(await eve.browser.get("/auth/account"))


async def test_an_answer_of_another_issuer_is_refused(here: Place) -> None:
    """ASVS 5.0 10.2.2."""
    for change in ("iss=http%3A%2F%2Fevil.example", "other=1"):
        ada = Traveller(here.browser())
        back = await ada.log_in_there(await ada.press(), "ada", stop=CALLBACK)
        kept = back.url.partition("&iss=")[0]
        assert kept != back.url
        assert (await ada.go(f"{kept}&{change}")).status == 403
    twice = Traveller(here.browser())
    back = await twice.log_in_there(await twice.press(), "ada", stop=CALLBACK)
    assert (await twice.go(f"{back.url}&code=x")).status == 400


async def test_whoever_says_no_there_is_told_so(here: Place) -> None:
    ada = Traveller(here.browser())
    leaving = await ada.press(stop="/auth?")
    state = leaving.url.partition("state=")[2].partition("&")[0]
    issuer = leaving.url.partition("/auth?")[0]
    said = f"error=access_denied&state={state}&iss={issuer}"
    refused = await ada.go(f"http://localhost{CALLBACK}?{said}")
    assert (refused.status, "You did not log in there" in refused.text) == (403, True)
    assert (await ada.go(f"http://localhost{CALLBACK}?{said}")).status == 400


async def test_an_account_is_never_taken_by_an_address_but_after_proof(here: Place) -> None:
    owner, ada = here.browser(), Traveller(here.browser())
    await owner.register()
    await owner.submit(await here.link("Confirm your e-mail address"), "/auth/verify")
    shown = await entered(ada, "ada")
    assert (shown.status, "Log in to it" in shown.text) == (409, True)
    assert not inside(await ada.browser.get("/auth/account"))
    assert f"/auth/login?continue={PLACE}" in shown.text
    form = await ada.browser.get(f"/auth/login?continue={PLACE}")
    asked = await ada.browser.post(
        "/auth/login", {**form.hidden(), "email": EMAIL, "password": PASSWORD}
    )
    assert ("Press the button" in asked.text, "There" in asked.text) == (True, True)
    assert "Disconnect" in (await ada.confirm()).text
    await here.link("The ways to log in to your account have changed")
    assert (await ada.confirm()).status == 400
    assert inside(await entered(Traveller(here.browser()), "ada"))


async def test_what_waits_for_proof_waits_in_one_browser(here: Place) -> None:
    owner, ada = Traveller(here.browser()), Traveller(here.browser())
    await owner.browser.register()
    await entered(ada, "ada")
    await owner.browser.log_in()
    assert "Press the button" not in (await owner.browser.get(PLACE)).text
    assert (await owner.confirm()).status == 400


async def test_an_unproved_address_gives_no_session_and_tells_nobody_who_has_an_account(
    here: Place,
) -> None:
    """`unproved-ada` says to have ada@example.org."""
    eve = Traveller(here.browser())
    first = await entered(eve, "unproved-ada")
    assert (first.status, "Check your e-mail" in first.text) == (200, True)
    assert not inside(await eve.browser.get("/auth/account"))
    link = await here.link("Confirm your e-mail address")
    second = await eve.press()
    assert (second.status, "Confirm your e-mail" in second.text) == (403, True)
    ada = here.browser()
    await ada.register()
    await here.link("You have an account already")
    mallory = Traveller(here.browser())
    known = await entered(mallory, "unproved-unproved-ada")
    assert (known.status, main(known)) == (first.status, main(first))
    await ada.submit("/auth/forgot", email=EMAIL)
    reset = await here.link("Choose a new password")
    assert (await ada.submit(reset, "/auth/reset", password=PASSWORD)).status == 200
    assert (await ada.submit(link, "/auth/verify")).status == 400
    assert inside(await ada.log_in())
    back = await eve.press()
    assert not inside(back)
    assert not inside(await eve.browser.get("/auth/account"))


async def test_an_address_that_was_confirmed_by_mail_lets_its_owner_in(here: Place) -> None:
    ada = Traveller(here.browser())
    await entered(ada, "unproved-ada")
    await ada.browser.submit(await here.link("Confirm your e-mail address"), "/auth/verify")
    assert inside(await ada.press())


async def test_identities_are_connected_and_disconnected_but_the_last_way_in_stays(
    here: Place,
) -> None:
    ada, other = Traveller(here.browser()), Traveller(here.browser())
    await ada.browser.register()
    await ada.browser.log_in()
    shown = await ada.log_in_there(await ada.connect(), "ada-of-work")
    assert (inside(shown), "ada-of-work@example.org" in shown.text) == (True, True)
    await here.link("The ways to log in to your account have changed")
    assert EMAIL in (await entered(other, "ada-of-work")).text
    held = json.loads((await ada.browser.get("/auth/account/export")).text)
    assert held["identities"][0]["subject"] == "ada-of-work"
    assert "ada-of-work" not in (await ada.disconnect()).text
    assert not inside(await other.browser.get("/auth/account"))  # it had begun by the identity
    bob = Traveller(here.browser())
    await entered(bob, "bob")
    last = await bob.disconnect()
    assert (last.status, "the last way" in last.text) == (409, True)


async def test_an_identity_is_of_one_account(here: Place) -> None:
    bob, ada = Traveller(here.browser()), Traveller(here.browser())
    await entered(bob, "bob")
    await ada.browser.register()
    await ada.browser.log_in()
    taken = await ada.log_in_there(await ada.connect(), "bob")
    assert (taken.status, "another account already" in taken.text) == (409, True)
    assert "bob@" in (await bob.browser.get(PLACE)).text


async def test_an_identity_is_connected_by_the_session_that_asked(here: Place) -> None:
    ada = Traveller(here.browser())
    await ada.browser.register()
    await ada.browser.log_in()
    back = await ada.log_in_there(await ada.connect(), "ada", stop=CALLBACK)
    await ada.browser.submit("/auth/logout")
    await ada.browser.register(email="eve@example.org")
    await ada.browser.log_in(email="eve@example.org")
    assert (await ada.go(back.url)).status == 400
    assert "eve@example.org" in (await ada.browser.get("/auth/account")).text
    assert "Disconnect" not in (await ada.browser.get(PLACE)).text


async def test_a_second_factor_is_asked_for_as_well(here: Place) -> None:
    """ASVS 5.0 6.8.4."""
    ada = Traveller(here.browser())
    await entered(ada, "ada")
    found = SHOWN.search((await ada.browser.get("/auth/account/totp")).text)
    assert found is not None
    await ada.browser.submit("/auth/account/totp", code=code_of(found[1], -1))
    other = Traveller(here.browser())
    asked = await entered(other, "ada")
    assert urlsplit(asked.url).path == "/auth/login/code"
    assert not inside(await other.browser.get("/auth/account"))
    code = code_of(found[1])
    assert inside(await other.browser.submit("/auth/login/code", code=code))


async def test_a_step_up_asks_for_the_second_factor_on_a_remembered_device_too(here: Place) -> None:
    ada = Traveller(here.browser())
    needed = await ada.log_in_there(await ada.press("/auth/login?acr=aal2"), "ada")
    assert "/auth/login/factor" in needed.url
    found = SHOWN.search((await ada.browser.get("/auth/account/totp")).text)
    assert found is not None
    await ada.browser.submit("/auth/account/totp", code=code_of(found[1], -1))
    await ada.browser.submit("/auth/logout")
    await ada.press()
    code = code_of(found[1])
    assert inside(await ada.browser.submit("/auth/login/code", code=code, remember="1"))
    await ada.browser.submit("/auth/logout")
    assert inside(await ada.press())  # this device is remembered
    await ada.browser.submit("/auth/logout")
    asked = await ada.press("/auth/login?acr=aal2&continue=/auth/account/identities")
    assert urlsplit(asked.url).path == "/auth/login/code"
    code = code_of(found[1], 1)
    asked_at = asked.url.removeprefix(ada.browser.root)
    shown = await ada.browser.submit(asked_at, "/auth/login/code", code=code)
    assert urlsplit(shown.url).path == PLACE


async def test_a_person_without_a_password_chooses_one_by_mail(here: Place) -> None:
    ada = Traveller(here.browser())
    await entered(ada, "ada")
    assert (await ada.browser.log_in()).status in {200, 401}
    await ada.browser.submit("/auth/forgot", email=EMAIL)
    reset = await here.link("Choose a new password")
    await ada.browser.submit(reset, "/auth/reset", password=PASSWORD)
    other = Traveller(here.browser())
    assert inside(await other.browser.log_in())
    assert inside(await entered(Traveller(here.browser()), "ada"))  # and the identity is there
    assert "Disconnect" not in (await other.disconnect()).text


async def test_a_closed_account_leaves_no_identity(here: Place) -> None:
    ada = Traveller(here.browser())
    await ada.browser.register()
    await ada.browser.log_in()
    await ada.log_in_there(await ada.connect(), "ada")
    assert (await ada.browser.submit("/auth/account/close", current=PASSWORD)).status == 200
    shown = await ada.press()
    assert inside(shown)  # as a new person
    held = json.loads((await ada.browser.get("/auth/account/export")).text)
    assert {line["event"] for line in held["log"]} == {"registered", "logged_in"}


def main(shown: Page) -> str:
    return shown.text.partition("<main")[2]
