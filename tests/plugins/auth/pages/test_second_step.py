"""An authenticator app and recovery codes, set up and used on the pages."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import pyotp
import pytest
import sqlalchemy as sa

from backends.catalogue import Backends
from plugins.auth.accounts.tables import accounts, sessions
from plugins.auth.factors.tables import devices
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
    """ASVS 5.0 6.4.4, 6.5.6."""
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
    secret, codes = await set_up(ada)
    step = "/auth/login?acr=aal2&continue=/auth/account/password"
    assert (await ada.get(step)).url == ada.root + "/auth/account/password"
    await ada.log_in()
    await ada.submit("/auth/login/code", code=codes[0], remember="1")
    await ada.log_in()
    asked = await ada.get(step)
    assert "/auth/login/code" in asked.url
    where = asked.url.removeprefix(ada.root)
    done = await ada.submit(where, "/auth/login/code", code=code_of(secret))
    assert done.url == ada.root + "/auth/account/password"
    assert (await ada.get(step)).url == ada.root + "/auth/account/password"
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
        assert f'value="{EMAIL}"' in page.text


async def test_the_picture_holds_the_secret_for_the_person_alone(here: Place) -> None:
    ada = here.browser()
    await ada.register()
    await ada.log_in(password=PASSWORD)
    drawn = await ada.get("/auth/account/totp/qr.svg")
    assert drawn.headers["Content-Type"] == "image/svg+xml"
    assert "<script" not in drawn.text
    assert "/auth/login" in (await here.browser().get("/auth/account/totp/qr.svg")).url


async def test_a_remembered_device_is_not_asked_again_until_it_is_forgotten(here: Place) -> None:
    ada = here.browser()
    secret, codes = await set_up(ada)
    phone = here.browser()
    await phone.log_in()
    await phone.submit("/auth/login/code", code=codes[0], remember="1")
    assert (await phone.log_in()).url.endswith("/auth/account")
    for page in ("password", "email", "close"):
        assert "/auth/login" in (await phone.get(f"/auth/account/{page}")).url
    asked = await phone.get("/auth/login?acr=aal2&continue=/auth/account/email")
    assert "/auth/login/code" in asked.url
    somebody = re.findall(r'href="(/auth/login\?[^"]+)"', asked.text)[0]
    other = await phone.get(unescape(somebody))
    assert other.hidden()["continue"] == "/auth/account/email"
    assert EMAIL not in other.text
    form = (await phone.get("/auth/login?fresh=1&acr=aal2")).hidden()
    strong = await phone.post("/auth/login", {**form, "email": EMAIL, "password": PASSWORD})
    assert "/auth/login/code" in strong.url
    assert "/auth/login/code" in (await here.browser().log_in()).url
    await phone.log_in()
    listed = (await phone.get("/auth/account")).text
    assert "Devices that are not asked for a code" in listed
    device = listed.split('name="device" value="')[1].split('"')[0]
    form = (await ada.get("/auth/account")).hidden()
    forgotten = await ada.post("/auth/account/devices", {**form, "device": device})
    assert 'name="device"' not in forgotten.text
    assert "/auth/login/code" in (await phone.log_in()).url
    assert secret


async def test_the_cookie_of_a_device_is_of_one_account_and_only_its_hash_is_kept(
    here: Place, sql_url: str
) -> None:
    ada, bob = here.browser(), here.browser()
    _, codes = await set_up(ada)
    await ada.log_in()
    await ada.submit("/auth/login/code", code=codes[0], remember="1")
    cookie = next(each for each in ada.session.cookie_jar if each.key.startswith("auth-device-"))
    await bob.register(email="bob@example.org")
    await bob.log_in(email="bob@example.org")
    found = SECRET.search((await bob.get("/auth/account/totp")).text)
    assert found is not None
    await bob.submit("/auth/account/totp", code=code_of(found[1], -1))
    for key in (cookie.key, *(f"auth-device-{each}" for each in await names(sql_url))):
        bob.session.cookie_jar.update_cookies({key: cookie.value})
    assert "/auth/login/code" in (await bob.log_in(email="bob@example.org")).url
    rows = await device_rows(sql_url)
    assert len(rows) == 1
    assert cookie.value not in repr(rows)


async def names(sql_url: str) -> list[str]:
    backends = Backends({"sql": sql_url})
    await backends.ready(["sql"])
    async with backends.sql.read() as connection:
        ids = (await connection.execute(sa.select(accounts.c.id))).scalars().all()
    await backends.close()
    return [hashlib.sha256(each.encode()).hexdigest()[:12] for each in ids]


async def device_rows(sql_url: str) -> list[object]:
    backends = Backends({"sql": sql_url})
    await backends.ready(["sql"])
    async with backends.sql.read() as connection:
        rows = list((await connection.execute(sa.select(devices))).all())
    await backends.close()
    return [*rows]


@pytest.mark.parametrize("change", ["password", "codes", "reset"])
async def test_a_new_password_or_factor_forgets_devices(
    here: Place, sql_url: str, change: str
) -> None:
    ada = here.browser()
    _, codes = await set_up(ada)
    await ada.log_in()
    await ada.submit("/auth/login/code", code=codes[0], remember="1")
    assert len(await device_rows(sql_url)) == 1
    if change == "password":
        other = {"current": PASSWORD, "password": "copper-meadow-51-saddle"}
        await ada.submit("/auth/account/password", **other)
    elif change == "codes":
        await ada.submit("/auth/account/totp", code=codes[1], do="codes")
    else:
        await ada.submit("/auth/forgot", email=EMAIL)
        link = await here.link("Choose a new password")
        await ada.submit(link, "/auth/reset", password="copper-meadow-51-saddle")
    assert await device_rows(sql_url) == []


async def test_no_device_is_remembered_where_that_is_off(
    tmp_path: Path, sql_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with place(tmp_path, sql_url, capsys, ", accounts: {remember_device: 0}") as here:
        ada = here.browser()
        _, codes = await set_up(ada)
        await ada.log_in()
        assert "remember" not in (await ada.get("/auth/login/code")).text
        await ada.submit("/auth/login/code", code=codes[0], remember="1")
        assert await device_rows(sql_url) == []
        assert "/auth/login/code" in (await ada.log_in()).url


async def test_who_has_no_second_factor_and_needs_one_sets_it_up_and_goes_on(here: Place) -> None:
    ada = here.browser()
    await ada.register()
    form = (await ada.get("/auth/login?acr=aal2&continue=/auth/account/email")).hidden()
    asked = await ada.post("/auth/login", {**form, "email": EMAIL, "password": PASSWORD})
    assert "A second factor is needed" in asked.text
    again = await ada.get("/auth/login?acr=aal2&continue=/auth/account/email")
    assert again.url == asked.url
    found = re.search(r'href="([^"]+/account/totp[^"]+)"', asked.text)
    assert found is not None
    shown = await ada.get(unescape(found[1]))
    secret = SECRET.search(shown.text)
    assert secret is not None
    done = await ada.post("/auth/account/totp", {**shown.hidden(), "code": code_of(secret[1], -1)})
    assert len(CODE.findall(done.text)) == 10
    assert '<a class="button" href="/auth/account/email">' in done.text
    assert (await ada.get("/auth/login?acr=aal2&continue=/auth/account/email")).url.endswith(
        "/auth/account/email"
    )


async def test_a_log_in_that_a_new_password_overtook_is_over(here: Place) -> None:
    ada, phone = here.browser(), here.browser()
    _, codes = await set_up(ada)
    await phone.log_in()
    form = (await phone.get("/auth/login/code")).hidden()
    other = {"current": PASSWORD, "password": "copper-meadow-51-saddle"}
    await ada.submit("/auth/account/password", **other)
    late = await phone.post("/auth/login/code", {**form, "code": codes[0]})
    assert late.url.endswith("/auth/login")
    assert "/auth/login" in (await phone.get("/auth/account")).url
