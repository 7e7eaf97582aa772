"""What was read of a client is believed for a moment, and no longer than it may be."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from backends.sql import Sql
from gateway.seat import Subscribers
from plugins.auth.audit.actor import COMMAND
from plugins.auth.cache.epoch import Epochs
from plugins.auth.oauth.authentication import NONE
from plugins.auth.oauth.client_changes import ClientChanges
from plugins.auth.oauth.clients import DEVICE, Clients
from plugins.auth.oauth.ending import Ending
from plugins.auth.oauth.revoked import Revoked
from tests.plugins.auth.assertions.asserting import Asserting


def changes(sql: Sql, known: Clients, broadcast: Subscribers) -> ClientChanges:
    return ClientChanges(sql, known, Ending(Revoked(sql, broadcast, 900)))


async def test_members_of_metadata_changed_at_once_are_all_kept(sql: Sql) -> None:
    known = Clients(sql)
    made, _ = await known.create("reports", metadata={"software_id": "x", "contacts": ["a"]})
    change = changes(sql, known, Subscribers())
    gone: dict[str, object] = {"software_id": None}
    await asyncio.gather(
        *(
            change.update(made.id, {}, COMMAND, members=members)
            for members in ({"organisation": "a" * 32}, {"client_uri": "https://a.example"}, gone)
        ),
        change.update(made.id, {"name": "other"}, COMMAND),
    )
    found = await known.get(made.id)
    assert found is not None
    assert found.name == "other"
    assert found.metadata == {
        "contacts": ["a"],
        "organisation": "a" * 32,
        "client_uri": "https://a.example",
    }


async def test_a_client_without_a_secret_has_none_to_change(sql: Sql) -> None:
    known = Clients(sql)
    held = Asserting().registered()
    public: dict[str, Any] = {"method": NONE, "grants": [DEVICE]}
    for registered in (held, public):
        made, _ = await known.create("app", **registered)
        with pytest.raises(ValueError, match=f"authenticates by {made.method} has no secret"):
            await changes(sql, known, Subscribers()).rotate_secret(made.id, COMMAND)


async def scopes(known: Clients, number: str) -> tuple[str, ...] | None:
    found = await known.get(number)
    return None if found is None else found.scopes


async def test_workers_of_a_host_know_at_once_and_others_when_they_read_next(sql: Sql) -> None:
    host, other = Subscribers(), Epochs(sql, Subscribers())
    workers = [Epochs(sql, host), Epochs(sql, host), other]
    ends = [await each.start() for each in workers]
    here, beside, there = (Clients(sql, each.clients) for each in workers)
    made, _ = await here.create("reports", ["read"])
    for known in (here, beside, there):
        assert await scopes(known, made.id) == ("read",)
    await changes(sql, here, host).update(made.id, {"scopes": ("read", "write")}, COMMAND)
    await asyncio.sleep(0)
    assert await scopes(here, made.id) == await scopes(beside, made.id) == ("read", "write")
    assert await scopes(there, made.id) == ("read",)
    await other.read()
    assert await scopes(there, made.id) == ("read", "write")
    await changes(sql, here, host).delete(made.id, COMMAND)
    await asyncio.sleep(0)
    assert await scopes(here, made.id) is None
    assert await scopes(beside, made.id) is None
    for end in ends:
        end()
