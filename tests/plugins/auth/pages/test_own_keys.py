"""People make, see and revoke their API keys."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from plugins.auth.access.key_text import well_formed
from plugins.auth.accounts.tables import sessions
from tests.plugins.auth.access.desk import Desk
from tests.plugins.auth.browser import Browser, Place, place

KEYS, NEW = "/auth/account/keys", "/auth/account/keys/new"
KEY = re.compile(r'<code id="key">(\S+)</code>')


@pytest.fixture
async def here(
    tmp_path: Path, sql_url: str, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Place]:
    async with place(tmp_path, sql_url, capsys, ", access: {keys: 2}") as found:
        yield found


@pytest.fixture
async def ada(here: Place) -> Browser:
    ada = here.browser()
    await ada.register()
    await ada.log_in()
    return ada


async def test_a_key_is_shown_once_and_listed_by_how_it_begins(
    here: Place, ada: Browser, desk: Desk
) -> None:
    await desk.scopes.create("documents.read", ["documents/**:read"], description="Read <all>")
    assert "Read &lt;all&gt;" in (await ada.get(NEW)).text
    made = await ada.submit(NEW, name="lap<top", days="30", **{"scope.documents.read": "on"})
    key = KEY.findall(made.text)[0]
    assert well_formed(key.encode())
    listed = (await ada.get(KEYS)).text
    assert key not in listed
    assert key[:9] in listed
    assert "lap&lt;top" in listed
    assert "documents.read" in listed
    (kept,) = await desk.keys.page()
    assert kept.expires_at - kept.created_at == 30 * 86400
    spanish = await ada.get(KEYS, **{"Accept-Language": "es"})
    assert "Claves de API" in spanish.text


async def test_a_key_is_revoked_by_its_owner_and_by_nobody_else(
    here: Place, ada: Browser, desk: Desk
) -> None:
    await ada.submit(NEW, **{"name": "laptop", "days": "30", "scope.roles": "on"})
    (kept,) = await desk.keys.page()
    eve = here.browser()
    await eve.register(email="eve@example.org")
    await eve.log_in(email="eve@example.org")
    form = (await eve.get(NEW)).hidden()
    await eve.post(KEYS, {**form, "key": kept.id})
    assert len(await desk.keys.page()) == 1
    shown = (await ada.get(KEYS)).text
    assert "Everything that you may do" in shown
    await ada.submit(KEYS, key=kept.id)
    assert await desk.keys.page() == []


async def test_what_cannot_be_is_said_and_nothing_is_made(ada: Browser, desk: Desk) -> None:
    for fields in (
        {"name": "", "days": "30"},
        {"name": "a", "days": "x"},
        {"name": "a", "days": "9999"},
        {"name": "a", "days": "30", "scope.nothing": "on"},
    ):
        answer = await ada.submit(NEW, **fields)
        assert answer.status == 400
        assert 'role="alert"' in answer.text
    assert await desk.keys.page() == []
    form = (await ada.get(NEW)).hidden()
    made = {**form, "name": "a", "days": "30"}
    pages = await asyncio.gather(*(ada.post(NEW, made) for _ in range(5)))
    assert sorted(page.status for page in pages) == [200, 200, 400, 400, 400]


async def test_to_make_one_takes_a_fresh_log_in(ada: Browser, desk: Desk) -> None:
    form = (await ada.get(NEW)).hidden()
    async with desk.sql.write() as connection:
        earlier = sessions.update().values(
            auth_time=sa.cast(sessions.c.auth_time, sa.BigInteger) - 601
        )
        await connection.execute(earlier)
    assert "/auth/login" in (await ada.get(NEW)).url
    asked = await ada.post(NEW, {**form, "name": "a", "days": "30"})
    assert "/auth/login" in asked.url
    assert await desk.keys.page() == []
    assert (await ada.get(KEYS)).url.endswith(KEYS)
