from __future__ import annotations

import asyncio
import gc
import traceback
from collections.abc import Iterable

import pytest

from backends.errors import BackendUnavailable, Refused
from backends.keyvalue import LARGEST_VALUE
from backends.keyvalue.cache import Cache
from backends.keyvalue.memory import MemoryKeyValue


class Source:
    """Loads, when it may, and counts how often."""

    def __init__(self, value: bytes | None = b"value", error: Exception | None = None) -> None:
        self.value = value
        self.error = error
        self.loads = 0
        self.ended = 0
        self.may = asyncio.Event()
        self.may.set()

    async def __call__(self) -> bytes | None:
        self.loads += 1
        try:
            await self.may.wait()
        finally:
            self.ended += 1
        if self.error is not None:
            raise self.error
        return self.value


class Outage(MemoryKeyValue):
    """Answers when it is not away."""

    def __init__(self) -> None:
        super().__init__(1 << 20)
        self.away = False
        self.asked = 0

    def _open(self) -> None:
        self.asked += 1
        if self.away:
            raise BackendUnavailable("keyvalue: away")
        super()._open()


class Hanging(MemoryKeyValue):
    def __init__(self) -> None:
        super().__init__(1 << 20)
        self.asked = 0

    async def get(self, key: str) -> bytes | None:
        self.asked += 1
        return await asyncio.get_running_loop().create_future()


@pytest.fixture
def keyvalue() -> Outage:
    return Outage()


@pytest.fixture
def cache(keyvalue: Outage) -> Cache:
    return Cache(keyvalue, prefix="c:")


async def steps(many: int = 10) -> None:
    for _ in range(many):
        await asyncio.sleep(0)


def asking(cache: Cache, source: Source, many: int) -> list[asyncio.Task[bytes | None]]:
    return [asyncio.create_task(cache.get_or_load("key", source, 60)) for _ in range(many)]


async def test_what_was_loaded_is_kept(cache: Cache, keyvalue: Outage) -> None:
    source = Source()
    for _ in range(3):
        assert await cache.get_or_load("key", source, 60) == b"value"
    assert source.loads == 1
    assert await keyvalue.ttl("c:key") == pytest.approx(60, abs=5)


async def test_who_asks_together_loads_once(cache: Cache) -> None:
    source = Source()
    assert await asyncio.gather(*asking(cache, source, 100)) == [b"value"] * 100
    assert source.loads == 1


async def test_nothing_is_kept_as_long_as_told(cache: Cache) -> None:
    source = Source(None)
    for _ in range(2):
        assert await cache.get_or_load("key", source, 60) is None
    assert source.loads == 2
    for _ in range(3):
        assert await cache.get_or_load("key", source, 60, absent_ttl=0.05) is None
    assert source.loads == 3
    await asyncio.sleep(0.06)
    await cache.get_or_load("key", source, 60, absent_ttl=0.05)
    assert source.loads == 4


async def test_a_failure_is_everybodys_and_not_kept(cache: Cache) -> None:
    source = Source(error=ValueError("broken"))
    said = await asyncio.gather(*asking(cache, source, 100), return_exceptions=True)
    assert {str(error) for error in said} == {"broken"}
    assert source.loads == 1
    last = said[-1]
    assert isinstance(last, ValueError)
    assert 3 < len(traceback.extract_tb(last.__traceback__)) < 12
    source.error = None
    assert await cache.get_or_load("key", source, 60) == b"value"


async def test_who_leaves_takes_nothing_from_the_others(cache: Cache) -> None:
    source = Source()
    source.may.clear()
    leader, *others = asking(cache, source, 5)
    await steps()
    leader.cancel()
    await steps()
    source.may.set()
    assert await asyncio.gather(*others) == [b"value"] * 4
    assert leader.cancelled()
    assert source.loads == 1


async def test_a_load_nobody_waits_for_ends_and_who_comes_then_loads_anew(cache: Cache) -> None:
    source = Source()
    source.may.clear()
    tasks = asking(cache, source, 5)
    await steps()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    late = asking(cache, source, 1)
    await steps()
    assert source.ended == 1
    source.may.set()
    assert await asyncio.gather(*late) == [b"value"]
    assert source.loads == 2


async def test_a_failure_nobody_waits_for_is_not_complained_about(cache: Cache) -> None:
    source = Source(error=ValueError("broken"))
    source.may.clear()
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, about: complaints.append(about))
    (task,) = asking(cache, source, 1)
    await steps()
    source.may.set()
    task.cancel()
    await asyncio.wait([task])
    await steps()
    del task
    gc.collect()
    assert complaints == []


@pytest.mark.parametrize("how", ["forget", "forget_prefix", "put"])
async def test_what_is_forgotten_amid_a_load_is_not_kept(
    cache: Cache, keyvalue: Outage, how: str
) -> None:
    source = Source(b"old")
    source.may.clear()
    early = asking(cache, source, 2)
    await steps()
    if how == "put":
        await cache.put("key", b"new", 60)
    elif how == "forget":
        await cache.forget("key")
    else:
        await cache.forget_prefix("k")
    late = asking(cache, Source(b"new"), 2)
    assert await asyncio.gather(*late) == [b"new"] * 2
    source.may.set()
    assert await asyncio.gather(*early) == [b"old"] * 2
    assert await keyvalue.get("c:key") == b"+new"


async def test_forgetting_loads_anew(cache: Cache, keyvalue: Outage) -> None:
    source = Source()
    await keyvalue.set("key", b"not of the cache")
    for forget in (cache.forget, cache.forget_prefix):
        await cache.get_or_load("key", source, 60)
        await forget("key")
    await cache.get_or_load("key", source, 60)
    assert source.loads == 3
    assert await keyvalue.get("key") == b"not of the cache"


async def test_without_its_engine_it_loads(cache: Cache, keyvalue: Outage) -> None:
    source = Source()
    keyvalue.away = True
    for expected in (1, 2, 3):
        assert await cache.get_or_load("key", source, 60) == b"value"
        assert source.loads == expected
    assert keyvalue.asked == 1
    with pytest.raises(BackendUnavailable):
        await cache.forget("key")


async def test_when_its_engine_is_back_it_is_used_again(
    keyvalue: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    cache, source = Cache(keyvalue, away_for=0.05), Source()
    keyvalue.away = True
    await cache.get_or_load("key", source, 60)
    keyvalue.away = False
    await asyncio.sleep(0.06)
    for _ in range(3):
        await cache.get_or_load("key", source, 60)
    assert source.loads == 2
    assert [each.message for each in caplog.records] == [
        "a cache goes on without its engine: keyvalue: away",
        "a cache has its engine again",
    ]


async def test_or_it_raises_what_the_engine_raises(keyvalue: Outage) -> None:
    cache, source = Cache(keyvalue, without=False), Source()
    keyvalue.away = True
    with pytest.raises(BackendUnavailable):
        await cache.get_or_load("key", source, 60)
    assert source.loads == 0


async def test_an_engine_that_does_not_answer_in_time_counts_as_away() -> None:
    keyvalue, source = Hanging(), Source()
    cache = Cache(keyvalue, away_for=60, patience=0.02)
    async with asyncio.timeout(20):
        for expected in (1, 2):
            assert await cache.get_or_load("key", source, 60) == b"value"
            assert source.loads == expected
    assert keyvalue.asked == 1
    with pytest.raises(BackendUnavailable):
        await Cache(keyvalue, without=False, patience=0.02).get_or_load("key", source, 60)


async def test_an_engine_that_goes_amid_the_load_costs_only_the_keeping(
    cache: Cache, keyvalue: Outage
) -> None:
    source = Source()
    source.may.clear()
    tasks = asking(cache, source, 2)
    await steps()
    keyvalue.away = True
    source.may.set()
    assert await asyncio.gather(*tasks) == [b"value"] * 2


async def test_what_is_too_large_to_keep_is_given(cache: Cache) -> None:
    source = Source(bytes(LARGEST_VALUE))
    assert await cache.get_or_load("key", source, 60) == source.value
    assert await cache.get_or_load("key", source, 60) == source.value
    assert source.loads == 2


async def test_loads_are_bounded_in_number_and_time(keyvalue: Outage) -> None:
    cache, source = Cache(keyvalue, most_loads=2, load_within=0.05), Source()
    source.may.clear()
    loading = [asyncio.create_task(cache.get_or_load(key, source, 60)) for key in "ab"]
    await steps()
    with pytest.raises(BackendUnavailable, match="too many"):
        await cache.get_or_load("c", source, 60)
    for error in await asyncio.gather(*loading, return_exceptions=True):
        assert isinstance(error, BackendUnavailable)
        assert "0.05 s" in str(error)
    source.may.set()
    assert await cache.get_or_load("c", source, 60) == b"value"


async def test_a_timeout_of_the_loads_own_is_its_own(cache: Cache) -> None:
    with pytest.raises(TimeoutError, match="mine"):
        await cache.get_or_load("key", Source(error=TimeoutError("mine")), 60)


@pytest.mark.parametrize("ttls", [(0, None), (60, -1)])
async def test_a_ttl_out_of_bounds_is_refused(cache: Cache, ttls: Iterable[float | None]) -> None:
    source = Source()
    ttl, absent = ttls
    with pytest.raises(Refused):
        await cache.get_or_load("key", source, ttl, absent)
    assert source.loads == 0
