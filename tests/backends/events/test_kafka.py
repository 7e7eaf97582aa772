from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import cast

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.admin.records_to_delete import RecordsToDelete

from backends.errors import BackendError, BackendUnavailable
from backends.events import BEGIN, DRIVERS, CursorExpired, Event, Log
from tests.backends.events.faults import nothing_acknowledged_is_lost, publishes
from tests.conformance.events import LogContract, bodies, take
from tests.engines.engine import HOST
from tests.engines.kafka import Kafka

pytestmark = pytest.mark.timeout(180)  # seconds: Java starts slowly on a busy machine
names = count()


def fresh() -> str:
    """The server is the session's, so the name is no other process's."""
    return f"log{os.getpid()}-{next(names)}"


def opened(server: Kafka, options: str = "timeout=10s", topic: str = "") -> Log:
    return cast(Log, DRIVERS.open(f"{server.url}/{topic or fresh()}?{options}"))


@asynccontextmanager
async def administering(server: Kafka) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=f"{HOST}:{server.port}")
    await client.start()
    try:
        yield client
    finally:
        await client.close()


class TestKafka(LogContract):
    @pytest.fixture
    async def events(self, kafka: Kafka) -> AsyncIterator[Log]:
        events = opened(kafka)
        yield events
        await events.close()

    @pytest.fixture
    def namespace(self) -> str:
        return "kafka"


@pytest.mark.timeout(240)  # a JVM is started three times, beside other tests
async def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    with Kafka(tmp_path) as server:
        log = opened(server, "timeout=2s")
        await nothing_acknowledged_is_lost(log, server, ["pause", "kill", "stop"])
        await log.close()
        await what_comes_late_does_not_come_out_of_order(server)


async def what_comes_late_does_not_come_out_of_order(server: Kafka) -> None:
    """It waited on a connection that was given up while its server hung."""
    events = opened(server, "timeout=1s")
    await events.publish("a", b"0")
    for round_ in range(1, 4):
        await asyncio.to_thread(server.pause)
        with pytest.raises(BackendUnavailable):
            await events.publish("a", b"%d" % (10 * round_))
        await asyncio.to_thread(server.resume)
        await publishes(events, "a", b"%d" % (10 * round_ + 1))
    await publishes(events, "a", b"99")
    async with events.subscribe("a", after=BEGIN) as said:
        got = [b""]
        while got[-1] != b"99":
            got += await bodies(said, 1)
    assert got[1:] == sorted(got[1:], key=int)
    assert len(set(got)) == len(got)
    await events.close()


async def test_a_reader_does_not_wait_for_what_another_waits_for(kafka: Kafka) -> None:
    """A broker answers one connection's requests one after the other."""
    events = opened(kafka)
    async with events.subscribe("a") as said:
        waiting = asyncio.ensure_future(bodies(said, 1))
        for _ in range(3):
            async with asyncio.timeout(1.5), events.subscribe("b"):
                await events.latest()
        await events.publish("a", b"1")
        assert await waiting == [b"1"]
    await events.close()


async def test_each_topic_keeps_its_order_in_one_of_several_partitions(kafka: Kafka) -> None:
    events = opened(kafka, "timeout=10s&partitions=3")
    wanted = {f"a.{letter}": [b"%d" % number for number in range(30)] for letter in "bcdefghij"}
    async with events.subscribe("a.>", "end") as said:
        await asyncio.gather(*[publish_all(events, *each) for each in wanted.items()])
        got = await take(said, 270)
        assert by_topic(got) == wanted
    assert len({where.rpartition("-")[2].count(".") for *_, where in got}) == 1
    async with events.subscribe("a.>", after=got[99].cursor) as said:
        assert sorted(await take(said, 170), key=str) == sorted(got[100:], key=str)
    async with events.subscribe("a.>", after=BEGIN) as said:
        assert by_topic(await take(said, 270)) == wanted
    await events.close()


async def publish_all(events: Log, topic: str, those: list[bytes]) -> None:
    for body in those:
        await events.publish(topic, body)


def by_topic(events: list[Event]) -> dict[str, list[bytes]]:
    found: dict[str, list[bytes]] = {}
    for event in events:
        found.setdefault(event.topic, []).append(event.body)
    return found


async def test_partitions_that_are_added_are_read(kafka: Kafka) -> None:
    topic = fresh()
    events = opened(kafka, topic=topic)
    async with events.subscribe(">") as said:
        await events.publish("a", b"1")
        (first,) = await take(said, 1)
        async with administering(kafka) as admin:
            await admin.create_partitions({topic: NewPartitions(3)})
        again = opened(kafka, topic=topic)
        for number in range(20):
            await again.publish(f"b{number}", b"")
        await again.close()
    await events.close()
    again = opened(kafka, topic=topic)
    async with again.subscribe(">", after=first.cursor) as said:
        got = {event.topic for event in await take(said, 20)}
        assert got == {f"b{number}" for number in range(20)}
    await again.close()


async def test_what_kafkas_own_clients_write_is_an_event(kafka: Kafka) -> None:
    topic = fresh()
    events = opened(kafka, topic=topic)
    async with events.subscribe(">") as said:
        servers = f"{HOST}:{kafka.port}"
        async with AIOKafkaProducer(bootstrap_servers=servers, compression_type="gzip") as producer:
            for key, value in [(b"a", b"1"), (None, b"?"), (b"\xff", b"?"), (b"b", None)]:
                await producer.send_and_wait(topic, value, key)
        async with (
            AIOKafkaProducer(bootstrap_servers=servers, transactional_id=topic) as producer,
            producer.transaction(),
        ):
            await producer.send(topic, b"2", b"a")
        await events.publish("a", b"3")
        assert await bodies(said, 3) == [b"1", b"2", b"3"]
    async with AIOKafkaConsumer(
        bootstrap_servers=servers, auto_offset_reset="earliest"
    ) as consumer:
        consumer.assign([TopicPartition(topic, 0)])
        found = [await consumer.getone() for _ in range(6)]
    assert (found[-1].key, found[-1].value) == (b"a", b"3")
    await events.close()


async def test_retention_is_bounded(kafka: Kafka) -> None:
    events = opened(kafka, "timeout=10s&max_bytes=2MiB&max_age=1h")
    before = await events.latest()
    async with events.subscribe("a") as slow:
        first = 0
        for number in range(1000):
            await events.publish("a", b"%d %500000d" % (number, 0))
            async with events.subscribe("a", after=BEGIN) as said:
                first = int((await bodies(said, 1))[0].split()[0])
            if first:
                break
        assert first
        with pytest.raises(CursorExpired):
            await take(slow, 1)
    with pytest.raises(CursorExpired):
        async with events.subscribe("a", after=before):
            pass
    await events.close()


async def test_who_is_overtaken_by_a_deletion_is_told(kafka: Kafka) -> None:
    topic = fresh()
    events = opened(kafka, topic=topic)
    async with events.subscribe("a") as said:
        for number in range(20):
            await events.publish("a", b"%d" % number)
        async with administering(kafka) as admin:
            await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(10)})
        with pytest.raises(CursorExpired):
            await take(said, 1)
    async with events.subscribe("a", after=BEGIN) as said:
        assert await bodies(said, 1) == [b"10"]
    await events.close()


async def test_a_topic_that_is_made_again_is_another_log(kafka: Kafka) -> None:
    topic = fresh()
    events = opened(kafka, topic=topic)
    async with events.subscribe("a") as said:
        await events.publish("a", b"1")
        ((event),) = await take(said, 1)
        waiting = asyncio.ensure_future(take(said, 1))
        async with administering(kafka) as admin:
            await admin.delete_topics([topic])
        with pytest.raises(CursorExpired):
            await waiting
        await events.publish("a", b"2")
        with pytest.raises(CursorExpired):
            async with events.subscribe("a", after=event.cursor):
                pass
    async with events.subscribe("a", after=BEGIN) as said:
        assert await bodies(said, 1) == [b"2"]
    await events.close()


async def test_what_another_publishes_comes(kafka: Kafka) -> None:
    topic = fresh()
    one, other = opened(kafka, topic=topic), opened(kafka, topic=topic)
    async with one.subscribe("a") as said:
        for number in range(3):
            waiting = asyncio.ensure_future(bodies(said, 1))
            await other.publish("a", b"%d" % number)
            assert await waiting == [b"%d" % number]
    await one.close()
    await other.close()


async def test_close_writes_what_waits(kafka: Kafka) -> None:
    topic = fresh()
    events = opened(kafka, topic=topic)
    await events.check()
    writing = [asyncio.ensure_future(events.publish("a", b"%d" % number)) for number in range(50)]
    await asyncio.sleep(0)
    await events.close()
    await asyncio.gather(*writing)
    again = opened(kafka, topic=topic)
    async with again.subscribe("a", after=BEGIN) as said:
        assert await bodies(said, 50) == [b"%d" % number for number in range(50)]
    await again.close()


async def test_without_its_server_nobody_is_subscribed(tmp_path: Path) -> None:
    events = opened(Kafka(tmp_path), "timeout=500ms")
    with pytest.raises(BackendUnavailable):
        async with events.subscribe("a"):
            pass
    with pytest.raises(BackendUnavailable):
        await events.publish("a", b"")
    await events.close()


@pytest.mark.parametrize(
    "query",
    [
        *("replicas=0", "partitions=0", "timeout=hunter2", "max_age=1ms", "max_bytes=1KiB"),
        *("sasl=hunter2", "hunter=2", "tls=hunter2"),
    ],
)
def test_a_wrong_url_says_what_is_wrong(query: str) -> None:
    with pytest.raises(BackendError, match="events: ") as raised:
        DRIVERS.open(f"kafka://user:hunter2@host/topic?{query}")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("url", ["kafka:///topic", "kafka://hunter2@host", "kafka://host/a.b"])
def test_a_wrong_place_says_what_is_wrong(url: str) -> None:
    with pytest.raises(BackendError, match="expected kafka://") as raised:
        DRIVERS.open(url)
    assert "hunter2" not in str(raised.value)
