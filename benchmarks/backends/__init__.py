"""Each driver beside its bare client library: `make bench-backends`.

A module is named after its capability. It has `measure(url)`, which gives rows, and `ENGINES`: by
name, what starts each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.engines.engine import Engine

Start = Callable[[Path], AbstractContextManager[str]]
"""From an empty folder to the URL of what runs while it is entered."""


class Row(NamedTuple):
    """seconds: of all operations by the driver. bare_seconds: the same by the bare client."""

    name: str
    operations: int
    seconds: float
    bare_seconds: float | None = None

    def __str__(self) -> str:
        each = 1e6 * self.seconds / self.operations
        said = f"  {self.name:32}{1e6 / each:12,.0f}{each:10.1f}"
        if self.bare_seconds is None:
            return said
        bare = 1e6 * self.bare_seconds / self.operations
        return f"{said}{bare:10.1f}{each / bare:8.2f}"


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
