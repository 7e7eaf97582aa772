"""Whether requests should come here."""

from __future__ import annotations

import asyncio
import time

import pytest

from backends.sql import Sql
from gateway.errors import GatewayError
from plugins.auth.health import STUCK, Health
from plugins.auth.keys.at_rest import AtRest
from plugins.auth.keys.keyring import Keyring
from plugins.auth.keys.options import KeyOptions
from plugins.auth.mail.outbox import enqueue


@pytest.fixture
def keyring(sql: Sql) -> Keyring:
    return Keyring(sql, AtRest("x" * 40), KeyOptions())


async def test_a_plugin_that_has_what_it_needs_is_ready(sql: Sql, keyring: Keyring) -> None:
    await keyring.start()
    health = Health(sql, keyring, list)
    for check in health.checks().values():
        await check()


async def test_without_a_key_it_is_not(sql: Sql, keyring: Keyring) -> None:
    with pytest.raises(GatewayError, match="no signing key"):
        await Health(sql, keyring, list).key()


async def test_letters_that_wait_are_fine_and_those_nobody_sends_are_not(
    sql: Sql, keyring: Keyring
) -> None:
    now = int(time.time())
    health = Health(sql, keyring, list, lambda: now)
    async with sql.write() as connection:
        await enqueue(connection, "reset", "a@example.org", "en", now + 3600)
        await enqueue(connection, "reset", "a@example.org", "en", now - STUCK)
    await health.mail()
    async with sql.write() as connection:
        await enqueue(connection, "reset", "a@example.org", "en", now - STUCK - 1)
    with pytest.raises(GatewayError, match="nobody sends"):
        await health.mail()


async def test_a_task_that_has_ended_is_noticed(sql: Sql, keyring: Keyring) -> None:
    task = asyncio.create_task(asyncio.sleep(0))
    health = Health(sql, keyring, lambda: [task])
    await health.tasks()
    await task
    with pytest.raises(GatewayError, match="has ended"):
        await health.tasks()
