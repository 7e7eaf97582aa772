"""What the drivers share: bounds, and jobs and outcomes checked and turned into bytes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import msgspec
import orjson

from backends.address import seconds, size
from backends.errors import BackendError, Refused
from backends.jobs.job import MOST_AT_ONCE, Job, NewJob, Outcome, Retry, State, Verdict

NAME = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
LONGEST_TEXT = 2000
FAR = 10 * 366 * 86400.0
FIELDS = tuple(field.name for field in fields(Job))

T = TypeVar("T")


class Options(msgspec.Struct):
    history: int = 1000
    history_for: str = "7d"
    dead_letters: int = 100_000
    waiting: int = 1_000_000
    payload: str = "64KiB"
    timeout: str = "5s"


class Bounds(NamedTuple):
    """history, dead_letters, waiting: jobs of a queue. payload: bytes. Others: seconds."""

    history: int
    history_for: float
    dead_letters: int
    waiting: int
    payload: int
    timeout: float

    @classmethod
    def of(cls, options: Options) -> Bounds:
        """Raises BackendError."""
        bad = "jobs: {} in the URL is not as expected"
        for name in ("history", "dead_letters", "waiting"):
            if getattr(options, name) < 0:
                raise BackendError(bad.format(name))
        return cls(
            options.history,
            duration(options, "history_for"),
            options.dead_letters,
            options.waiting,
            _read(size, options, "payload"),
            duration(options, "timeout"),
        )


def duration(options: msgspec.Struct, name: str) -> float:
    """Raises BackendError."""
    return _read(seconds, options, name)


def _read(reader: Callable[[str], T], options: msgspec.Struct, name: str) -> T:
    try:
        return reader(getattr(options, name))
    except ValueError as error:
        raise BackendError(f"jobs: {name} in the URL: {error}") from None


class Entry(NamedTuple):
    """A job as it is stored. rules: first, factor, longest and timeout, as JSON."""

    queue: str
    id: str
    name: str
    payload: bytes
    delay: float
    priority: int
    unique: str | None
    attempts: int
    rules: bytes


def entry(new: NewJob, bounds: Bounds) -> Entry:
    """Raises Refused."""
    named("queue", new.queue)
    named("name", new.name)
    named("id", new.id)
    if new.unique is not None and not _is_key(new.unique):
        raise Refused("jobs: a unique key is 1 to 200 characters, no NUL")
    if not -100 <= new.priority <= 100 or int(new.priority) != new.priority:
        raise Refused("jobs: a priority is a whole number, -100 to 100")
    retry = new.retry
    if not 1 <= retry.attempts <= 1_000_000:
        raise Refused("jobs: there is at least one attempt")
    if not 0 <= new.delay <= FAR:
        raise Refused("jobs: delay is some seconds")
    payload = encoded(new.payload)
    if payload is None:
        raise Refused("jobs: the payload is not JSON")
    if len(payload) > bounds.payload:
        raise Refused(f"jobs: the payload has {len(payload)} bytes, {bounds.payload} are allowed")
    how = _rules(retry.first, retry.factor, retry.longest, new.timeout)
    return Entry(
        new.queue,
        new.id,
        new.name,
        payload,
        float(new.delay),
        int(new.priority),
        new.unique,
        int(retry.attempts),
        how,
    )


@lru_cache(256)
def _rules(first: float, factor: float, longest: float, timeout: float) -> bytes:
    """Raises Refused."""
    if not all(0 <= number <= FAR for number in (first, factor, longest, timeout)) or not timeout:
        raise Refused("jobs: timeout and the waits of retry are seconds, none below 0")
    return orjson.dumps([first, factor, longest, timeout])


def entries(jobs: Sequence[NewJob], bounds: Bounds) -> list[Entry]:
    """Raises Refused."""
    few(jobs)
    if len({new.queue for new in jobs}) > 1:
        raise Refused("jobs: those enqueued in one call are all of one queue")
    return [entry(new, bounds) for new in jobs]


def few(items: Sequence[object]) -> None:
    if len(items) > MOST_AT_ONCE:
        raise Refused(f"jobs: at most {MOST_AT_ONCE} in one call")


def page(limit: int, offset: int) -> None:
    if not 0 <= limit <= MOST_AT_ONCE or offset < 0:
        raise Refused(f"jobs: a list has 0 to {MOST_AT_ONCE} jobs from an offset of 0 or more")


def claimable(count: int, lease: float) -> None:
    if not 1 <= count <= MOST_AT_ONCE or not 0 < lease <= FAR:
        raise Refused(f"jobs: a claim is for 1 to {MOST_AT_ONCE} jobs and some seconds")


def named(what: str, name: str) -> str:
    """The name. Raises Refused."""
    if not NAME.fullmatch(name):
        raise Refused(f"jobs: {what} is 1 to 100 of A-Z a-z 0-9 _ . : -")
    return name


def known(queue: str, ids: Sequence[str] | None = ()) -> None:
    """Whether they could be anybody's. Raises Refused."""
    named("queue", queue)
    few(ids or ())
    for job_id in ids or ():
        named("id", job_id)


@lru_cache(256)
def rules(attempts: int, stored: bytes | str) -> tuple[Retry, float]:
    """How it is retried, and the seconds of one attempt."""
    first, factor, longest, timeout = orjson.loads(stored)
    return Retry(attempts, first, factor, longest), timeout


def job(row: Sequence[Any]) -> Job:
    """From the stored values of its fields, in their order."""
    values = dict(zip(FIELDS, row, strict=True))
    values["state"] = State(values["state"])
    values["payload"] = decoded(values["payload"])
    values["result"] = decoded(values["result"])
    values["cancelling"] = bool(values["cancelling"])
    return Job(**values)


def ending(outcome: Outcome, bounds: Bounds) -> tuple[bytes | None, str | None]:
    """Its result and error, as they are stored."""
    if outcome.verdict is not Verdict.DONE or outcome.result is None:
        return None, text(outcome.error)
    result = encoded(outcome.result)
    if result is None:
        return None, "the result is not JSON and was left out"
    if len(result) > bounds.payload:
        return None, f"the result has {len(result)} bytes and was left out"
    return result, text(outcome.error)


def text(said: str | None) -> str | None:
    """Of a bounded length, and of characters that every engine stores."""
    if said is None:
        return None
    return said[:LONGEST_TEXT].encode("utf-8", "replace").decode().replace("\0", "?")


def fraction(progress: float | None) -> float | None:
    if progress is None or math.isnan(progress):
        return None
    return min(max(float(progress), 0.0), 1.0)


def encoded(value: Any) -> bytes | None:
    """None when it is not JSON."""
    try:
        return orjson.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return None


def decoded(stored: bytes | str | None) -> Any:
    return None if stored is None else orjson.loads(stored)


def _is_key(key: str) -> bool:
    try:
        key.encode()
    except UnicodeEncodeError:
        return False
    return 1 <= len(key) <= 200 and "\0" not in key
