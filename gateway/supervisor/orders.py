"""What supervisor and worker say to each other, by name of the message."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from gateway.config.model import Listen

T = TypeVar("T")

# Calls of the supervisor
START = "start"
PREPARE = "prepare"
COMMIT = "commit"
ABORT = "abort"
SCRAPE = "scrape"
CONNECTIONS = "connections"
CHECKS = "checks"
ROUTES = "routes"
EXPLAIN = "explain"
SOURCES = "sources"

# Notes of the supervisor
ARRANGE = "arrange"
DRAIN = "drain"
ABANDON = "abandon"

# Notes of a worker
NUMBERS = "numbers"
LEAVING = "leaving"

# Both ways
MESSAGE = "message"


class Start(msgspec.Struct, frozen=True):
    """Begin to serve. `content` is what the file held; doors: addresses and descriptors."""

    path: str
    content: bytes
    doors: list[tuple[Listen, list[int]]]
    number: int


class Arrange(msgspec.Struct, frozen=True):
    """Whose sockets to accept from, and whether to lead."""

    accept_for: list[int]
    leads: bool


class Drain(msgspec.Struct, frozen=True):
    """As in Gateway.stop."""

    grace: float | None
    accepting: bool


class Message(msgspec.Struct, frozen=True):
    """A broadcast."""

    topic: str
    payload: bytes


def read(body: Any, kind: type[T]) -> T:
    """The body of a message. Raises msgspec.MsgspecError when it is none of that kind."""
    return msgspec.msgpack.decode(body, type=kind)
