"""A Redis that is stopped, killed, started again, slow, or no longer the master."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from backends.errors import BackendUnavailable
from backends.limits import DRIVERS, Limits
from backends.limits.redis_link import MOST_AT_ONCE, MOST_WAITING
from tests.backends.limits.redis_server import RedisServer
from tests.conformance.limits import HOUR
from tests.e2e.gateway_process import free_port

DEADLINE = 20.0


@pytest.fixture(params=["", "&lease=20"], ids=["exact", "leased"])
async def limits(request: pytest.FixtureRequest, fragile: RedisServer) -> AsyncIterator[Limits]:
    limits = DRIVERS.open(f"{fragile.url}?timeout=200ms{request.param}")
    yield limits
    await limits.close()


@pytest.fixture
def keys() -> Iterator[str]:
    return iter(f"key {number}" for number in range(10**9))


async def counted(limits: Limits, key: str) -> bool:
    try:
        said = limits.take(key, 1, HOUR, 1)
        return (await said if inspect.isawaitable(said) else said).allowed
    except BackendUnavailable:
        return False


async def counts(limits: Limits, keys: Iterator[str], *, expected: bool = True) -> None:
    """Wait until it does, or does not."""
    deadline = time.monotonic() + DEADLINE
    for key in keys:
        if await counted(limits, key) is expected:
            return
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def load(limits: Limits, keys: Iterator[str], until: asyncio.Event) -> list[bool]:
    said = []
    while not until.is_set():
        said.append(await counted(limits, next(keys)))
        await asyncio.sleep(0.001)
    return said


@pytest.mark.parametrize("fault", ["stop", "kill"])
async def test_under_load_nothing_hangs_and_it_comes_back_by_itself(
    limits: Limits, fragile: RedisServer, keys: Iterator[str], fault: str
) -> None:
    await counts(limits, keys)
    done = asyncio.Event()
    clients = [asyncio.create_task(load(limits, keys, done)) for _ in range(20)]
    await asyncio.sleep(0.1)
    for _ in range(2):
        if fault == "stop":
            fragile.stop()
        else:
            await asyncio.to_thread(fragile.kill)
        await counts(limits, keys, expected=False)
        await asyncio.sleep(0.6)
        if fault == "stop":
            fragile.go_on()
        else:
            await asyncio.to_thread(fragile.start)
        await counts(limits, keys)
    done.set()
    async with asyncio.timeout(DEADLINE):
        said = await asyncio.gather(*clients)
    assert all(any(each) and not all(each) for each in said)


async def test_while_it_is_away_the_refusal_is_immediate(
    limits: Limits, fragile: RedisServer, keys: Iterator[str]
) -> None:
    await counts(limits, keys)
    fragile.stop()
    assert not await counted(limits, next(keys))
    with pytest.raises(
        BackendUnavailable, match=r"redis://127\.0\.0\.1:\d+/0: no answer in 0\.2 s"
    ):
        limits.take(next(keys), 1, HOUR, 1)
    fragile.go_on()


async def test_closing_does_not_wait_for_long(
    limits: Limits, fragile: RedisServer, keys: Iterator[str]
) -> None:
    await counts(limits, keys)
    fragile.stop()
    waiting = [asyncio.create_task(counted(limits, next(keys))) for _ in range(3)]
    await asyncio.sleep(0)
    async with asyncio.timeout(DEADLINE):
        await limits.close()
        assert not any(await asyncio.gather(*waiting))


async def test_no_more_than_a_bounded_number_waits(
    fragile: RedisServer, keys: Iterator[str]
) -> None:
    limits = DRIVERS.open(f"{fragile.url}?timeout=200ms")
    await counts(limits, keys)
    fragile.stop()
    waiting = [asyncio.create_task(counted(limits, next(keys)))]
    await asyncio.sleep(0)
    waiting += [asyncio.create_task(counted(limits, next(keys))) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(BackendUnavailable, match="too many wait"):
        limits.take(next(keys), 1, HOUR, 1)
    assert not any(await asyncio.gather(*waiting))
    fragile.go_on()
    await counts(limits, keys)
    await limits.close()


async def test_a_kept_connection_that_went_stale_fails_nobody(
    limits: Limits, fragile: RedisServer, keys: Iterator[str]
) -> None:
    for _ in range(3):
        assert await counted(limits, next(keys))
        fragile.say("CLIENT KILL TYPE normal")


async def test_more_than_a_batch_is_served_in_several(limits: Limits, keys: Iterator[str]) -> None:
    await counts(limits, keys)
    asked = [counted(limits, next(keys)) for _ in range(MOST_AT_ONCE * 3)]
    assert all(await asyncio.gather(*asked))


async def test_one_that_refuses_to_write_is_away_until_it_does(
    limits: Limits, fragile: RedisServer, keys: Iterator[str]
) -> None:
    await counts(limits, keys)
    fragile.say("REPLICAOF 127.0.0.1 1")
    assert not await counted(limits, next(keys))
    await asyncio.sleep(0.3)
    with pytest.raises(BackendUnavailable, match=r"redis://\S+: refused, READONLY"):
        limits.take(next(keys), 1, HOUR, 1)
    fragile.say("REPLICAOF NO ONE")
    await counts(limits, keys)


async def test_one_that_was_never_there_is_found_when_it_comes(
    fragile: RedisServer, keys: Iterator[str]
) -> None:
    fragile.kill()
    limits = DRIVERS.open(fragile.url)
    with pytest.raises(BackendUnavailable, match="redis://127"):
        await limits.take(next(keys), 1, HOUR, 1)  # type: ignore[misc]  # a driver with a round trip
    await asyncio.to_thread(fragile.start)
    await counts(limits, keys)
    await limits.close()


async def test_what_is_no_redis_is_away(keys: Iterator[str]) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    port = free_port()
    server = await asyncio.start_server(talk, "127.0.0.1", port)
    limits = DRIVERS.open(f"redis://127.0.0.1:{port}?timeout=2s")
    assert not await counted(limits, next(keys))
    assert not await counted(limits, next(keys))
    await limits.close()
    server.close()


@pytest.mark.parametrize(
    "said", [b"$5\r\n1 2 3\r\n", b"$7\r\n1 2 1 2\r\n", b":1\r\n", b"$1\r\nx\r\n"]
)
async def test_one_that_answers_something_else_is_away(keys: Iterator[str], said: bytes) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10_000)
        writer.write(said)
        await reader.read()
        writer.close()

    port = free_port()
    server = await asyncio.start_server(talk, "127.0.0.1", port)
    limits = DRIVERS.open(f"redis://127.0.0.1:{port}?timeout=500ms")
    assert not await counted(limits, next(keys))
    await limits.close()
    server.close()
