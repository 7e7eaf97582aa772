"""What every driver of `KeyValue` must do. Subclass `KeyValueContract`, give it two fixtures."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from itertools import count

import pytest

from backends.errors import BackendError, Refused
from backends.keyvalue import LARGEST_VALUE, LONGEST_KEY, LONGEST_TTL, KeyValue

Wait = Callable[[float], Awaitable[None]]
"""Lets the driver's clock go on by some seconds: at once where the clock is the test's own."""

ODD = [" ", "a\0b\r\n", "émile", "日本", "{x}:*?[a-z]\\", "k" * 200, "\udcff", "{a}{b}"]
names = count()


class KeyValueContract:
    """Fixtures to give: `keyvalue`, the driver, and `wait`, a `Wait`."""

    @pytest.fixture
    def key(self) -> str:
        return f"conformance {next(names)} "

    async def test_what_was_set_is_there_until_it_is_deleted(
        self, keyvalue: KeyValue, key: str
    ) -> None:
        assert await keyvalue.get(key) is None
        await keyvalue.set(key, b"one")
        await keyvalue.set(key, b"two")
        assert await keyvalue.get(key) == b"two"
        assert await keyvalue.delete(key)
        assert not await keyvalue.delete(key)
        assert await keyvalue.get(key) is None

    @pytest.mark.parametrize("value", [b"", b"\0\r\n\xff", bytes(range(256)) * 4096])
    async def test_a_value_is_any_bytes(self, keyvalue: KeyValue, key: str, value: bytes) -> None:
        await keyvalue.set(key, value)
        assert await keyvalue.get(key) == value
        assert await keyvalue.get_many([key]) == {key: value}
        assert await keyvalue.take(key) == value

    @pytest.mark.parametrize("odd", ODD)
    async def test_a_key_is_any_text(self, keyvalue: KeyValue, key: str, odd: str) -> None:
        await keyvalue.set(key + odd, b"odd")
        await keyvalue.set(key, b"even")
        assert await keyvalue.get_many([key + odd, key]) == {key + odd: b"odd", key: b"even"}
        assert await keyvalue.delete_prefix(key + odd) == 1
        assert await keyvalue.get(key) == b"even"

    async def test_the_empty_key_is_one_too(self, keyvalue: KeyValue) -> None:
        await keyvalue.set("", b"nothing")
        assert await keyvalue.take("") == b"nothing"

    async def test_many_are_those_that_are_there(self, keyvalue: KeyValue, key: str) -> None:
        there = {f"{key}{n}": b"%d" % n for n in range(1200)}
        await asyncio.gather(*[keyvalue.set(name, value) for name, value in there.items()])
        asked = [*there, f"{key}absent", f"{key}7"]
        assert await keyvalue.get_many(iter(asked)) == there
        assert await keyvalue.get_many([]) == {}

    async def test_a_value_expires(self, keyvalue: KeyValue, key: str, wait: Wait) -> None:
        await keyvalue.set(key, b"short", ttl=0.05)
        await keyvalue.set(key + "long", b"long", ttl=60)
        assert await keyvalue.get(key) == b"short"
        await wait(0.06)
        assert await keyvalue.get(key) is None
        assert await keyvalue.ttl(key) is None
        assert not await keyvalue.delete(key)
        assert not await keyvalue.expire(key, 60)
        assert await keyvalue.get(key + "long") == b"long"

    async def test_ttl_is_what_is_left(self, keyvalue: KeyValue, key: str) -> None:
        assert await keyvalue.ttl(key) is None
        await keyvalue.set(key, b"")
        assert await keyvalue.ttl(key) == math.inf
        await keyvalue.set(key, b"", ttl=60)
        assert await keyvalue.ttl(key) == pytest.approx(60, abs=5)
        await keyvalue.set(key, b"")
        assert await keyvalue.ttl(key) == math.inf

    async def test_expire_counts_from_now(self, keyvalue: KeyValue, key: str, wait: Wait) -> None:
        assert not await keyvalue.expire(key, 60)
        assert not await keyvalue.expire(key, None)
        await keyvalue.set(key, b"kept", ttl=60)
        assert await keyvalue.expire(key, None)
        assert await keyvalue.ttl(key) == math.inf
        assert await keyvalue.expire(key, 0.05)
        assert await keyvalue.get(key) == b"kept"
        await wait(0.06)
        assert await keyvalue.get(key) is None

    async def test_add_leaves_what_is_there(self, keyvalue: KeyValue, key: str, wait: Wait) -> None:
        assert await keyvalue.add(key, b"first", ttl=0.05)
        assert not await keyvalue.add(key, b"second", ttl=60)
        assert await keyvalue.get(key) == b"first"
        await wait(0.06)
        assert await keyvalue.add(key, b"third")
        assert await keyvalue.ttl(key) == math.inf

    async def test_of_many_who_add_or_take_at_once_one_does(
        self, keyvalue: KeyValue, key: str
    ) -> None:
        added = await asyncio.gather(*[keyvalue.add(key, b"%d" % n) for n in range(50)])
        assert added.count(True) == 1
        taken = await asyncio.gather(*[keyvalue.take(key) for _ in range(50)])
        assert [value for value in taken if value is not None] == [b"%d" % added.index(True)]

    async def test_increments_that_come_together_are_all_counted(
        self, keyvalue: KeyValue, key: str
    ) -> None:
        numbers = await asyncio.gather(*[keyvalue.increment(key, ttl=60) for _ in range(100)])
        assert sorted(numbers) == list(range(1, 101))
        assert await keyvalue.get(key) == b"100"
        assert await keyvalue.increment(key, -101) == -1
        assert await keyvalue.increment(key, 0) == -1

    async def test_an_increment_gives_a_ttl_to_what_it_makes_only(
        self, keyvalue: KeyValue, key: str, wait: Wait
    ) -> None:
        assert await keyvalue.increment(key) == 1
        assert await keyvalue.increment(key, ttl=60) == 2
        assert await keyvalue.ttl(key) == math.inf
        assert await keyvalue.increment(key + "short", ttl=0.1) == 1
        assert await keyvalue.increment(key + "short", ttl=60) == 2
        await wait(0.11)
        assert await keyvalue.increment(key + "short") == 1

    async def test_numbers_are_64_bits_wide(self, keyvalue: KeyValue, key: str) -> None:
        most = (1 << 63) - 1
        assert await keyvalue.increment(key, most - 1, ttl=60) == most - 1
        assert await keyvalue.increment(key, 1, ttl=60) == most
        for by in (1, 1 << 63):
            with pytest.raises(Refused):
                await keyvalue.increment(key, by, ttl=60)
        assert await keyvalue.get(key) == b"%d" % most
        await keyvalue.set(key, b"-9223372036854775808")
        assert await keyvalue.increment(key, most) == -1

    @pytest.mark.parametrize("value", [b"", b"x", b"1.0", b" 1", b"9223372036854775808"])
    async def test_what_is_no_number_is_not_incremented(
        self, keyvalue: KeyValue, key: str, value: bytes
    ) -> None:
        await keyvalue.set(key, value)
        for ttl in (None, 60):
            with pytest.raises(Refused):
                await keyvalue.increment(key, ttl=ttl)
        assert await keyvalue.get(key) == value

    async def test_swap_changes_what_is_as_expected(self, keyvalue: KeyValue, key: str) -> None:
        assert not await keyvalue.swap(key, b"", b"new")
        assert await keyvalue.swap(key, None, b"new", ttl=60)
        assert not await keyvalue.swap(key, None, b"newer")
        assert not await keyvalue.swap(key, b"old", b"newer")
        assert await keyvalue.ttl(key) == pytest.approx(60, abs=5)
        assert await keyvalue.swap(key, b"new", b"\0newer\r\n")
        assert await keyvalue.ttl(key) == math.inf
        assert await keyvalue.get(key) == b"\0newer\r\n"

    async def test_swap_to_none_deletes(self, keyvalue: KeyValue, key: str) -> None:
        assert await keyvalue.swap(key, None, None)
        await keyvalue.set(key, b"mine")
        assert not await keyvalue.swap(key, None, None)
        assert not await keyvalue.swap(key, b"yours", None)
        assert await keyvalue.swap(key, b"mine", None)
        assert await keyvalue.get(key) is None

    async def test_counting_by_swap_loses_nothing(self, keyvalue: KeyValue, key: str) -> None:
        async def add_one() -> None:
            while True:
                old = await keyvalue.get(key)
                if await keyvalue.swap(key, old, b"%d" % (int(old or 0) + 1)):
                    return

        async with asyncio.timeout(20):
            await asyncio.gather(*[add_one() for _ in range(20)])
        assert await keyvalue.get(key) == b"20"

    async def test_a_prefix_is_deleted_and_nothing_else(self, keyvalue: KeyValue, key: str) -> None:
        kept = [key, f"{key}a", f"x{key}a*", f"{key}aab"]
        gone = [f"{key}a*{n}" for n in range(2500)]
        await asyncio.gather(*[keyvalue.set(name, b"") for name in kept + gone])
        assert await keyvalue.delete_prefix(f"{key}a*") == 2500
        assert await keyvalue.get_many(gone) == {}
        assert list(await keyvalue.get_many(kept)) == kept
        assert await keyvalue.delete_prefix(f"{key}a*") == 0

    async def test_what_is_too_large_is_refused_and_changes_nothing(
        self, keyvalue: KeyValue, key: str
    ) -> None:
        large, long = bytes(LARGEST_VALUE + 1), "é" * (LONGEST_KEY // 2) + "x"
        await keyvalue.set(key, b"kept", ttl=60)
        calls: list[Awaitable[object]] = [
            *(keyvalue.set(key, large), keyvalue.add(key + "2", large)),
            *(keyvalue.swap(key, b"kept", large), keyvalue.set(long, b"")),
            *(keyvalue.get(long), keyvalue.get_many([key, long]), keyvalue.take(long)),
            *(keyvalue.increment(long), keyvalue.ttl(long), keyvalue.delete_prefix(long)),
        ]
        for call in calls:
            with pytest.raises(Refused):
                await call
        assert await keyvalue.get(key) == b"kept"
        assert await keyvalue.get(key + "2") is None

    async def test_what_is_just_not_too_large_is_not(self, keyvalue: KeyValue, key: str) -> None:
        longest, largest = key.ljust(LONGEST_KEY, "x"), bytes(LARGEST_VALUE)
        await keyvalue.set(longest, largest, ttl=LONGEST_TTL)
        assert await keyvalue.take(longest) == largest

    @pytest.mark.parametrize("ttl", [0, -1, math.nan, math.inf, LONGEST_TTL + 1])
    async def test_a_ttl_has_bounds(self, keyvalue: KeyValue, key: str, ttl: float) -> None:
        await keyvalue.set(key, b"1")
        calls: list[Awaitable[object]] = [
            *(keyvalue.set(key, b"", ttl), keyvalue.add(key + "2", b"", ttl)),
            *(keyvalue.swap(key, b"1", b"", ttl), keyvalue.expire(key, ttl)),
            *(keyvalue.increment(key, 1, ttl), keyvalue.increment(key + "2", 1, ttl)),
        ]
        for call in calls:
            with pytest.raises(Refused):
                await call
        assert await keyvalue.get_many([key, key + "2"]) == {key: b"1"}

    async def test_a_bytearray_is_refused(self, keyvalue: KeyValue, key: str) -> None:
        with pytest.raises(Refused):
            await keyvalue.set(key, bytearray(b"x"))  # type: ignore[arg-type]  # the point

    async def test_a_cancelled_call_harms_no_other(self, keyvalue: KeyValue, key: str) -> None:
        await keyvalue.set(key, b"value")
        for steps in range(30):
            tasks = [asyncio.create_task(keyvalue.get(key + "absent")) for _ in range(5)]
            for _ in range(steps):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            assert await keyvalue.get(key) == b"value"
            await asyncio.gather(*tasks, return_exceptions=True)

    async def test_a_closed_one_says_so(self, keyvalue: KeyValue, key: str) -> None:
        await keyvalue.check()
        await keyvalue.close()
        await keyvalue.close()
        calls: list[Awaitable[object]] = [
            *(keyvalue.check(), keyvalue.get(key), keyvalue.set(key, b""), keyvalue.take(key)),
            *(keyvalue.increment(key), keyvalue.delete_prefix(key), keyvalue.get_many([key])),
        ]
        for call in calls:
            with pytest.raises(BackendError, match="closed"):
                await call
