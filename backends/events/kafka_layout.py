"""Where the partitions of a Kafka topic are: its metadata, with the topic's ID.

aiokafka asks for version 5, which has no ID; with it a topic is told from one made again under
its name (KIP-516).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from aiokafka.errors import LeaderNotAvailableError, NoError, for_code
from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from backends.address import Host

TEXT, TAGS = CompactString("utf-8"), ("tags", TaggedFields)


class Uuid(AbstractType):  # type: ignore[misc]  # aiokafka says nothing of its types
    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: Any) -> bytes:
        found: bytes = data.read(16)
        return found


class MetadataResponse(Response):  # type: ignore[misc]  # aiokafka says nothing of its types
    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(("id", Int32), ("host", TEXT), ("port", Int32), ("rack", TEXT), TAGS),
        ),
        ("cluster_id", TEXT),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", TEXT),
                ("id", Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline", CompactArray(Int32)),
                        TAGS,
                    ),
                ),
                ("operations", Int32),
                TAGS,
            ),
        ),
        TAGS,
    )


class MetadataRequest_v12(RequestStruct):  # type: ignore[misc]  # noqa: N801 - as aiokafka's are
    API_KEY = 3
    API_VERSION = 12
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = MetadataResponse
    SCHEMA = Schema(
        ("topics", CompactArray(("id", Uuid), ("name", TEXT), TAGS)),
        ("may_create", Boolean),
        ("wants_operations", Boolean),
        TAGS,
    )


class MetadataRequest(Request[MetadataRequest_v12]):  # type: ignore[misc]  # untyped
    API_KEY = 3

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def build(self, kind: type[MetadataRequest_v12]) -> MetadataRequest_v12:
        return kind([(bytes(16), self._topic, {})], False, False, {})


class Layout(NamedTuple):
    """name: of this topic, and of none that is made again under its name. leaders: of its
    partitions, by number."""

    name: str
    leaders: tuple[Host, ...]

    @classmethod
    def of(cls, said: Any) -> Layout:
        """From an answer about one topic. Raises aiokafka's errors."""
        hosts = brokers(said)
        ((error, _, name, _, partitions, *_),) = said.topics
        if (kind := for_code(error)) is not NoError:
            raise kind()
        led = sorted((partition, leader) for _, partition, leader, *_ in partitions)
        if not led or any(leader not in hosts for _, leader in led):
            raise LeaderNotAvailableError
        return cls(name.hex()[:8], tuple(hosts[leader] for _, leader in led))

    def by_leader(self) -> Mapping[Host, list[int]]:
        led: dict[Host, list[int]] = {}
        for partition, leader in enumerate(self.leaders):
            led.setdefault(leader, []).append(partition)
        return led


def brokers(said: Any) -> dict[int, Host]:
    """By their IDs."""
    return {number: Host(host, port) for number, host, port, *_ in said.brokers}
