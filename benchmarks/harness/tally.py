"""What a load is told to do and what it tells back; percentiles by nearest rank."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

Kind = Literal["http", "rate", "websocket", "events", "idle"]


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """What to do. `requests` are files of raw bytes, taken in turn; `rate` is requests a second."""

    kind: Kind
    port: int
    requests: list[str]
    connections: int = 64
    seconds: float = 3.0
    warm: float = 0.5
    rate: float = 0.0
    tls: bool = False
    fresh: bool = False


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """`count` of `requests`, messages or events; percentiles in milliseconds."""

    count: int
    seconds: float
    errors: int
    p50: float
    p99: float
    p999: float
    largest: float


@dataclass
class Tally:
    """What was answered since `begin`, whenever it was asked; nothing before that."""

    errors: int = 0
    latencies: list[float] = field(default_factory=list)
    since: float = 0.0

    def begin(self) -> None:
        self.errors = 0
        self.latencies.clear()
        self.since = time.monotonic()

    def done(self, started: float) -> None:
        self.latencies.append(time.monotonic() - started)

    def report(self, seconds: float) -> Report:
        p50, p99, p999, largest = percentiles(self.latencies, 50, 99, 99.9, 100)
        return Report(
            count=len(self.latencies),
            seconds=seconds,
            errors=self.errors,
            p50=p50 * 1e3,
            p99=p99 * 1e3,
            p999=p999 * 1e3,
            largest=largest * 1e3,
        )


def percentiles(values: Sequence[float], *ranks: float) -> list[float]:
    """Each the least of `values` that `rank` percent of them do not exceed; 0 without values."""
    if not values:
        return [0.0] * len(ranks)
    ordered = sorted(values)
    return [ordered[max(0, math.ceil(round(rank * len(ordered) / 100, 6)) - 1)] for rank in ranks]
