"""What a handler is given, and what it may raise."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from traceback import extract_tb
from typing import Any

from backends.jobs.job import Beat, Claimed

LOGIN = re.compile(r"(?<=://)[^/@\s]+@")
LONGEST = 1000


class GiveUp(Exception):
    """No further attempt would help: the job is dead at once."""


class TryLater(Exception):
    """To be tried again, if there is an attempt left, but after this many seconds."""

    def __init__(self, seconds: float, reason: str = "") -> None:
        super().__init__(reason or f"asked to be tried again in {seconds:g} s")
        self.seconds = max(0.0, seconds)


class Running:
    """One attempt at a job. attempt: 1 for the first; attempts: how many there may be.

    fence rises with every attempt; whoever writes to a store of its own can refuse older ones.
    A handler that has to stop gets CancelledError, and `stopped_by` says why: `cancelled`,
    `lost` (somebody else holds the job now) or `stopping` (the worker ends; the job will be run
    again). Its timeout reaches it as CancelledError too.
    """

    def __init__(self, queue: str, claimed: Claimed) -> None:
        self.queue = queue
        self.id = claimed.id
        self.name = claimed.name
        self.payload: Any = claimed.payload
        self.attempt = claimed.attempt
        self.retry = claimed.retry
        self.timeout = claimed.timeout
        self.fence = claimed.fence
        self.stopped_by: str | None = None
        self._said: tuple[float, str] | None = None

    @property
    def attempts(self) -> int:
        return self.retry.attempts

    def progress(self, fraction: float, note: str = "") -> None:
        """0 to 1, and a few words. Stored with the next heartbeat, within about a second."""
        self._said = (fraction, note)

    def beat(self) -> Beat:
        """What is new since the last one."""
        said, self._said = self._said, None
        return Beat(self.id, self.fence, *(said or (None, None)))


Handler = Callable[[Running], Awaitable[Any]]
"""Gives the job's result, any JSON."""


def described(error: BaseException) -> str:
    """Type, text and place; logins in URLs are left out."""
    said = LOGIN.sub("", str(error))[:LONGEST]
    frames = extract_tb(error.__traceback__)
    place = f" (line {frames[-1].lineno} of {frames[-1].filename})" if frames else ""
    return f"{type(error).__name__}: {said}{place}" if said else f"{type(error).__name__}{place}"
