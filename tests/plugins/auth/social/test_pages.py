"""What pages show of providers, and who may use them."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.plugins.auth.browser import EMAIL
from tests.plugins.auth.people import PASSWORD
from tests.plugins.auth.social.conftest import Opening
from tests.plugins.auth.social.scripted import Scripted
from tests.plugins.auth.social.test_attacks import LEAVE, inside, met
from tests.plugins.auth.social.traveller import PLACE, Traveller
from tests.plugins.auth.test_figures import numbers

START = "/auth/login/with/there"


def change(folder: Path, statement: str) -> list[Any]:
    """In another thread: the gateway in this one may be amid a transaction."""
    with closing(sqlite3.connect(folder / "auth.db", timeout=30)) as database, database:
        return database.execute(statement).fetchall()


async def test_buttons_are_on_the_pages_of_who_logs_in_and_who_joins(opening: Opening) -> None:
    here = await opening(label="Our <Place>")
    ada = here.browser()
    for path in ("/auth/login", "/auth/register"):
        assert "Continue with Our &lt;Place&gt;" in (await ada.get(path)).text
    assert "Continuar con" in (await ada.get("/auth/login?ui_locales=es")).text


async def test_a_start_is_a_form_of_ours(opening: Opening) -> None:
    here = await opening()
    ada = here.browser()
    form = (await ada.get("/auth/login")).hidden()
    assert (await ada.post(START, {})).status == 403
    assert (await ada.post(START, form, **{"Sec-Fetch-Site": "cross-site"})).status == 403
    assert (await ada.get(START)).status == 405
    assert (await ada.post("/auth/login/with/nobody", form)).status == 404


async def test_the_cookie_is_for_the_server_alone(opening: Opening, scripted: Scripted) -> None:
    here = await opening()
    ada = here.browser()
    form = (await ada.get("/auth/login")).hidden()
    async with ada.session.post(ada.root + START, data=form, allow_redirects=False) as answer:
        morsel = answer.cookies["auth-trip"]
        assert (morsel["httponly"], morsel["samesite"], morsel["path"]) == (True, "Lax", "/")
        assert morsel.value not in answer.headers["Location"]
        assert answer.headers["Referrer-Policy"] == "no-referrer"


async def test_whoever_asks_for_a_fresh_log_in_is_asked_there_too(opening: Opening) -> None:
    here = await opening()
    ada = Traveller(here.browser())
    assert "prompt=login" in (await ada.press("/auth/login?fresh=1", stop=LEAVE)).url
    assert "prompt" not in (await ada.press(stop=LEAVE)).url


async def test_a_closed_registration_leaves_log_in_by_who_is_connected(
    opening: Opening, scripted: Scripted, tmp_path: Path
) -> None:
    here = await opening(more=", accounts: {registration: false}")
    shown = await met(here, scripted)
    assert (shown.status, "Log in to yours first" in shown.text) == (403, True)
    none = await asyncio.to_thread(change, tmp_path, "SELECT count(*) FROM auth_accounts")
    assert none == [(0,)]


async def test_a_disabled_account_is_not_entered(
    opening: Opening, scripted: Scripted, tmp_path: Path
) -> None:
    here = await opening()
    assert inside(await met(here, scripted))
    await asyncio.to_thread(change, tmp_path, "UPDATE auth_accounts SET disabled = 1")
    shown = await met(here, scripted)
    assert (shown.status, "cannot be used" in shown.text) == (403, True)


async def test_answers_that_prove_nothing_pause_an_address(
    opening: Opening, scripted: Scripted
) -> None:
    here = await opening(more=", accounts: {address_failures: 3}")
    ada = Traveller(here.browser())
    for _ in range(5):  # a success counts for nothing
        assert inside(
            await ada.go(scripted.back((await ada.press("/auth/login?fresh=1", stop=LEAVE)).url))
        )
    scripted.claims = {"nonce": "another"}
    assert [(await met(here, scripted)).status for _ in range(3)] == [403] * 3
    scripted.claims = {}
    paused = await met(here, scripted)
    assert (paused.status, int(paused.headers["Retry-After"]) > 0) == (429, True)


async def test_wrong_passwords_of_others_do_not_keep_an_identity_out(
    opening: Opening, scripted: Scripted
) -> None:
    here = await opening(more=", accounts: {account_failures: 2}")
    assert inside(await met(here, scripted))
    eve = here.browser()
    statuses = [(await eve.log_in(password="wrong-but-long-enough")).status for _ in range(3)]
    assert statuses == [401, 401, 429]
    assert inside(await met(here, scripted))


async def test_to_connect_takes_a_fresh_log_in(opening: Opening, scripted: Scripted) -> None:
    here = await opening()
    ada = Traveller(here.browser())
    await ada.browser.register()
    await ada.browser.log_in()
    leaving = await ada.connect(stop=LEAVE)
    assert "prompt=login" in leaving.url
    assert inside(await ada.go(scripted.back(leaving.url)))


async def test_an_old_session_is_asked_again(
    opening: Opening, scripted: Scripted, tmp_path: Path
) -> None:
    here = await opening()
    ada = Traveller(here.browser())
    await ada.browser.register()
    await ada.browser.log_in()
    await met(here, scripted)
    await asyncio.to_thread(
        change, tmp_path, "UPDATE auth_sessions SET auth_time = auth_time - 601"
    )
    for shown in (await ada.connect(), await ada.browser.get(PLACE)):
        assert "/auth/login?fresh=1&continue=/auth/account" in shown.url
    assert "/auth/login?fresh=1" in (await ada.confirm()).url


async def test_refusals_are_counted(opening: Opening, scripted: Scripted) -> None:
    here = await opening()
    scripted.claims = {"nonce": "another"}
    await met(here, scripted)
    scripted.claims = {}
    await met(here, scripted)
    found = await numbers(here)
    logins = 'gateway_auth_logins_total{method="%s",outcome="%s",plugin="auth"}'
    assert found[logins % ("provider", "wrong")] == 1
    assert found[logins % ("fed", "logged_in")] == 1


async def test_without_providers_there_is_no_button(opening: Opening) -> None:
    here = await opening(names=())
    ada = here.browser()
    await ada.register()
    assert "Continue with" not in (await ada.get("/auth/login")).text
    shown = await ada.log_in(EMAIL, PASSWORD)
    assert "Connected identities" not in shown.text
