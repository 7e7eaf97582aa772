"""From records of Kafka to events, and back to where they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords

from backends.events import Event
from backends.events.topics import Patterns

Position = tuple[int, ...]
"""By partition, the offset of what comes next."""

CURSOR = re.compile(r"([0-9a-f]{8})-([0-9]{1,18}(?:\.[0-9]{1,18}){0,99})")


def cursor(name: str, position: Iterable[int]) -> str:
    return f"{name}-{'.'.join(map(str, position))}"


def position_of(text: str) -> tuple[str, Position] | None:
    """The topic's name and where in it; None for what is no cursor."""
    if not (match := CURSOR.fullmatch(text)):
        return None
    return match[1], tuple(map(int, match[2].split(".")))


def events_of(
    name: str, patterns: Patterns, found: Iterable[tuple[int, bytes]], after: Position
) -> tuple[list[Event], Position]:
    """found: by partition, what was read. Raises aiokafka's errors."""
    events = []
    position = list(after)
    for partition, data in found:
        for offset, topic, body in _records(data, after[partition]):
            position[partition] = offset + 1
            if topic is not None and patterns.match(topic):
                events.append(Event(topic, body, cursor(name, position)))
    return events, tuple(position)


def _records(data: bytes, first: int) -> Iterator[tuple[int, str | None, bytes]]:
    """Offset, topic and body; no topic: it is no event, and another's."""
    batches: Any = MemoryRecords(data)
    while (batch := batches.next_batch()) is not None:
        if not batch.validate_crc():
            raise CorruptRecordException
        if batch.is_control_batch:
            yield batch.next_offset - 1, None, b""
            continue
        for record in batch:
            if record.offset >= first:
                topic = None if record.value is None else _topic(record.key)
                yield record.offset, topic, b"" if topic is None else bytes(record.value)


def _topic(key: bytes | None) -> str | None:
    try:
        return None if key is None else bytes(key).decode()
    except UnicodeDecodeError:
        return None
