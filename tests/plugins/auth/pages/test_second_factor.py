"""An authenticator app and recovery codes, set up and used on the pages."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pyotp
import pytest

from backends.catalogue import Backends
from plugins.auth.accounts.tables import sessions
from tests.plugins.auth.browser import EMAIL, Browser, Place, place
from tests.plugins.auth.people import PASSWORD

SECRET = re.compile(r'<code id="secret">([A-Z2-7]{32})</code>')
CODE = re.compile(r"<li>([a-z2-9]{4}-[a-z2-9]{4})</li>")


@pytest.fixture
async def here(
    tmp_path: Path, sql_url: str, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Place]:
    async with place(tmp_path, sql_url, capsys) as found:
        yield found


def code_of(secret: str, steps: int = 0) -> str:
    """`steps` half minutes from now; the clock of the app may be one off."""
    return pyotp.TOTP(secret).at(int(time.time()) + 30 * steps)


async def set_up(ada: Browser) -> tuple[str, list[str]]:
    """Of a person who is logged in: the secret and the recovery codes."""
    await ada.register()
    await ada.log_in()
    found = SECRET.search((await ada.get("/auth/account/totp")).text)
    assert found is not None
    shown = await ada.submit("/auth/account/totp", code=code_of(found[1], -1))
    codes = CODE.findall(shown.text)
    assert len(codes) == 10
    return found[1], codes


async def test_a_code_is_asked_for_after_the_password_and_works_once(here: Place) -> None:
    ada, thief = here.browser(), here.browser()
    secret, _ = await set_up(ada)
    await here.link("Your second factor has changed")
    phone = here.browser()
    asked = await phone.log_in()
    assert "/auth/login/code" in asked.url
    assert "/auth/login" in (await phone.get("/auth/account")).url
    used = code_of(secret)
    assert (
        await phone.submit(asked.url.removeprefix(phone.root), "/auth/login/code", code=used)
    ).url.endswith("/auth/account")
    await thief.log_in()
    replayed = await thief.submit("/auth/login/code", code=used)
    assert (replayed.status, "Wrong code." in replayed.text) == (401, True)
    assert "/auth/login" in (await thief.get("/auth/account")).url


async def test_a_recovery_code_works_once_also_when_many_use_it_at_once(here: Place) -> None:
    _, codes = await set_up(here.browser())
    crowd = [here.browser() for _ in range(6)]
    forms = []
    for one in crowd:
        await one.log_in()
        forms.append({**(await one.get("/auth/login/code")).hidden(), "code": codes[0].upper()})
    pages = await asyncio.gather(
        *(one.post("/auth/login/code", form) for one, form in zip(crowd, forms, strict=True))
    )
    assert Counter(page.status for page in pages) == {200: 1, 401: 5}
    await crowd[0].log_in()
    assert (await crowd[0].submit("/auth/login/code", code=codes[1])).status == 200


async def test_codes_are_guessed_a_few_times_and_no_more_from_whatever_session(
    here: Place,
) -> None:
    secret, _ = await set_up(here.browser())
    thief = here.browser()
    statuses = []
    for number in range(12):
        if number % 3 == 0:
            await thief.log_in()
            form = (await thief.get("/auth/login/code")).hidden()
        wrong = f"{(int(code_of(secret)) + 5000 + number) % 10**6:06d}"
        statuses.append((await thief.post("/auth/login/code", {**form, "code": wrong})).status)
    assert statuses == [401] * 10 + [429] * 2


async def test_a_new_password_by_mail_does_not_get_past_it(here: Place) -> None:
    ada = here.browser()
    await set_up(ada)
    await ada.submit("/auth/forgot", email=EMAIL)
    link = await here.link("Choose a new password")
    await ada.submit(link, "/auth/reset", password="copper-meadow-51-saddle")
    asked = await ada.log_in(password="copper-meadow-51-saddle")
    assert "/auth/login/code" in asked.url


async def test_it_is_changed_and_removed_only_by_a_code(here: Place) -> None:
    ada = here.browser()
    _, codes = await set_up(ada)
    form = (await ada.get("/auth/account/totp")).hidden()
    assert SECRET.search((await ada.get("/auth/account/totp")).text) is None
    assert (await ada.get("/auth/account/totp/qr.svg")).status == 404
    wrong = {**form, "code": "aaaa-aaaa", "do": "off"}
    assert (await ada.post("/auth/account/totp", wrong)).status == 401
    renewed = await ada.post("/auth/account/totp", {**form, "code": codes[0], "do": "codes"})
    fresh = CODE.findall(renewed.text)
    assert not set(fresh) & set(codes)
    old = {**form, "code": codes[1], "do": "off"}
    assert (await ada.post("/auth/account/totp", old)).status == 401
    off = await ada.post("/auth/account/totp", {**form, "code": fresh[0], "do": "off"})
    assert off.url.endswith("/auth/account")
    assert (await here.browser().log_in()).url.endswith("/auth/account")


async def test_a_session_is_stepped_up_by_a_code_when_that_is_asked_for(here: Place) -> None:
    ada = here.browser()
    secret, _ = await set_up(ada)
    asked = await ada.get("/auth/login?acr=aal2&continue=/auth/account/password")
    assert "/auth/login/code" in asked.url
    where = asked.url.removeprefix(ada.root)
    done = await ada.submit(where, "/auth/login/code", code=code_of(secret))
    assert done.url == ada.root + "/auth/account/password"
    again = await ada.get("/auth/login?acr=aal2&continue=/auth/account/password")
    assert again.url == ada.root + "/auth/account/password"
    assert 'name="password"' in (await ada.get("/auth/login?fresh=1")).text


async def test_it_is_set_up_only_soon_after_a_log_in(here: Place, sql_url: str) -> None:
    ada = here.browser()
    await ada.register()
    await ada.log_in()
    form = (await ada.get("/auth/account/totp")).hidden()
    backends = Backends({"sql": sql_url})
    await backends.ready(["sql"])
    async with backends.sql.write() as connection:
        await connection.execute(sessions.update().values(auth_time=int(time.time()) - 601))
    await backends.close()
    for page in (
        await ada.get("/auth/account/totp"),
        await ada.post("/auth/account/totp", {**form, "code": "123456"}),
        await ada.get("/auth/account/totp/qr.svg"),
    ):
        assert page.url == ada.root + "/auth/login?fresh=1&continue=/auth/account/totp"


async def test_the_picture_holds_the_secret_for_the_person_alone(here: Place) -> None:
    ada = here.browser()
    await ada.register()
    await ada.log_in(password=PASSWORD)
    drawn = await ada.get("/auth/account/totp/qr.svg")
    assert drawn.headers["Content-Type"] == "image/svg+xml"
    assert "<script" not in drawn.text
    assert "/auth/login" in (await here.browser().get("/auth/account/totp/qr.svg")).url
