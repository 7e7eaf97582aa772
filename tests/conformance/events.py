"""What every driver of `Events`, and of `Log`, must do.

Subclass `EventsContract` or `LogContract` and give it fixtures: `events` (the driver; for
EventsContract with `queue=20` and `queue_bytes=100KiB`) and `namespace`, a token that no other
test's topics begin with.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import pytest

from backends.errors import BackendError, Refused
from backends.events import BEGIN, LARGEST_BODY, CursorExpired, Event, Events, Lagged, Log

DEADLINE = 15.0
names = count()

Said = AsyncIterator[Event | Lagged] | AsyncIterator[Event]


async def take(said: Said, many: int) -> list[Any]:
    async with asyncio.timeout(DEADLINE):
        return [await anext(said) for _ in range(many)]


async def bodies(said: Said, many: int) -> list[bytes]:
    return [event.body for event in await take(said, many)]


class PublishSubscribe:
    @pytest.fixture
    def topic(self, namespace: str) -> str:
        return f"{namespace}.topic{next(names)}"

    async def test_who_is_subscribed_gets_it(self, events: Events, topic: str) -> None:
        async with events.subscribe(topic) as one, events.subscribe(topic) as other:
            await events.publish(topic, b"\0body\xff")
            for said in (one, other):
                (event,) = await take(said, 1)
                assert event[:2] == (topic, b"\0body\xff")

    @pytest.mark.parametrize(
        ("pattern", "matching", "other"),
        [
            ("a.*", ["a.b", "a.é"], ["a", "a.b.c", "b.a"]),
            ("a.*.c", ["a.b.c", "a.日本.c"], ["a.c", "a.b.b.c", "a.b.d"]),
            ("*.b", ["a.b", "c.b"], ["b", "a.c", "a.b.b"]),
            ("a.>", ["a.b", "a.b.c"], ["a", "ab.c"]),
            (">", ["a", "a.b"], []),
            ("a-b_c:d", ["a-b_c:d"], ["a-b_c:e", "a-b_c:d.e"]),
        ],
    )
    async def test_a_wildcard_is_a_token_or_the_rest(
        self, events: Events, topic: str, pattern: str, matching: list[str], other: list[str]
    ) -> None:
        async with events.subscribe(f"{topic}.{pattern}", f"{topic}.end") as said:
            for each in [*other, *matching]:
                await events.publish(f"{topic}.{each}", b"")
            got = [event.topic for event in await take(said, len(matching))]
            assert got == [f"{topic}.{each}" for each in matching]
            await events.publish(f"{topic}.end", b"")
            assert [event.topic for event in await take(said, 1)] == [f"{topic}.end"]

    async def test_a_wildcard_may_come_first(self, events: Events, topic: str) -> None:
        token = topic.rpartition(".")[2]
        async with events.subscribe(f"*.{token}", f"*.{token}.>") as said:
            await events.publish(topic, b"1")
            await events.publish(f"{topic}.x", b"2")
            assert await bodies(said, 2) == [b"1", b"2"]

    async def test_what_several_patterns_match_comes_once(self, events: Events, topic: str) -> None:
        async with events.subscribe(topic, f"{topic}.>", f"{topic}.*", f"{topic}.a", ">") as said:
            await events.publish(f"{topic}.a", b"1")
            await events.publish(topic, b"2")
            assert await bodies(said, 2) == [b"1", b"2"]

    async def test_order_is_kept(self, events: Events, topic: str) -> None:
        async with events.subscribe(f"{topic}.>") as said:
            for first in range(0, 300, 15):
                for number in range(first, first + 15):
                    await events.publish(f"{topic}.{number % 3}", b"%d" % number)
                got = await bodies(said, 15)
                assert got == [b"%d" % number for number in range(first, first + 15)]

    async def test_a_body_is_any_bytes_up_to_its_bound(self, events: Events, topic: str) -> None:
        async with events.subscribe(topic) as said:
            for body in (b"", bytes(range(256)) * 40, bytes(LARGEST_BODY), b"last"):
                await events.publish(topic, body)
                assert await bodies(said, 1) == [body]
        with pytest.raises(Refused):
            await events.publish(topic, bytes(LARGEST_BODY + 1))
        with pytest.raises(Refused):
            await events.publish(topic, bytearray())  # type: ignore[arg-type]  # the point

    @pytest.mark.parametrize(
        "bad", ["", ".", "a.", ".a", "a..b", "a b", "a\n", "\0", "\udcff", "x" * 256, "a\u2028b"]
    )
    async def test_a_malformed_topic_or_pattern_is_refused(self, events: Events, bad: str) -> None:
        with pytest.raises(Refused):
            await events.publish(bad, b"")
        with pytest.raises(Refused):
            async with events.subscribe("fine", bad):
                pass

    @pytest.mark.parametrize("bad", ["a.>.b", "a*", ">a", "**"])
    async def test_a_malformed_wildcard_is_refused(self, events: Events, bad: str) -> None:
        with pytest.raises(Refused):
            async with events.subscribe(bad):
                pass

    @pytest.mark.parametrize("bad", ["a.*", ">", "a.b*"])
    async def test_wildcards_are_not_published_to(self, events: Events, bad: str) -> None:
        with pytest.raises(Refused):
            await events.publish(bad, b"")

    async def test_no_pattern_is_refused(self, events: Events) -> None:
        with pytest.raises(Refused):
            async with events.subscribe():
                pass

    async def test_who_has_left_gets_nothing(self, events: Events, topic: str) -> None:
        async with events.subscribe(topic) as left:
            pass
        async with events.subscribe(topic) as said:
            await events.publish(topic, b"1")
            assert await bodies(said, 1) == [b"1"]
        with pytest.raises(StopAsyncIteration):
            await take(left, 1)

    async def test_a_wait_that_is_cancelled_loses_nothing(self, events: Events, topic: str) -> None:
        async with events.subscribe(topic) as said:
            for number in range(20):
                waiting = asyncio.ensure_future(anext(said))
                await asyncio.sleep(0.002 * (number % 3))
                waiting.cancel()
                await asyncio.wait([waiting])
                assert waiting.cancelled()
            await events.publish(topic, b"1")
            assert await bodies(said, 1) == [b"1"]

    async def test_a_closed_one_says_so_and_ends_who_is_subscribed(
        self, events: Events, topic: str
    ) -> None:
        await events.check()
        async with events.subscribe(topic) as said:
            waiting = asyncio.ensure_future(anext(said))
            await asyncio.sleep(0)
            await events.close()
            await events.close()
            async with asyncio.timeout(DEADLINE):
                with pytest.raises(BackendError, match="closed"):
                    await waiting
        for call in (events.check(), events.publish(topic, b"")):
            with pytest.raises(BackendError, match="closed"):
                await call
        with pytest.raises(BackendError, match="closed"):
            async with events.subscribe(topic):
                pass

    @pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 80])
    async def test_closing_ends_who_is_about_to_wait(
        self, events: Events, topic: str, turns: int
    ) -> None:
        async def listen() -> None:
            async with events.subscribe(topic) as said:
                await anext(said)

        await events.check()
        listening = [asyncio.ensure_future(listen()) for _ in range(3)]
        for _ in range(turns):
            await asyncio.sleep(0)
        await events.close()
        async with asyncio.timeout(DEADLINE):
            for said in await asyncio.gather(*listening, return_exceptions=True):
                assert isinstance(said, BackendError)

    async def test_a_thousand_subscriptions_leave_no_task(self, events: Events, topic: str) -> None:
        async with events.subscribe(topic):
            pass
        before = len(asyncio.all_tasks())
        entered = [events.subscribe(f"{topic}.{number}") for number in range(1000)]
        for some in range(0, 1000, 50):
            await asyncio.gather(*[each.__aenter__() for each in entered[some : some + 50]])
        for some in range(0, 1000, 50):
            leaving = [each.__aexit__(None, None, None) for each in entered[some : some + 50]]
            await asyncio.gather(*leaving)
        async with asyncio.timeout(DEADLINE):
            while len(asyncio.all_tasks()) > before:  # noqa: ASYNC110 - tasks set no Event
                await asyncio.sleep(0.01)


class EventsContract(PublishSubscribe):
    async def test_who_is_too_slow_is_told_how_much_it_missed(
        self, events: Events, topic: str
    ) -> None:
        async with events.subscribe(topic) as slow, events.subscribe(topic) as quick:
            for number in range(50):
                await events.publish(topic, b"%d" % number)
                assert await bodies(quick, 1) == [b"%d" % number]
            got = await take(slow, 21)
            assert [event.body for event in got[:20]] == [b"%d" % n for n in range(20)]
            assert got[20] == Lagged(30)
            await events.publish(topic, b"on")
            assert await bodies(slow, 1) == [b"on"]

    async def test_its_queue_is_bounded_in_bytes_too(self, events: Events, topic: str) -> None:
        async with events.subscribe(topic) as slow, events.subscribe(topic) as quick:
            for _ in range(5):
                await events.publish(topic, bytes(40_000))
                await take(quick, 1)
            got = await take(slow, 3)
            assert [type(each) for each in got] == [Event, Event, Lagged]
            assert got[2].missed == 3


class LogContract(PublishSubscribe):
    async def fill(self, events: Log, topic: str, many: int) -> list[Event]:
        """The events, with their cursors."""
        async with events.subscribe(f"{topic}.>") as said:
            for number in range(many):
                await events.publish(f"{topic}.{number % 2}", b"%d" % number)
            return await take(said, many)

    async def test_after_a_cursor_comes_all_that_followed(self, events: Log, topic: str) -> None:
        filled = await self.fill(events, topic, 30)
        for at in (0, 13, 28):
            async with events.subscribe(f"{topic}.>", after=filled[at].cursor) as said:
                assert await take(said, 29 - at) == filled[at + 1 :]
        async with events.subscribe(f"{topic}.1", after=filled[9].cursor) as said:
            assert await take(said, 10) == filled[11::2]

    async def test_from_the_beginning_comes_all_that_is_kept(self, events: Log, topic: str) -> None:
        filled = await self.fill(events, topic, 5)
        async with events.subscribe(f"{topic}.>", after=BEGIN) as said:
            assert await take(said, 5) == filled

    async def test_after_the_latest_comes_what_is_new(self, events: Log, topic: str) -> None:
        before = await events.latest()
        filled = await self.fill(events, topic, 3)
        after = await events.latest()
        await events.publish(f"{topic}.new", b"new")
        async with events.subscribe(f"{topic}.>", after=before) as said:
            assert (await take(said, 4))[:3] == filled
        async with events.subscribe(f"{topic}.>", after=after) as said:
            assert await bodies(said, 1) == [b"new"]

    async def test_no_cursor_means_from_entering_on(self, events: Log, topic: str) -> None:
        await self.fill(events, topic, 3)
        async with events.subscribe(f"{topic}.>") as said:
            await events.publish(f"{topic}.new", b"new")
            assert await bodies(said, 1) == [b"new"]

    async def test_who_is_slow_loses_nothing(self, events: Log, topic: str) -> None:
        async with events.subscribe(topic) as slow:
            for number in range(500):
                await events.publish(topic, b"%d" % number)
            assert await bodies(slow, 500) == [b"%d" % number for number in range(500)]

    @pytest.mark.parametrize("bad", ["", "x", "-1", "begins", "1 2", "\0", "9" * 100])
    async def test_a_malformed_cursor_is_refused(self, events: Log, topic: str, bad: str) -> None:
        with pytest.raises((Refused, CursorExpired)):
            async with events.subscribe(topic, after=bad):
                pass
