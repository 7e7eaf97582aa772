"""Organisations on pages: made, joined by invitation, left."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.plugins.auth.access.desk import Desk
from tests.plugins.auth.browser import EMAIL, Browser, Page, Place, place

ALL, JOIN = "/auth/account/organisations", "/auth/account/organisations/join"
BOB, INVITED = "bob@example.org", "You are invited to an organisation"


@pytest.fixture
async def here(
    tmp_path: Path, sql_url: str, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Place]:
    async with place(tmp_path, sql_url, capsys) as found:
        yield found


async def person(here: Place, email: str, *, confirmed: bool = True) -> Browser:
    browser = here.browser()
    await browser.register(email=email)
    await browser.log_in(email=email)
    if confirmed:
        link = await here.link("Confirm your e-mail address", email)
        await browser.submit(link, "/auth/verify")
    return browser


async def acme(ada: Browser) -> str:
    """The path of the new organisation."""
    made = await ada.submit(ALL, name="Acme & <Co>")
    return urlsplit(made.url).path


def value(page: Page, name: str) -> str:
    return re.findall(rf'name="{name}" value="([0-9a-f]{{32}})"', page.text)[0]


async def test_an_invitation_is_mailed_and_accepted_once(here: Place) -> None:
    ada, bob = await person(here, EMAIL), await person(here, BOB)
    path = await acme(ada)
    shown = await ada.submit(path, do="invite", email="Bob@Example.org")
    assert shown.status == 200
    assert "Bob@Example.org" in shown.text
    link = await here.link(INVITED, "Bob@Example.org")
    invitation = await bob.get(link)
    assert "Acme &amp; &lt;Co&gt;" in invitation.text
    form = {**invitation.hidden(), "do": "accept"}
    pages = await asyncio.gather(*(bob.post(JOIN, form) for _ in range(10)))
    assert Counter(page.status for page in pages) == {200: 1, 400: 9}
    assert (await bob.get(link)).status == 400
    members = await bob.get(path)
    assert "ada@example.org" in members.text
    assert "Invite somebody" not in members.text
    assert "Open invitations" not in (await ada.get(path)).text


async def test_a_link_asks_to_log_in_first_and_then_leads_on(here: Place) -> None:
    ada = await person(here, EMAIL)
    path = await acme(ada)
    await person(here, BOB)
    await ada.submit(path, do="invite", email=BOB, owner="on")
    link = await here.link(INVITED, BOB)
    bob = here.browser()
    asked = await bob.get(link)
    assert urlsplit(asked.url).path == "/auth/login"
    fields = {"email": BOB, "password": "violet-harbour-93-lantern"}
    invitation = await bob.post("/auth/login", {**asked.hidden(), **fields})
    assert "You are invited" in invitation.text
    joined = await bob.post(JOIN, {**invitation.hidden(), "do": "accept"})
    assert urlsplit(joined.url).path == path
    assert "Invite somebody" in joined.text


async def test_nobody_else_and_nobody_unconfirmed_can_accept(here: Place, desk: Desk) -> None:
    ada, eve = await person(here, EMAIL), await person(here, "eve@example.org")
    path = await acme(ada)
    await ada.submit(path, do="invite", email=BOB)
    link = await here.link(INVITED, BOB)
    answer = await eve.get(link)
    assert (answer.status, "Acme" in answer.text) == (403, False)
    again = re.findall(r'href="(/auth/login[^"]+)"', answer.text)[0]
    shown = (await eve.get(unescape(again))).text
    assert 'name="password"' in shown
    assert "eve@example.org" not in shown
    (invitation,) = await desk.invitations.page(path.rpartition("/")[2])
    form = (await eve.get(ALL)).hidden()
    accepted = await eve.post(JOIN, {**form, "invitation": invitation.id, "do": "accept"})
    assert accepted.status == 400
    bob = await person(here, BOB, confirmed=False)
    assert (await bob.get(link)).status == 403
    form = (await bob.get(ALL)).hidden()
    for do in ("accept", "decline"):
        answer = await bob.post(JOIN, {**form, "invitation": invitation.id, "do": do})
        assert answer.status == 403
    await bob.submit(await here.link("Confirm your e-mail address", BOB), "/auth/verify")
    assert "Acme &amp; &lt;Co&gt;" in (await bob.get(ALL)).text
    await bob.submit(ALL, JOIN, do="decline")
    assert await desk.invitations.page(path.rpartition("/")[2]) == []


async def test_owners_change_what_members_may_only_see(here: Place, desk: Desk) -> None:
    ada, bob = await person(here, EMAIL), await person(here, BOB)
    path = await acme(ada)
    place_id = path.rpartition("/")[2]
    await ada.submit(path, do="invite", email=BOB)
    assert (await bob.get(path)).status == 404
    await bob.submit(ALL, JOIN, do="accept")
    form = (await bob.get(path)).hidden()
    for fields in (
        {"do": "rename", "name": "Mine"},
        {"do": "invite", "email": "eve@example.org"},
        {"do": "owner", "account": value(await ada.get(path), "account")},
    ):
        assert (await bob.post(path, {**form, **fields})).status == 404
    assert "its only member" not in (await ada.get(path)).text
    left = await ada.submit(path, do="leave")
    assert (left.status, "There is no other owner" in left.text) == (400, True)
    await ada.submit(path, do="rename", name="Acme 2")
    await ada.submit(path, do="owner", account=value(await ada.get(path), "account"))
    assert all(each.owner for each in await desk.organisations.members(place_id))
    await ada.submit(path, do="member", account=value(await ada.get(path), "account"))
    await ada.submit(path, do="remove", account=value(await ada.get(path), "account"))
    assert (await bob.get(path)).status == 404
    assert "its only member" in (await ada.get(path)).text
    assert urlsplit((await ada.submit(path, do="leave")).url).path == ALL
    assert await desk.organisations.page() == []


async def test_what_cannot_be_is_said(here: Place) -> None:
    ada = await person(here, EMAIL)
    assert (await ada.submit(ALL, name=" ")).status == 400
    path = await acme(ada)
    assert (await ada.submit(path, do="rename", name="a" * 101)).status == 400
    assert (await ada.submit(path, do="invite", email="nobody")).status == 400
    for _ in range(5):
        assert (await ada.submit(path, do="invite", email=BOB)).status == 200
    flooded = await ada.submit(path, do="invite", email=BOB)
    assert (flooded.status, "many letters" in flooded.text) == (400, True)
    shown = await ada.get(path)
    await ada.submit(path, do="withdraw", invitation=value(shown, "invitation"))
    assert "Open invitations" not in (await ada.get(path)).text
    assert (await ada.get(f"{ALL}/{'0' * 32}")).status == 404
    spanish = await ada.get(path, **{"Accept-Language": "es"})
    assert "Dejar la organización" in spanish.text
