from __future__ import annotations

import asyncio
import gc
import math
import tracemalloc
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from backends.errors import BackendError, Refused
from backends.keyvalue import DRIVERS
from backends.keyvalue.memory import OVERHEAD, MemoryKeyValue, open_memory
from tests.conformance.keyvalue import KeyValueContract, Wait


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


class TestMemoryKeyValue(KeyValueContract):
    @pytest.fixture
    def keyvalue(self, clock: Clock) -> MemoryKeyValue:
        return MemoryKeyValue(64 << 20, clock)

    @pytest.fixture
    def wait(self, clock: Clock) -> Wait:
        return clock.wait


def small(entries: int, clock: Callable[[], float]) -> MemoryKeyValue:
    """Holds so many entries of a key of one letter and a value of three bytes."""
    return MemoryKeyValue(entries * (OVERHEAD + 4), clock)


async def test_the_least_recently_used_makes_room(clock: Clock) -> None:
    keyvalue = small(3, clock)
    for key in "abc":
        await keyvalue.set(key, b"123")
    await keyvalue.get("a")
    await keyvalue.set("d", b"123")
    assert set(await keyvalue.get_many("abcd")) == set("acd")


async def test_what_has_expired_makes_room_before_what_lives(clock: Clock) -> None:
    keyvalue = small(100, clock)
    await keyvalue.set("x", b"123")
    for round_ in range(50):
        for number in range(64):
            await keyvalue.set(chr(0x100 + number + 64 * (round_ % 2)), b"1", ttl=1)
        await clock.wait(1)
    assert await keyvalue.get("x") == b"123"


async def test_a_value_beyond_the_bound_is_refused_and_evicts_nothing(clock: Clock) -> None:
    keyvalue = small(1, clock)
    await keyvalue.set("a", b"123")
    with pytest.raises(Refused):
        await keyvalue.set("a", b"1234")
    assert await keyvalue.get("a") == b"123"


async def test_its_count_of_bytes_stays_true(clock: Clock) -> None:
    keyvalue = small(50, clock)
    random = Random(7)  # the same each time
    calls: list[Callable[[str], Awaitable[object]]] = [
        lambda key: keyvalue.set(key, random.randbytes(random.randrange(9)), random.choice(TTLS)),
        lambda key: keyvalue.add(key, b"7", random.choice(TTLS)),
        lambda key: keyvalue.swap(key, b"7", random.choice([None, b"8"])),
        lambda key: keyvalue.expire(key, random.choice(TTLS)),
        keyvalue.delete,
        lambda key: clock.wait(0.1),
        lambda key: keyvalue.increment(f"{key}n", ttl=random.choice(TTLS)),
    ]
    for _ in range(20_000):
        await random.choice(calls)(chr(random.randrange(0x100, 0x180)))
        assert 0 <= keyvalue.size <= 50 * (OVERHEAD + 4)
    await keyvalue.delete_prefix("")
    assert (len(keyvalue), keyvalue.size) == (0, 0)


TTLS = [None, 0.1, 1.0, 10.0]


async def test_a_byte_counted_is_about_a_byte_used() -> None:
    tracemalloc.start()
    try:
        keyvalue = MemoryKeyValue(2 << 20)
        for number in range(15_000):
            await keyvalue.set(f"key {number:08}", b"%050d" % number, ttl=1e6 + number)
        gc.collect()
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(keyvalue) < 15_000
    assert 0.5 * keyvalue.size < used < 1.25 * keyvalue.size


async def test_a_key_set_again_and_again_costs_no_more(clock: Clock) -> None:
    keyvalue = MemoryKeyValue(1 << 20, clock)
    tracemalloc.start()
    try:
        for number in range(20_000):
            await keyvalue.set("key", b"value", ttl=1000 + number)
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert used < 100_000


async def test_deleting_a_prefix_lets_others_in_between() -> None:
    keyvalue = MemoryKeyValue(64 << 20)
    for number in range(10_000):
        await keyvalue.set(f"key {number}", b"")
    deleting = asyncio.create_task(keyvalue.delete_prefix("key"))
    steps = 0
    while not deleting.done():
        await keyvalue.set("other", b"")
        await asyncio.sleep(0)
        steps += 1
    assert steps > 5
    assert await deleting == 10_000
    assert await keyvalue.get("other") == b""


async def test_no_ttl_is_for_ever(clock: Clock) -> None:
    keyvalue = MemoryKeyValue(1 << 20, clock)
    await keyvalue.set("key", b"", ttl=1)
    await keyvalue.expire("key", None)
    await clock.wait(1e12)
    assert await keyvalue.ttl("key") == math.inf


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memory://?max=hunter2", "max is a size"),
        ("memory://?max=0", "max is a size"),
        ("memory://?most=1", "no option most; there are max"),
        ("memory://hunter2", "expected memory://"),
        ("memory:///hunter2", "expected memory://"),
        ("memory://?tls=true", "expected memory://"),
    ],
)
def test_a_wrong_url_says_what_is_wrong(url: str, message: str) -> None:
    with pytest.raises(BackendError, match=message) as raised:
        open_memory(url)
    assert "hunter2" not in str(raised.value)


async def test_a_url_opens_it() -> None:
    keyvalue = DRIVERS.open("memory://?max=1KiB")
    await keyvalue.set("key", bytes(400))
    with pytest.raises(Refused):
        await keyvalue.set("key", bytes(1000))
