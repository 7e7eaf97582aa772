"""Each driver beside its bare client library: `make bench-backends`.

A module is named after its capability. It has `measure(url)`, which gives rows, and `ENGINES`: by
name, what starts each.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple, Self

from tests.engines.engine import Engine

Start = Callable[[Path], AbstractContextManager[str]]
"""From an empty folder to the URL of what runs while it is entered."""


class Spent(NamedTuple):
    """Seconds of the clock, and of this process's CPU, to which a busy machine does less."""

    clock: float
    cpu: float

    @classmethod
    async def by(cls, step: Callable[[], Awaitable[object]]) -> Self:
        clock, cpu = time.perf_counter(), time.process_time()
        await step()
        return cls(time.perf_counter() - clock, time.process_time() - cpu)

    @classmethod
    def middle(cls, rounds: Sequence[Spent]) -> Self:
        return cls(*(median(part) for part in zip(*rounds, strict=True)))


class Row(NamedTuple):
    """seconds: of all operations by the driver. bare_seconds: the same by the bare client. cpu:
    of this process, as a share of what the bare client takes."""

    name: str
    operations: int
    seconds: float
    bare_seconds: float | None = None
    cpu: float | None = None

    @classmethod
    def beside(cls, name: str, operations: int, ours: Spent, bare: Spent) -> Self:
        return cls(name, operations, ours.clock, bare.clock, ours.cpu / bare.cpu)

    def __str__(self) -> str:
        each = 1e6 * self.seconds / self.operations
        said = f"  {self.name:32}{1e6 / each:12,.0f}{each:10.1f}"
        if self.bare_seconds is None:
            return said
        bare = 1e6 * self.bare_seconds / self.operations
        said += f"{bare:10.1f}{each / bare:8.2f}"
        return said if self.cpu is None else f"{said}{self.cpu:8.2f}"


def server(kind: Callable[[Path], Engine]) -> Start:
    @contextmanager
    def start(folder: Path) -> Iterator[str]:
        with kind(folder) as engine:
            yield engine.url

    return start


def embedded(url: str) -> Start:
    """url: with `{folder}` where it keeps what it keeps."""

    @contextmanager
    def start(folder: Path) -> Iterator[str]:
        yield url.format(folder=folder)

    return start
