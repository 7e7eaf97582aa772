"""What one worker has read of the database, others find in keyvalue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from backends.catalogue import Backends
from backends.keyvalue import KeyValue
from backends.keyvalue.memory import MemoryKeyValue
from backends.sql import Sql
from plugins.auth.access.allowed import Allowed
from plugins.auth.access.api_keys import digest_of
from plugins.auth.access.known_keys import KnownKeys
from plugins.auth.access.principals import Principals
from plugins.auth.cache.cached import Cached
from plugins.auth.cache.epoch import Epoch
from plugins.auth.cache.sealed import Sealed
from plugins.auth.keys.at_rest import AtRest
from plugins.auth.oauth.clients import Clients
from tests.engines.redis import Redis
from tests.plugins.auth.access.desk import Desk
from tests.plugins.auth.people import Clock

ISSUER = "http://localhost/auth"
SECRET = "s" * 32


class Outcomes(list[bool]):
    """Whether look-ups were answered by keyvalue."""


class Read:
    """Something that is dear to read."""

    def __init__(self, value: str | None = "news") -> None:
        self.value = value
        self.times = 0

    async def __call__(self) -> str | None:
        self.times += 1
        await asyncio.sleep(0)
        return self.value


@pytest.fixture
def redis_url(redis: Redis) -> str:
    redis.say("FLUSHALL")
    return redis.url


@pytest.fixture
async def keyvalue(redis_url: str) -> AsyncIterator[KeyValue]:
    backends = Backends({"keyvalue": redis_url})
    yield backends.keyvalue
    await backends.close()


def epoch_of(
    sql: Sql, keyvalue: KeyValue, secret: str = SECRET, counted: Outcomes | None = None
) -> Epoch:
    """As a worker has it that has just started."""
    epoch = Epoch(sql)
    epoch.move(0)
    outcomes = Outcomes() if counted is None else counted
    epoch.shared = Sealed(keyvalue, AtRest(secret), "auth:", 60, outcomes.append)
    return epoch


def things(epoch: Epoch, clock: Clock | None = None) -> Cached[str]:
    return Cached(epoch, 10, "thing", str, clock=clock or Clock())


async def test_what_a_worker_has_read_others_do_not_read_again(
    sql: Sql, keyvalue: KeyValue
) -> None:
    read, outcomes = Read(), Outcomes()
    for _ in range(3):
        known = things(epoch_of(sql, keyvalue, counted=outcomes))
        assert known.get("a") is None
        assert await known.find("a", "a", read) == "news"
        assert known.get("a") == "news"
    assert read.times == 1
    assert outcomes == [False, True, True]


async def test_who_asks_together_reads_once(sql: Sql, keyvalue: KeyValue) -> None:
    read, known = Read(), things(epoch_of(sql, keyvalue))
    found = await asyncio.gather(*(known.find("a", "a", read) for _ in range(20)))
    assert (set(found), read.times) == ({"news"}, 1)


async def test_after_a_change_nothing_old_is_found(sql: Sql, keyvalue: KeyValue) -> None:
    here, there = epoch_of(sql, keyvalue), epoch_of(sql, keyvalue)
    read = Read()
    assert await things(here).find("a", "a", read) == "news"
    async with here.write():
        read.value = "newer"
    assert await things(here).find("a", "a", read) == "newer"
    assert await things(there).find("a", "a", read) == "news"
    there.move(here.number)
    assert await things(there).find("a", "a", read) == "newer"
    assert read.times == 2


async def test_what_is_not_there_is_not_kept(sql: Sql, keyvalue: KeyValue, redis: Redis) -> None:
    read, known = Read(None), things(epoch_of(sql, keyvalue))
    assert [await known.find("a", "a", read) for _ in range(2)] == [None, None]
    assert read.times == 2
    assert redis.say("DBSIZE") == b":0\r\n"


async def test_nothing_is_believed_longer_than_a_minute_after_it_was_read(
    sql: Sql, keyvalue: KeyValue
) -> None:
    read, later = Read(), Clock()
    await things(epoch_of(sql, keyvalue)).find("a", "a", read)
    later.ahead = 59
    known = things(epoch_of(sql, keyvalue), later)
    assert await known.find("a", "a", read) == "news"
    assert read.times == 1
    later.ahead = 61
    assert known.get("a") is None
    assert await known.find("a", "a", read) == "news"
    assert read.times == 2


async def test_who_has_the_engine_can_neither_read_nor_forge_nor_swap(
    sql: Sql, keyvalue: KeyValue, redis: Redis
) -> None:
    reads = {name: Read(f"secret of {name}") for name in ("ada", "eve")}
    for name, read in reads.items():
        await things(epoch_of(sql, keyvalue)).find(name, name, read)
    keys = redis.say("KEYS", "*").split(b"\r\n")[2::2]
    values = [redis.say("GET", key.decode()) for key in keys]
    for each in (*keys, *values):
        assert not any(word in each for word in (b"ada", b"eve", b"secret"))
    ada, eve = (key.decode() for key in keys)
    redis.say("RENAME", ada, "aside")
    redis.say("RENAME", eve, ada)
    redis.say("RENAME", "aside", eve)
    for name, read in reads.items():
        assert await things(epoch_of(sql, keyvalue)).find(name, name, read) == f"secret of {name}"
    redis.say("SET", ada, '+[1e12,"forged"]')
    redis.say("SET", eve, "")
    for name, read in reads.items():
        assert await things(epoch_of(sql, keyvalue)).find(name, name, read) == f"secret of {name}"


async def test_another_deployment_on_the_same_engine_is_not_heard(
    sql: Sql, keyvalue: KeyValue
) -> None:
    await things(epoch_of(sql, keyvalue)).find("a", "a", Read("ours"))
    theirs = epoch_of(sql, keyvalue, secret="t" * 32)
    assert await things(theirs).find("a", "a", Read("theirs")) == "theirs"


async def test_a_value_of_another_shape_is_read_again(sql: Sql, keyvalue: KeyValue) -> None:
    epoch = epoch_of(sql, keyvalue)

    async def number() -> int:
        return 7

    await Cached(epoch, 10, "thing", int).find("a", "a", number)
    assert await things(epoch).find("a", "a", Read()) == "news"


async def test_an_engine_that_hangs_or_is_gone_costs_a_moment_and_no_answer(
    sql: Sql, tmp_path: Path
) -> None:
    loop = asyncio.get_running_loop()
    with Redis(tmp_path) as redis:
        backends = Backends({"keyvalue": f"{redis.url}?timeout=60s"})
        epoch, read = epoch_of(sql, backends.keyvalue), Read()
        assert await things(epoch).find("a", "a", read) == "news"
        redis.pause()
        began = loop.time()
        for _ in range(3):
            assert await things(epoch).find("a", "a", read) == "news"
        assert loop.time() - began < 30  # and not the minute of the engine's own patience
        redis.resume()
        redis.kill()
        assert await things(epoch).find("a", "a", read) == "news"
    await backends.close()


async def test_what_is_kept_of_people_keys_and_clients_comes_back_as_it_was(desk: Desk) -> None:
    keyvalue, ada = MemoryKeyValue(1 << 20), await desk.person("ada")
    await desk.scopes.create("read", ["documents/**:read"])
    await desk.groups.create("editors", ["admin"])
    await desk.groups.add("editors", ada)
    await desk.organisations.create("Acme", ada)
    await desk.grants.give("principal", ada, "notes/1:read")
    _, key = await desk.keys.create(ada, "laptop", ["read", "roles"], lifetime=100)
    made, _ = await Clients(desk.sql).create(
        "app", redirect_uris=["https://a.example/cb"], metadata={"organisation": "x", "a": [1]}
    )
    digest, seen, outcomes = digest_of(key.encode()), [], Outcomes()
    for _ in range(2):
        epoch = epoch_of(desk.sql, keyvalue, counted=outcomes)
        principals = Principals(desk.sql, epoch, desk.clock)
        keys = KnownKeys(desk.sql, epoch, ISSUER, principals, desk.clock)
        allowed = Allowed(desk.sql, epoch, ISSUER, principals, desk.clock)
        clients = Clients(desk.sql, epoch)
        seen.append(
            (
                await principals.get(ada),
                await principals.scopes(),
                await keys.find_key(digest),
                await allowed.ask(ada, "read", "notes/1"),
                await allowed.ask(ada, "read", "documents/1"),
                await clients.get(made.id),
            )
        )
        desk.clock.ahead = 50
    assert seen[0] == seen[1]
    assert seen[0][-1] == made
    assert outcomes[-5:] == [True] * 5
    desk.clock.ahead = 101
    assert keys.known_key(key.encode(), digest) is True
    assert await keys.find_key(digest) is None
