"""Passkeys on the pages: added, used alone and beside a password, renamed and removed."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from backends.catalogue import Backends
from plugins.auth.accounts.tables import accounts
from tests.plugins.auth.authenticator import Authenticator
from tests.plugins.auth.browser import EMAIL, Browser, Page, Place, place
from tests.plugins.auth.people import PASSWORD

KEYS = "/auth/account/passkeys"
CODE = re.compile(r"<li>([a-z2-9]{4}-[a-z2-9]{4})</li>")
ID = re.compile(r'name="passkey" value="([^"]+)"')


@pytest.fixture
async def here(
    tmp_path: Path, sql_url: str, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Place]:
    async with place(tmp_path, sql_url, capsys) as found:
        yield found


@pytest.fixture
async def ada(here: Place) -> Browser:
    ada = here.browser()
    await ada.register()
    await ada.log_in()
    return ada


def authenticator() -> Authenticator:
    return Authenticator("localhost", "http://localhost")


async def add(browser: Browser, key: Authenticator, name: str = "Phone") -> Page:
    form = (await browser.get(KEYS)).hidden()
    asked = await browser.post(f"{KEYS}/options", form)
    answer = key.create(asked.text)
    return await browser.post(KEYS, {**form, "do": "add", "name": name, "answer": answer})


async def log_in(browser: Browser, key: Authenticator, onward: str = "") -> Page:
    form = (await browser.get(f"/auth/login?fresh=1&continue={onward}")).hidden()
    asked = await browser.post("/auth/login/passkey/options", form)
    assert json.loads(asked.text)["userVerification"] == "required"
    return await browser.post("/auth/login/passkey", {**form, "answer": key.get(asked.text)})


async def second(browser: Browser, key: Authenticator, **more: str) -> Page:
    """After the password."""
    form = (await browser.get("/auth/login/code")).hidden()
    asked = await browser.post("/auth/login/code/options", form)
    answer = key.get(asked.text)
    return await browser.post("/auth/login/code/passkey", {**form, "answer": answer, **more})


def inside(page: Page) -> bool:
    return urlsplit(page.url).path == "/auth/account"


async def test_a_passkey_logs_in_alone_and_its_session_has_two_factors(
    here: Place, ada: Browser
) -> None:
    key = authenticator()
    shown = await add(ada, key)
    assert len(CODE.findall(shown.text)) == 10
    await here.link("A passkey was added to your account")
    assert "Phone" in (await ada.get(KEYS)).text
    phone = here.browser()
    assert (await log_in(phone, key, "/auth/account/email")).url.endswith("/account/email")
    stepped = await phone.get("/auth/login?acr=aal2&continue=/auth/account")
    assert inside(stepped)


async def test_a_passkey_that_does_not_verify_its_person_does_not_log_in_alone(
    here: Place, ada: Browser
) -> None:
    key = authenticator()
    await add(ada, key)
    key.verifies = False
    refused = await log_in(here.browser(), key)
    assert (refused.status, "That passkey does not log in here." in refused.text) == (401, True)
    phone = here.browser()
    await phone.log_in()
    assert inside(await second(phone, key))


async def test_it_is_asked_for_after_the_password_and_a_recovery_code_stands_in(
    here: Place, ada: Browser
) -> None:
    key = authenticator()
    codes = CODE.findall((await add(ada, key)).text)
    phone, tablet = here.browser(), here.browser()
    assert "/auth/login/code" in (await phone.log_in()).url
    assert not inside(await phone.get("/auth/account"))
    assert inside(await second(phone, key))
    await tablet.log_in()
    assert (await second(tablet, authenticator())).status == 401
    assert inside(await tablet.submit("/auth/login/code", code=codes[0]))


async def test_of_two_answers_at_once_to_one_log_in_one_goes_through(
    here: Place, ada: Browser
) -> None:
    key = authenticator()
    await add(ada, key)
    thief = here.browser()
    await thief.log_in()
    form = (await thief.get("/auth/login/code")).hidden()
    asked = await thief.post("/auth/login/code/options", form)
    answers = [key.get(asked.text) for _ in range(5)]
    pages = await asyncio.gather(
        *(thief.post("/auth/login/code/passkey", {**form, "answer": each}) for each in answers)
    )
    statuses = [page.status for page in pages]
    assert statuses.count(401) >= 3
    assert any(inside(page) for page in pages)


async def test_a_passkey_of_another_person_is_none_of_this_account(
    here: Place, ada: Browser
) -> None:
    key, bobs = authenticator(), authenticator()
    await add(ada, key)
    bob = here.browser()
    await bob.register(email="bob@example.org")
    await bob.log_in(email="bob@example.org")
    await add(bob, bobs)
    thief = here.browser()
    await thief.log_in()
    assert (await second(thief, bobs)).status == 401
    assert not inside(await thief.get("/auth/account"))


async def test_names_change_and_removing_ends_other_sessions(here: Place, ada: Browser) -> None:
    key = authenticator()
    await add(ada, key)
    form = (await ada.get(KEYS)).hidden()
    renamed = await ada.post(KEYS, {**form, "do": "rename", "name": "Key <1>"})
    assert "Key &lt;1&gt;" in renamed.text
    phone = here.browser()
    await log_in(phone, key)
    gone = await ada.post(KEYS, {**form, "do": "remove"})
    assert ID.search(gone.text) is None
    await here.link("A passkey of your account was removed")
    assert not inside(await phone.get("/auth/account"))
    assert (await log_in(phone, key)).status == 401
    assert inside(await here.browser().log_in())


async def test_an_account_does_without_a_password_and_then_keeps_its_last_passkey(
    here: Place, ada: Browser
) -> None:
    key, path = authenticator(), "/auth/account/password"
    form = {"do": "remove", "current": PASSWORD}
    refused = await ada.submit(path, **form)
    assert (refused.status, "Add a passkey first." in refused.text) == (401, True)
    await add(ada, key)
    assert (await ada.submit(path, **{**form, "current": "wrong"})).status == 401
    assert (await ada.submit(path, **form)).status == 200
    assert (await here.browser().log_in()).status == 401
    assert inside(await log_in(ada, key))
    kept = await ada.submit(KEYS, do="remove")
    assert (kept.status, "Choose a password first" in kept.text) == (409, True)
    assert inside(await log_in(ada, key))
    assert (await ada.submit(path, password="copper-meadow-51-saddle")).status == 200
    assert ID.search((await ada.submit(KEYS, do="remove")).text) is None
    assert inside(await here.browser().log_in(password="copper-meadow-51-saddle"))


async def test_a_new_password_by_mail_does_not_get_past_a_passkey_of_a_confirmed_address(
    here: Place, ada: Browser
) -> None:
    await ada.submit(await here.link("Confirm your e-mail address"), "/auth/verify")
    await add(ada, authenticator())
    await ada.submit("/auth/forgot", email=EMAIL)
    link = await here.link("Choose a new password")
    await ada.submit(link, "/auth/reset", password="copper-meadow-51-saddle")
    assert "/auth/login/code" in (await ada.log_in(password="copper-meadow-51-saddle")).url


async def test_who_made_an_account_with_the_address_of_another_is_out_after_their_reset(
    here: Place, ada: Browser
) -> None:
    key = authenticator()
    await add(ada, key)
    await ada.submit("/auth/account/keys/new", name="back door", days="30")
    owner = here.browser()
    await owner.submit("/auth/forgot", email=EMAIL)
    link = await here.link("Choose a new password")
    await owner.submit(link, "/auth/reset", password="copper-meadow-51-saddle")
    assert (await log_in(here.browser(), key)).status == 401
    assert inside(await owner.log_in(password="copper-meadow-51-saddle"))
    assert "back door" not in (await owner.get("/auth/account/keys")).text


async def test_it_needs_the_form_of_this_browser(here: Place, ada: Browser) -> None:
    assert (await ada.post(f"{KEYS}/options", {})).status == 403
    assert (await here.browser().post("/auth/login/passkey/options", {})).status == 403
    stranger = here.browser()
    form = (await stranger.get("/auth/login")).hidden()
    assert (await stranger.post("/auth/login/code/options", form)).status == 403
    assert "/auth/login" in (await stranger.post(f"{KEYS}/options", form)).url


async def test_a_disabled_account_is_not_logged_in_to(
    here: Place, ada: Browser, sql_url: str
) -> None:
    key = authenticator()
    await add(ada, key)
    backends = Backends({"sql": sql_url})
    await backends.ready(["sql"])
    async with backends.sql.write() as connection:
        await connection.execute(accounts.update().values(disabled=True))
    await backends.close()
    assert (await log_in(here.browser(), key)).status == 401
