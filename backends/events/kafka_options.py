"""What a `kafka://` URL may say."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from backends.address import Address, seconds, size
from backends.errors import BackendError
from backends.events import LARGEST_BODY

TOPIC = re.compile("[A-Za-z0-9_-]{1,64}")
SASL = {"plain": "PLAIN", "scram-sha-256": "SCRAM-SHA-256", "scram-sha-512": "SCRAM-SHA-512"}
MOST_PARTITIONS = 100
LEAST_SEGMENT, LARGEST_SEGMENT = 1 << 20, 1 << 30


class Options(msgspec.Struct):
    max_age: str = "7d"
    max_bytes: str = "256MiB"
    partitions: int = 1
    replicas: int = 1
    sasl: str = "plain"
    timeout: str = "5s"


class Settings(NamedTuple):
    """max_age, timeout: seconds. sasl: as Kafka calls the mechanism."""

    topic: str
    max_age: float
    max_bytes: int
    partitions: int
    replicas: int
    sasl: str
    timeout: float

    @classmethod
    def of(cls, address: Address) -> Settings:
        """Raises BackendError."""
        options = address.options(Options)
        topic, sasl = address.path or "ait-gateway", SASL.get(options.sasl, "")
        try:
            age, timeout = seconds(options.max_age), seconds(options.timeout)
            kept = size(options.max_bytes)
        except ValueError:
            age = timeout = kept = 0
        if not (
            (address.hosts and TOPIC.fullmatch(topic) and sasl)
            and (age >= 1 and kept >= LEAST_SEGMENT and 0 < timeout <= 600)
            and (1 <= options.partitions <= MOST_PARTITIONS and 1 <= options.replicas <= 9)
            and (address.username is None) == (address.password is None)
        ):
            raise BackendError(
                "events: expected kafka://[user:password@]host:port/topic, timeout as 5s, "
                f"max_age from 1s, max_bytes from 1MiB, partitions from 1 to {MOST_PARTITIONS}, "
                f"replicas from 1 to 9, sasl as {', '.join(SASL)}"
            )
        return cls(topic, age, kept, options.partitions, options.replicas, sasl, timeout)

    def of_the_topic(self) -> dict[str, str]:
        """What it is made with. Kafka forgets whole segments, so they are small beside all."""
        each = self.max_bytes // self.partitions
        age = int(self.max_age * 1000)
        return {
            "cleanup.policy": "delete",
            "retention.ms": str(age),
            "retention.bytes": str(each),
            "segment.ms": str(max(age // 8, 1000)),
            "segment.bytes": str(min(max(each // 8, LEAST_SEGMENT), LARGEST_SEGMENT)),
            "max.message.bytes": str(LARGEST_BODY + 4096),
            "min.insync.replicas": str(max(self.replicas - 1, 1)),
        }
