"""Registering, logging in and out, and lost passwords, through a real gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.plugins.auth.browser import EMAIL, Place, place
from tests.plugins.auth.people import PASSWORD

OTHER = "copper-meadow-51-saddle"


@pytest.fixture
async def here(
    tmp_path: Path, sql_url: str, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Place]:
    async with place(tmp_path, sql_url, capsys) as found:
        yield found


async def test_a_person_registers_confirms_logs_in_and_out(here: Place) -> None:
    ada = here.browser()
    shown = await ada.register()
    assert (shown.status, "Check your e-mail" in shown.text) == (200, True)
    link = await here.link("Confirm your e-mail address")
    assert "is confirmed" in (await ada.submit(link, "/auth/verify")).text
    assert (await ada.submit(link, "/auth/verify")).status == 400
    inside = await ada.log_in()
    assert inside.url.endswith("/auth/account")
    assert EMAIL in inside.text
    assert "confirmed" in inside.text
    left = await ada.submit("/auth/logout")
    assert left.url.endswith("/auth/login")
    assert (await ada.get("/auth/account")).url.endswith("/auth/login?continue=/auth/account")


async def test_what_register_and_forgot_answer_does_not_tell_who_has_an_account(
    here: Place,
) -> None:
    """ASVS 5.0 6.3.8."""
    ada, bob = here.browser(), here.browser()
    first, again = await ada.register(), await bob.register(password=OTHER)
    assert (first.status, without_token(first.text)) == (again.status, without_token(again.text))
    await here.link("You have an account already")
    known = await ada.submit("/auth/forgot", email=EMAIL)
    unknown = await bob.submit("/auth/forgot", email="nobody@example.org")
    assert (known.status, without_token(known.text)) == (
        unknown.status,
        without_token(unknown.text),
    )
    await here.link("No account with this address", "nobody@example.org")
    assert (await bob.log_in(password=OTHER)).status == 401


def without_token(text: str) -> str:
    return text.partition("<main")[2]


async def test_one_address_does_not_make_us_write_to_all_the_world(
    tmp_path: Path, sql_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with place(tmp_path, sql_url, capsys, ", accounts: {address_failures: 1}") as here:
        ada = here.browser()
        form = (await ada.get("/auth/forgot")).hidden()
        asked = [
            await ada.post("/auth/forgot", {**form, "email": f"{n}@example.org"}) for n in range(11)
        ]
        assert [each.status for each in asked] == [*[200] * 10, 429]
        assert 1 <= int(asked[10].headers["Retry-After"]) <= 60
        assert (await ada.register()).status == 429
        assert (await ada.log_in()).status == 401


async def test_registers_by_json_too(here: Place) -> None:
    ada = here.browser()
    url = ada.root + "/auth/register"
    for body, status in [
        ({"email": EMAIL, "password": PASSWORD}, 202),
        ({"email": EMAIL, "password": PASSWORD}, 202),
        ({"email": EMAIL, "password": "password1"}, 400),
        ({"email": EMAIL}, 400),
        ({"email": "x", "password": PASSWORD}, 400),
    ]:
        async with ada.session.post(url, json=body) as answer:
            assert answer.status == status
            assert set(await answer.json()) == {"detail"}
    for raw in (
        b'{"email": "\xff"}',
        b'{"email": "a@b.c", "password": "x", "name": "\\u0000"}',
        b'{"x":' * 5000,
    ):
        headers = {"Content-Type": "application/json"}
        async with ada.session.post(url, data=raw, headers=headers) as answer:
            assert answer.status == 400
    assert (await ada.log_in()).url.endswith("/auth/account")


async def test_a_browser_may_have_any_name(here: Place) -> None:
    ada = here.browser()
    await ada.register()
    form = {**(await ada.get("/auth/login")).hidden(), "email": EMAIL, "password": PASSWORD}
    cookie = "; ".join(f"{each.key}={each.value}" for each in ada.session.cookie_jar)
    body = urlencode(form)
    answer = await here.served.ask(
        "POST /auth/login HTTP/1.1",
        "Host: localhost",
        "User-Agent: \xff\xfe name",
        f"Cookie: {cookie}",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {len(body)}",
        body=body.encode(),
    )
    assert answer.startswith(b"HTTP/1.1 303 ")


async def test_a_wrong_password_is_refused_in_the_same_words_as_an_unknown_address(
    here: Place,
) -> None:
    ada = here.browser()
    await ada.register()
    wrong = await ada.log_in(password=OTHER)
    unknown = await ada.log_in(email="bob@example.org")
    assert (wrong.status, unknown.status) == (401, 401)
    assert "Wrong e-mail address or password." in wrong.text
    assert wrong.text.replace(EMAIL, "") == unknown.text.replace("bob@example.org", "")


async def test_too_many_wrong_passwords_lock_the_account_until_a_link_opens_it(here: Place) -> None:
    ada, bob = here.browser(), here.browser()
    await ada.register()
    form = (await bob.get("/auth/login")).hidden()
    statuses = []
    for number in range(12):
        fields = {**form, "email": EMAIL, "password": f"guess {number}"}
        statuses.append((await bob.post("/auth/login", fields)).status)
    assert statuses == [401] * 10 + [429] * 2
    locked = await ada.log_in()
    assert locked.status == 429
    assert 1 <= int(locked.headers["Retry-After"]) <= 60
    await ada.submit("/auth/forgot", email=EMAIL)
    link = await here.link("Choose a new password")
    done = await ada.submit(link, "/auth/reset", password=OTHER)
    assert "Your password is changed" in done.text
    assert (await ada.log_in(password=OTHER)).url.endswith("/auth/account")


async def test_a_reset_ends_all_sessions_and_its_link_works_once(here: Place) -> None:
    """ASVS 5.0 6.3.7."""
    ada, thief = here.browser(), here.browser()
    await ada.register()
    await thief.log_in()
    await ada.submit("/auth/forgot", email=EMAIL)
    link = await here.link("Choose a new password")
    weak = await ada.submit(link, "/auth/reset", password="password1")
    assert (weak.status, "many people use" in weak.text) == (400, True)
    assert (await ada.submit(link, "/auth/reset", password=OTHER)).status == 200
    assert (await ada.get(link)).status == 400
    assert "/auth/login" in (await thief.get("/auth/account")).url
    await here.link("Your password has changed")


async def test_after_log_in_one_is_where_one_wanted_to_be_if_it_is_here(here: Place) -> None:
    ada = here.browser()
    await ada.register()
    for asked, end in [
        ("/auth/account/password", "/auth/account/password"),
        ("https://evil.example/", "/auth/account"),
    ]:
        form = (await ada.get("/auth/login?fresh=1")).hidden()
        fields = {**form, "email": EMAIL, "password": PASSWORD, "continue": asked}
        assert (await ada.post("/auth/login", fields)).url == ada.root + end


async def test_forms_without_this_browsers_token_or_of_other_sites_are_refused(
    here: Place,
) -> None:
    """ASVS 5.0 7.6.2."""
    ada, bob = here.browser(), here.browser()
    await ada.register()
    theirs = (await bob.get("/auth/login")).hidden()
    mine = (await ada.get("/auth/login")).hidden()
    known = {"email": EMAIL, "password": PASSWORD}
    assert (await ada.post("/auth/login", known)).status == 403
    assert (await ada.post("/auth/login", {**theirs, **known})).status == 403
    cross = {"Sec-Fetch-Site": "cross-site"}
    assert (await ada.post("/auth/login", {**mine, **known}, **cross)).status == 403
    assert (await ada.post("/auth/login", {**mine, "x": "y" * 70000})).status == 413
    assert (await ada.post("/auth/login", {**mine, **known, "email": "a\0@b.c"})).status == 400
    assert (await ada.get("/auth/account")).url.endswith("continue=/auth/account")


async def test_cookies_that_are_none_of_ours_are_as_if_they_were_not_there(here: Place) -> None:
    """aiohttp's client sends none like these."""
    port, names = here.served.port, ("auth", "auth-csrf", "auth-trip")
    cookies = b"; ".join(name.encode() + b"=" + b"\xff" * 43 for name in names)
    for first, status in ((b"GET /auth/login", b" 200 "), (b"POST /auth/login", b" 403 ")):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        form = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\n"
        writer.write(first + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + form)
        writer.write(b"Cookie: " + cookies + b"\r\n\r\n")
        answer = await reader.read()
        writer.close()
        assert status in answer.partition(b"\r\n")[0]


async def test_pages_forbid_scripts_frames_and_caches(here: Place) -> None:
    for path in ("/auth/login", "/auth/register", "/auth/forgot", "/auth/logout"):
        shown = await here.browser().get(path)
        policy = shown.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert shown.headers["Cache-Control"] == "no-store"
        scripts = shown.text.count("<script")
        assert scripts == shown.text.count('<script type="module" src="/auth/static/')
        assert " style=" not in shown.text


async def test_what_people_type_is_never_markup(here: Place) -> None:
    ada = here.browser()
    shown = await ada.log_in(email='"><script>alert(1)</script>')
    assert "<script>" not in shown.text
    assert "&lt;script&gt;" in shown.text


async def test_spanish_for_those_who_ask_for_it(here: Place) -> None:
    ada = here.browser()
    for shown in (
        await ada.get("/auth/login", **{"Accept-Language": "fr, es-MX;q=0.8, en;q=0.5"}),
        await ada.get("/auth/login?ui_locales=es"),
    ):
        assert '<html lang="es">' in shown.text
        assert "Contraseña" in shown.text
