"""OWASP ASVS 5.0, chapters V6 and V7, on the pages; test_asvs_index.py finds all others."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pyotp
import pytest
import sqlalchemy as sa
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from backends.catalogue import Backends
from backends.sql import Sql
from plugins.auth.accounts.directory import Directory
from plugins.auth.accounts.errors import WeakPassword
from plugins.auth.accounts.links import LASTS
from plugins.auth.accounts.tables import accounts, sessions
from plugins.auth.factors.totp import STEP
from tests.plugins.auth.browser import EMAIL, Browser, Place, place
from tests.plugins.auth.people import PASSWORD, People


@pytest.fixture
def sql_url(sqlite_url: str) -> str:
    return sqlite_url


OTHER = "copper-meadow-51-saddle"


@pytest.fixture
async def here(
    tmp_path: Path, sqlite_url: str, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Place]:
    async with place(tmp_path, sqlite_url, capsys) as found:
        yield found


@pytest.fixture
async def ada(here: Place) -> Browser:
    ada = here.browser()
    await ada.register()
    assert inside((await ada.log_in()).url)
    return ada


def inside(url: str) -> bool:
    return urlsplit(url).path == "/auth/account"


async def works(here: Place, cookie: str) -> bool:
    """Whether a session's cookie is good in a browser that has no other."""
    thief = here.browser()
    thief.session.cookie_jar.update_cookies({"auth": cookie})
    return await signed_in(thief)


async def signed_in(browser: Browser) -> bool:
    return inside((await browser.get("/auth/account")).url)


async def rows(url: str, table: sa.Table) -> list[sa.Row[tuple[object, ...]]]:
    backends = Backends({"sql": url})
    await backends.ready(["sql"])
    async with backends.sql.read() as connection:
        found = list(await connection.execute(sa.select(table)))
    await backends.close()
    return found


async def taken(here: Place, password: str) -> bool:
    return (await here.browser().register(password=password)).status == 200


async def test_6_2_1_a_password_has_eight_characters_at_least(here: Place) -> None:
    assert not await taken(here, "vq7#xkw")
    assert await taken(here, "vq7#xkwz")


async def test_6_2_2_and_3_a_password_is_changed_with_the_old_one_and_not_without(
    ada: Browser,
) -> None:
    """ASVS 5.0 6.2.3."""
    path = "/auth/account/password"
    assert (await ada.submit(path, password=OTHER)).status == 401
    assert (await ada.submit(path, password=OTHER, current=PASSWORD)).status == 200


async def test_6_2_4_and_12_common_and_breached_passwords_are_refused(here: Place) -> None:
    """ASVS 5.0 6.2.12."""
    ordered = sorted(FREQUENCY_LISTS["passwords"])[::2000]
    assert len(ordered) == 15
    for password in ordered:
        assert not await taken(here, password)


async def test_6_2_5_no_kind_of_character_is_asked_for(here: Place) -> None:
    assert await taken(here, "harbourlanternviolet")


async def test_6_2_6_and_7_passwords_are_hidden_and_can_be_pasted_and_filled_in(
    here: Place,
) -> None:
    """ASVS 5.0 6.2.7."""
    for path in ("/auth/login", "/auth/register"):
        text = (await here.browser().get(path)).text
        field = re.search(r'<input id="password"[^>]*>', text)
        assert field is not None
        assert 'type="password"' in field[0]
        assert "autocomplete=" in field[0]
        assert "onpaste" not in text


async def test_6_2_8_a_password_is_compared_as_it_was_typed(here: Place) -> None:
    ada = here.browser()
    await ada.register(password="  Violet-Harbour-93 ")
    for wrong in ("Violet-Harbour-93", "  violet-harbour-93 ", "  Violet-Harbour-93"):
        assert (await ada.log_in(password=wrong)).status == 401
    assert inside((await ada.log_in(password="  Violet-Harbour-93 ")).url)


async def test_6_2_9_long_passwords_are_taken_whole(here: Place) -> None:
    ada, long = here.browser(), "violet harbour lantern " * 10
    await ada.register(password=long)
    assert (await ada.log_in(password=long[:-2])).status == 401
    assert inside((await ada.log_in(password=long)).url)


async def test_6_2_10_a_password_is_as_good_after_years(sql: Sql) -> None:
    people = People(sql)
    made = await people.ada()
    people.clock.ahead = 20 * 365 * 86400
    found = await people.directory.verify("ada@example.org", PASSWORD, "192.0.2.1")
    assert found.id == made
    people.hashing.stop()


async def test_6_2_11_a_password_is_not_made_of_the_places_or_the_persons_name(sql: Sql) -> None:
    people = People(sql)
    words = ("Copperhollow Bank", "id.saddlewick.example")
    here = Directory(sql, people.options, people.hashing, people.clock, words=words)
    for password in ("copperhollow1", "Saddlewick!", "ada.lovelock", "wintermoor9"):
        with pytest.raises(WeakPassword):
            await here.encoded(password, "192.0.2.1", ("ada.lovelock@example.org", "Wintermoor"))
        assert await people.directory.encoded(password, "192.0.2.1")
    people.hashing.stop()


async def test_6_3_1_guesses_are_stopped(here: Place, ada: Browser) -> None:
    thief = here.browser()
    form = {**(await thief.get("/auth/login")).hidden(), "email": EMAIL}
    statuses = [
        (await thief.post("/auth/login", {**form, "password": str(n)})).status for n in range(20)
    ]
    assert statuses.index(429) == 10
    assert await signed_in(ada)


async def test_6_3_2_there_are_no_accounts_to_begin_with(here: Place, sqlite_url: str) -> None:
    assert (await here.browser().get("/auth/login")).status == 200
    assert await rows(sqlite_url, accounts) == []


async def test_6_3_6_no_letter_logs_anybody_in(here: Place, ada: Browser) -> None:
    other = here.browser()
    confirms = await here.link("Confirm your e-mail address")
    assert (await other.submit(confirms, "/auth/verify")).status == 200
    assert not await signed_in(other)
    await other.submit("/auth/forgot", email=EMAIL)
    resets = await here.link("Choose a new password")
    assert (await other.submit(resets, "/auth/reset", password=OTHER)).status == 200
    assert not await signed_in(other)


async def test_6_3_8_an_unknown_address_takes_as_long_as_a_wrong_password(
    here: Place, ada: Browser
) -> None:
    """Without the hash for nobody it would be a hundredth; loads on the machine differ less."""
    form = (await (thief := here.browser()).get("/auth/login")).hidden()

    async def took(email: str) -> float:
        began = time.perf_counter()
        fields = {**form, "email": email, "password": "x"}
        assert (await thief.post("/auth/login", fields)).status == 401
        return time.perf_counter() - began

    known = [await took(EMAIL) for _ in range(7)]
    unknown = [await took("nobody@example.org") for _ in range(7)]
    assert min(unknown) > statistics.median(known) / 4
    assert await signed_in(ada)


async def test_6_4_1_links_work_once_and_for_a_day_at_most(here: Place, ada: Browser) -> None:
    assert max(lasts for purpose, lasts in LASTS.items() if purpose != "invite") <= 86400
    link = await here.link("Confirm your e-mail address")
    assert (await ada.submit(link, "/auth/verify")).status == 200
    assert (await ada.submit(link, "/auth/verify")).status == 400


async def test_6_4_3_a_reset_leaves_the_second_factor_as_it_is(here: Place, ada: Browser) -> None:
    await with_app(ada)
    await ada.submit("/auth/forgot", email=EMAIL)
    link = await here.link("Choose a new password")
    await ada.submit(link, "/auth/reset", password=OTHER)
    assert "/login/code" in (await ada.log_in(password=OTHER)).url


async def test_6_5_1_a_code_counts_once(here: Place, ada: Browser) -> None:
    code = (await with_app(ada)).now()
    for status in (200, 401):
        await (phone := here.browser()).log_in()
        assert (await phone.submit("/auth/login/code", code=code)).status == status


async def test_6_5_5_a_code_lives_for_thirty_seconds(ada: Browser) -> None:
    app = await with_app(ada)
    assert (STEP, app.interval) == (30, 30)
    old = app.at(int(time.time()) - 120)
    await ada.submit("/auth/logout")
    await ada.log_in()
    assert (await ada.submit("/auth/login/code", code=old)).status == 401


async def with_app(ada: Browser) -> pyotp.TOTP:
    found = re.search(r'id="secret">(\w+)<', (await ada.get("/auth/account/totp")).text)
    assert found is not None
    app = pyotp.TOTP(found[1])
    shown = await ada.submit("/auth/account/totp", code=app.at(int(time.time()) - 30))
    assert shown.status == 200
    return app


def cookie_of(browser: Browser) -> str:
    return next(each.value for each in browser.session.cookie_jar if each.key == "auth")


async def test_7_2_2_and_3_the_reference_is_opaque_and_has_256_bits(ada: Browser) -> None:
    """ASVS 5.0 7.2.3."""
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", cookie_of(ada))


async def test_7_2_1_a_session_is_what_the_table_says(
    here: Place, ada: Browser, sqlite_url: str
) -> None:
    cookie = cookie_of(ada)
    assert not await works(here, "A" * 43)
    assert not await works(here, (await rows(sqlite_url, sessions))[0].id)
    assert await works(here, cookie)


async def test_7_2_4_each_log_in_makes_a_new_session_and_ends_the_old(
    here: Place, ada: Browser
) -> None:
    before = cookie_of(ada)
    assert await works(here, before)
    form = (await ada.get("/auth/login?fresh=1")).hidden()
    await ada.post("/auth/login", {**form, "email": EMAIL, "password": PASSWORD})
    assert cookie_of(ada) != before
    assert not await works(here, before)


async def test_7_4_1_and_4_logging_out_ends_the_session_itself(here: Place, ada: Browser) -> None:
    """ASVS 5.0 7.4.4."""
    before = cookie_of(ada)
    assert await works(here, before)
    first = (await ada.get("/auth/account")).text
    places = re.findall(r'<a href="(/auth/account[^"]*)"', first.partition("</nav>")[0])
    assert len(places) > 6
    for path in places:
        assert 'action="/auth/logout"' in (await ada.get(path)).text, path
    await ada.submit("/auth/logout")
    assert not await works(here, before)


async def test_7_4_2_closing_the_account_ends_its_sessions(
    here: Place, ada: Browser, sqlite_url: str
) -> None:
    other = here.browser()
    await other.log_in()
    await ada.submit("/auth/account/close", current=PASSWORD)
    assert not await signed_in(other)
    assert await rows(sqlite_url, sessions) == []


async def test_7_4_3_a_new_password_or_factor_ends_other_sessions(
    here: Place, ada: Browser
) -> None:
    other, third = here.browser(), here.browser()
    await other.log_in()
    await ada.submit("/auth/account/password", current=PASSWORD, password=OTHER)
    assert not await signed_in(other)
    await third.log_in(password=OTHER)
    await with_app(ada)
    assert not await signed_in(third)
    assert await signed_in(ada)


async def test_7_5_1_an_address_is_changed_with_the_password_only(ada: Browser) -> None:
    asked = await ada.submit("/auth/account/email", email="new@example.org")
    assert asked.status == 401


async def test_7_5_2_people_see_and_end_their_sessions(here: Place, ada: Browser) -> None:
    other = here.browser()
    await other.log_in()
    shown = await ada.get("/auth/account")
    await ada.post("/auth/account/sessions", {**shown.hidden(), "session": "others"})
    assert not await signed_in(other)
