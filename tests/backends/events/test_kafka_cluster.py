"""A cluster of Kafka, of which one node after the other is lost under load."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import pytest

from backends.errors import BackendUnavailable
from backends.events import BEGIN, DRIVERS, Log
from tests.backends.events.faults import publishes
from tests.conformance.events import take
from tests.engines.kafka_cluster import KafkaCluster

TOPICS = [f"a.{letter}" for letter in "bcdefg"]


@pytest.mark.timeout(300)  # four JVMs are started
async def test_nothing_acknowledged_is_lost_with_one_node(tmp_path: Path) -> None:
    with KafkaCluster(tmp_path) as cluster:
        log = cast(Log, DRIVERS.open(f"{cluster.url}/log?replicas=3&partitions=6&timeout=10s"))
        await publishes(log, "first", b"")
        acknowledged: dict[str, list[int]] = {topic: [] for topic in TOPICS}
        done = False

        async def publish(topic: str) -> None:
            number = 0
            while not done:
                number += 1
                try:
                    await log.publish(topic, b"%d" % number)
                    acknowledged[topic].append(number)
                except BackendUnavailable:
                    await asyncio.sleep(0.01)
                await asyncio.sleep(0.01)

        async def goes_on() -> None:
            before = {topic: len(numbers) for topic, numbers in acknowledged.items()}
            async with asyncio.timeout(60):
                while any(len(acknowledged[each]) < many + 5 for each, many in before.items()):  # noqa: ASYNC110 - nobody sets an Event
                    await asyncio.sleep(0.05)

        async with log.subscribe("a.>", "end") as said:
            publishing = [asyncio.create_task(publish(topic)) for topic in TOPICS]
            one, other, _ = cluster.members
            await goes_on()
            await asyncio.to_thread(one.kill)
            await goes_on()
            await asyncio.to_thread(one.start)
            await goes_on()
            await asyncio.to_thread(other.kill)
            await goes_on()
            done = True
            await asyncio.gather(*publishing)
            live = await all_of(said, acknowledged)
        async with log.subscribe("a.>", after=BEGIN) as said:
            assert await all_of(said, acknowledged) == live
        await log.close()


async def all_of(said: object, acknowledged: dict[str, list[int]]) -> dict[str, list[int]]:
    """Until all that was acknowledged has come: once each, and in order of its topic."""
    got: dict[str, list[int]] = {topic: [] for topic in acknowledged}
    while any(numbers[-1:] > got[topic][-1:] for topic, numbers in acknowledged.items()):
        (event,) = await take(said, 1)  # type: ignore[arg-type]  # of a Log
        got[event.topic].append(int(event.body))
    for topic, numbers in got.items():
        assert numbers == sorted(set(numbers))
        assert set(acknowledged[topic]) <= set(numbers)
    return got
