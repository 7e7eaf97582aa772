"""What is published to one partition of a Kafka topic, in its order."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import NamedTuple

from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from backends.errors import BackendError, BackendUnavailable
from backends.events import LARGEST_BODY
from backends.events.kafka_layout import Layout
from backends.events.kafka_link import KafkaLink, by_partition, raised

LAST_EPOCH = 32_000
MOST_WAITING = 10_000


class Producer(NamedTuple):
    """id, epoch: with the number of its next record, they tell a broker what it has yet."""

    id: int
    epoch: int
    next: int


class Waiting(NamedTuple):
    topic: bytes
    body: bytes
    written: asyncio.Future[None]


class KafkaWriter:
    """What waits together is one batch; the next is sent when that is answered. After a batch
    of which nobody knows, an epoch begins: it would be refused if it came after a later one.
    """

    def __init__(self, link: KafkaLink, partition: int) -> None:
        self._link = link
        self._partition = partition
        self._waiting: deque[Waiting] = deque()
        self._producer: Producer | None = None
        self._flushing: asyncio.Task[None] | None = None

    async def publish(self, topic: bytes, body: bytes, until: float) -> None:
        """Returns when it is written. until: by the loop's clock."""
        if len(self._waiting) >= MOST_WAITING:
            raise BackendUnavailable(f"{self._link.where}: too many wait to be written")
        written = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(topic, body, written))
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        try:
            async with asyncio.timeout_at(until):
                await written
        except TimeoutError:
            said = f"{self._link.where}: no answer in {self._link.timeout:g} s"
            raise BackendUnavailable(said) from None

    async def finish(self) -> None:
        """Wait for what waits, as long as a call may take."""
        if self._flushing is not None:
            await asyncio.wait([self._flushing], timeout=self._link.timeout)
        if self._flushing is not None:
            self._flushing.cancel()
            await asyncio.wait([self._flushing])

    async def _flush(self) -> None:
        """Until nothing waits."""
        batch: list[Waiting] = []
        try:
            while self._waiting:
                batch = self._next()
                if batch:
                    await self._write(batch)
        finally:
            self._flushing = None
            closed = BackendError(f"{self._link.where} is closed")
            _settle([*batch, *self._waiting], closed)

    def _next(self) -> list[Waiting]:
        """Without those who have given up."""
        batch: list[Waiting] = []
        held = 0
        while self._waiting:
            waiting = self._waiting[0]
            held += len(waiting.topic) + len(waiting.body) + 50
            if batch and held > LARGEST_BODY:
                break
            self._waiting.popleft()
            if not waiting.written.done():
                batch.append(waiting)
        return batch

    async def _write(self, batch: list[Waiting]) -> None:
        try:
            await self._link.call(lambda layout: self._send(layout, batch))
        except BackendError as error:
            self._begin_epoch()
            _settle(batch, error)
        except BaseException:
            self._begin_epoch()
            raise
        else:
            _settle(batch, None)

    async def _send(self, layout: Layout, batch: list[Waiting]) -> None:
        leader = layout.leaders[self._partition]
        if self._producer is None:
            said = await self._link.ask(leader, InitProducerIdRequest(None, 60_000))
            raised(said.error_code)
            self._producer = Producer(said.producer_id, said.producer_epoch, 0)
        producer = self._producer
        records = _records(batch, producer)
        about = [(self._link.settings.topic, [(self._partition, records)])]
        request = ProduceRequest(None, -1, int(self._link.timeout * 1000), about)
        for _, code, *_ in by_partition(await self._link.ask(leader, request)):
            raised(code)
        self._producer = producer._replace(next=(producer.next + len(batch)) % (1 << 31))

    def _begin_epoch(self) -> None:
        if (producer := self._producer) is not None:
            last = producer.epoch >= LAST_EPOCH
            self._producer = None if last else Producer(producer.id, producer.epoch + 1, 0)


def _records(batch: list[Waiting], producer: Producer) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, 0, *producer, 2 * LARGEST_BODY)
    now = int(time.time() * 1000)
    for number, waiting in enumerate(batch):
        builder.append(number, now, waiting.topic, waiting.body, [])
    return bytes(builder.build())


def _settle(batch: list[Waiting], error: BackendError | None) -> None:
    for waiting in batch:
        if waiting.written.done():
            continue
        if error is None:
            waiting.written.set_result(None)
        else:
            waiting.written.set_exception(type(error)(*error.args))
