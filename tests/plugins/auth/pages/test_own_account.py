"""What people see and change about themselves, through a real gateway."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa

from backends.sql import Sql
from plugins.auth.accounts.tables import accounts, sessions
from plugins.auth.audit.tables import events
from tests.plugins.auth.browser import EMAIL, Browser, Place, place
from tests.plugins.auth.people import PASSWORD

OTHER = "copper-meadow-51-saddle"
NEW = "ada@lovelace.example"


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


async def _hold(sql: Sql, roles: str) -> None:
    async with sql.write() as connection:
        await connection.execute(accounts.update().values(roles=roles))


def inside(page_url: str) -> bool:
    return urlsplit(page_url).path == "/auth/account"


def at_fault(text: str) -> list[str]:
    """Fields that a page says are wrong."""
    return re.findall(r'<input id="(\w+)"[^>]* aria-describedby="wrong[^>]* aria-invalid', text)


async def test_a_password_changes_for_whoever_knows_it_and_ends_other_sessions(
    here: Place, ada: Browser
) -> None:
    other = here.browser()
    await other.log_in()
    path = "/auth/account/password"
    wrong = await ada.submit(path, current="wrong", password=OTHER)
    assert (wrong.status, "not your current password" in wrong.text) == (401, True)
    assert at_fault(wrong.text) == ["current"]
    weak = await ada.submit(path, current=PASSWORD, password=EMAIL)
    assert (weak.status, "too easy to guess" in weak.text) == (400, True)
    assert at_fault(weak.text) == ["password"]
    assert (await ada.submit(path, current=PASSWORD, password=OTHER)).status == 200
    assert inside((await ada.get("/auth/account")).url)
    assert not inside((await other.get("/auth/account")).url)
    assert (await other.log_in()).status == 401
    assert inside((await other.log_in(password=OTHER)).url)
    await here.link("Your password has changed")


async def test_an_email_address_changes_when_the_new_one_has_answered_and_the_old_one_is_told(
    here: Place, ada: Browser
) -> None:
    path = "/auth/account/email"
    assert (await ada.submit(path, email=NEW, current="wrong")).status == 401
    assert (await ada.submit(path, email="nowhere", current=PASSWORD)).status == 400
    assert (await ada.submit(path, email=NEW, current=PASSWORD)).status == 200
    link = await here.link("Confirm your new e-mail address", NEW)
    await here.link("Your e-mail address is about to change")
    assert inside((await here.browser().log_in()).url)
    assert (await ada.submit(link, "/auth/verify")).status == 200
    await here.link("Your e-mail address has changed")
    assert (await here.browser().log_in()).status == 401
    assert inside((await here.browser().log_in(email=NEW)).url)


async def test_the_link_to_confirm_the_address_is_sent_again_until_it_is(
    here: Place, ada: Browser
) -> None:
    await here.link("Confirm your e-mail address")
    assert (await ada.submit("/auth/account", "/auth/account/confirm")).status == 200
    assert (await ada.get("/auth/account/confirm")).url.endswith("/auth/account")
    again = await here.link("Confirm your e-mail address")
    assert (await ada.submit(again, "/auth/verify")).status == 200
    assert "/auth/account/confirm" not in (await ada.get("/auth/account")).text


async def test_an_address_that_another_took_meanwhile_is_not_given_away(
    here: Place, ada: Browser
) -> None:
    await ada.submit("/auth/account/email", email=NEW, current=PASSWORD)
    link = await here.link("Confirm your new e-mail address", NEW)
    await here.browser().register(email=NEW, password=OTHER)
    assert (await ada.submit(link, "/auth/verify")).status == 400
    assert inside((await here.browser().log_in(email=NEW, password=OTHER)).url)


async def test_a_link_that_many_follow_at_once_works_once(here: Place, ada: Browser) -> None:
    link = await here.link("Confirm your e-mail address")
    form = (await ada.get(link)).hidden()
    pages = await asyncio.gather(*(ada.post("/auth/verify", form) for _ in range(20)))
    assert Counter(page.status for page in pages) == {200: 1, 400: 19}


async def test_sessions_are_listed_and_ended_one_by_one_and_all(here: Place, ada: Browser) -> None:
    others = [here.browser() for _ in range(3)]
    for number, other in enumerate(others):
        other.session.headers["User-Agent"] = f"Browser {number}"
        await other.log_in()
    shown = await ada.get("/auth/account")
    assert all(f"Browser {number}" in shown.text for number in range(3))
    form = shown.hidden()
    before, _, _ = shown.text.partition("Browser 1")
    after = shown.text[len(before) :]
    one = after.split('name="session" value="')[1].split('"')[0]
    await ada.post("/auth/account/sessions", {**form, "session": one})
    assert [inside((await other.get("/auth/account")).url) for other in others] == [
        True,
        False,
        True,
    ]
    await ada.post("/auth/account/sessions", {**form, "session": "others"})
    assert not any([inside((await other.get("/auth/account")).url) for other in others])
    assert inside((await ada.get("/auth/account")).url)


async def test_every_page_of_the_account_is_a_link_on_its_first(ada: Browser) -> None:
    """Which on a phone is the only way to them."""
    shown = (await ada.get("/auth/account")).text
    navigation, _, page = shown.partition("</nav>")
    places = set(re.findall(r'href="(/auth/account/[^"]+)"', navigation))
    assert len(places) > 5
    assert {each for each in places if f'href="{each}"' not in page} == set()
    for issuer in ("/auth", "/auth/"):
        assert (await ada.get(issuer)).url.endswith("/auth/account")
    for button in ("sessions", "devices"):  # where a log-in leads that a button there had asked for
        assert (await ada.get(f"/auth/account/{button}")).url.endswith("/auth/account")


async def test_to_end_sessions_or_take_data_away_takes_a_fresh_log_in(
    here: Place, ada: Browser, sql: Sql
) -> None:
    """ASVS 5.0 7.5.2, 7.5.3."""
    other = here.browser()
    await other.log_in()
    form = (await ada.get("/auth/account")).hidden()
    async with sql.write() as connection:
        earlier = sessions.c.auth_time - sa.literal(601, sa.BigInteger)
        await connection.execute(sessions.update().values(auth_time=earlier))
    ends = {**form, "session": "others"}
    assert "/auth/login" in (await ada.post("/auth/account/sessions", ends)).url
    assert "/auth/login" in (await ada.get("/auth/account/export")).url
    assert (await other.get("/auth/account")).url.endswith("/auth/account")
    asked = (await ada.get("/auth/login?fresh=1")).hidden()
    await ada.post("/auth/login", {**asked, "email": EMAIL, "password": PASSWORD})
    await ada.post("/auth/account/sessions", ends)
    assert "/auth/login" in (await other.get("/auth/account")).url


async def test_a_session_of_somebody_else_cannot_be_ended(here: Place, ada: Browser) -> None:
    shown = await ada.get("/auth/account")
    bob, other = here.browser(), here.browser()
    await other.log_in()
    listed = (await ada.get("/auth/account")).text
    target = next(part.split('"')[0] for part in listed.split('name="session" value="')[1:])
    await bob.register(email="bob@example.org")
    await bob.log_in(email="bob@example.org")
    form = (await bob.get("/auth/account")).hidden()
    await bob.post("/auth/account/sessions", {**form, "session": target})
    assert inside((await other.get("/auth/account")).url)
    assert shown.status == 200


async def test_name_and_language_are_kept(ada: Browser) -> None:
    shown = await ada.submit("/auth/account", name="Ada <Lovelace>", locale="es")
    assert "Ada &lt;Lovelace&gt;" in shown.text
    assert '<p class="good" role="status">Saved.</p>' in shown.text
    assert '<option value="es" selected>' in shown.text


async def test_everything_held_is_exported_without_secrets(ada: Browser, sql: Sql) -> None:
    found = await ada.get("/auth/account/export")
    held = json.loads(found.text)
    assert held["account"]["email"] == EMAIL
    assert {line["event"] for line in held["log"]} >= {"registered", "logged_in"}
    assert len(held["sessions"]) == 1
    assert "argon2" not in found.text
    assert "attachment" in found.headers["Content-Disposition"]
    line = {"event": "x", "account_id": held["account"]["id"], "details": "{}"}
    async with sql.write() as connection:
        await connection.execute(events.insert(), [{**line, "at": n} for n in range(1100)])
    log = json.loads((await ada.get("/auth/account/export")).text)["log"]
    assert [each["at"] for each in log[:1100]] == list(range(1099, -1, -1))
    assert log[1100:] == held["log"]


async def test_a_closed_account_is_gone_and_its_address_free(
    here: Place, ada: Browser, sql: Sql
) -> None:
    assert (await ada.submit("/auth/account/close", current="wrong")).status == 401
    await _hold(sql, "admin")
    refused = await ada.submit("/auth/account/close", current=PASSWORD)
    assert (refused.status, "You are the last administrator" in refused.text) == (409, True)
    await _hold(sql, "")
    assert (await ada.submit("/auth/account/close", current=PASSWORD)).status == 200
    assert not inside((await ada.get("/auth/account")).url)
    assert (await ada.log_in()).status == 401
    await ada.register(password=OTHER)
    assert inside((await ada.log_in(password=OTHER)).url)
