"""An engine that goes and comes back while events are published and read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from backends.errors import BackendUnavailable
from backends.events import Event, Events, Lagged, Log
from tests.engines.engine import Engine

DEADLINE = 30.0


async def publishes(events: Events, topic: str, body: bytes) -> None:
    """Wait until it does."""
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            return await events.publish(topic, body)
        except BackendUnavailable:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)


async def is_away(events: Events) -> None:
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            await events.check()
        except BackendUnavailable:
            return
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def back(engine: Engine, fault: str) -> Callable[[], None]:
    return engine.resume if fault == "pause" else engine.start


async def told_of_the_gap(events: Events, engine: Engine, fault: str) -> None:
    """A subscriber of at-most-once events, when the connection breaks."""
    async with events.subscribe("a.*") as said:
        await events.publish("a.b", b"before")
        assert (await anext(said)) == Event("a.b", b"before")
        await asyncio.to_thread(getattr(engine, fault))
        await is_away(events)
        await asyncio.to_thread(back(engine, fault))
        async with asyncio.timeout(DEADLINE):
            assert await anext(said) == Lagged(None)
        await publishes(events, "a.b", b"after")
        async with asyncio.timeout(DEADLINE):
            got = await anext(said)
            assert isinstance(got, Event)
            assert got.body == b"after"


async def nothing_acknowledged_is_lost(log: Log, engine: Engine, faults: list[str]) -> None:
    """While it is published and read; each event comes once, in order, to its subscriber."""
    acknowledged: list[bytes] = []
    done = asyncio.Event()

    async def publish() -> None:
        number = 0
        while not done.is_set():
            body = b"%d" % number
            number += 1
            try:
                await log.publish("a.b", body)
                acknowledged.append(body)
            except BackendUnavailable:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.002)
        await publishes(log, "a.end", b"")

    async def read(said: AsyncIterator[Event]) -> list[Event]:
        got: list[Event] = []
        async for event in said:
            if event.topic == "a.end":
                return got
            got.append(event)
        raise AssertionError("the subscription ended")

    async with log.subscribe("a.>") as said:
        publishing, reading = asyncio.create_task(publish()), asyncio.create_task(read(said))
        try:
            for fault in faults:
                await asyncio.sleep(0.3)
                await asyncio.to_thread(getattr(engine, fault))
                await is_away(log)
                await asyncio.to_thread(back(engine, fault))
                await publishes(log, "other", b"")
        finally:
            done.set()
        async with asyncio.timeout(DEADLINE):
            await publishing
            got = await reading
    bodies = [event.body for event in got]
    assert len(set(bodies)) == len(bodies)
    assert set(acknowledged) <= set(bodies)
    assert [int(body) for body in bodies] == sorted(map(int, bodies))
