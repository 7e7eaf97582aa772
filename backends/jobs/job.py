"""What a job is: to whoever enqueues it, to the worker that holds it, to whoever looks at it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from secrets import token_hex
from typing import Any, NamedTuple

import msgspec

MOST_AT_ONCE = 1000
"""Jobs, beats, outcomes or ids in one call; Refused above it."""

LOST = "its worker went away: the lease was not renewed"


class State(StrEnum):
    """delayed -> ready -> running -> done, cancelled or dead; a retry goes back to delayed."""

    DELAYED = "delayed"
    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"
    DEAD = "dead"


ENDED = (State.DONE, State.CANCELLED, State.DEAD)


class Retry(NamedTuple):
    """At most `attempts` times in all, first, first * factor, ... seconds apart.

    Each wait is shortened at random by up to half (jitter), and no wait is over `longest`.
    """

    attempts: int = 5
    first: float = 1.0
    factor: float = 2.0
    longest: float = 3600.0

    def delay(self, attempt: int) -> float:
        """Seconds to wait after the attempt of that number, the first being 1."""
        try:
            wait = min(self.first * self.factor ** (attempt - 1), self.longest)
        except OverflowError:
            wait = self.longest
        return wait * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


RETRY = Retry()


def new_id() -> str:
    return token_hex(16)


class NewJob(msgspec.Struct, frozen=True):
    """queue: whose workers run it. name: of the handler. payload: any JSON.

    delay: seconds until it may run. priority: -100 to 100, higher runs first. unique: while a
    job of the queue with this key waits or runs, no other is taken. timeout: seconds for one
    attempt. id: enqueueing the same id again does nothing, so a call that failed may be repeated.
    """

    queue: str
    name: str
    payload: Any = None
    delay: float = 0.0
    priority: int = 0
    unique: str | None = None
    retry: Retry = RETRY
    timeout: float = 300.0
    id: str = msgspec.field(default_factory=new_id)


class Ticket(NamedTuple):
    """id: of the job that stands for what was enqueued. new: whether this call made it."""

    id: str
    new: bool


@dataclass(frozen=True, slots=True)
class Job:
    """As it is now. Times are Unix seconds. attempt: how many have begun. progress: 0 to 1.

    error: of the last attempt that failed, or why it ended so. cancelling: somebody asked.
    """

    id: str
    queue: str
    name: str
    state: State
    payload: Any
    priority: int
    unique: str | None
    attempt: int
    attempts: int
    created: float
    due: float
    started: float | None
    ended: float | None
    progress: float
    note: str
    error: str | None
    result: Any
    worker: str | None
    cancelling: bool


class Claimed(NamedTuple):
    """A job that is held. fence: higher each time it is claimed; older ones are worth nothing."""

    id: str
    fence: int
    name: str
    payload: Any
    attempt: int
    retry: Retry
    timeout: float


class Claims(NamedTuple):
    """next: seconds until a delayed job is due or a lease lapses, None when there is neither."""

    jobs: list[Claimed]
    next: float | None


class Beat(NamedTuple):
    """A sign of life. progress and note: None leaves what is stored."""

    id: str
    fence: int
    progress: float | None = None
    note: str | None = None


class Standing(StrEnum):
    """What a beat is told: still held; held, but asked to stop; no longer held."""

    HELD = "held"
    CANCELLING = "cancelling"
    LOST = "lost"


class Verdict(StrEnum):
    """How an attempt ended. release: not its fault, it does not count."""

    DONE = "done"
    RETRY = "retry"
    RELEASE = "release"
    DEAD = "dead"
    CANCELLED = "cancelled"


class Outcome(NamedTuple):
    """delay: seconds, of a retry. result: any JSON, of what is done. error: of what is not."""

    id: str
    fence: int
    verdict: Verdict
    delay: float = 0.0
    result: Any = None
    error: str | None = None


class Stats(NamedTuple):
    """How many there are of each state. behind: seconds that the job next in turn is due."""

    delayed: int
    ready: int
    running: int
    done: int
    cancelled: int
    dead: int
    behind: float
