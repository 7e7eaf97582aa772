"""Whether a failed request may be tried again, and when."""

from __future__ import annotations

from math import exp
from random import uniform

from gateway.config.model import Retries
from gateway.exchange import Exchange

# RFC 9110, 9.2.2: asking twice has the effect of asking once.
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
MIN_PER_SECOND = 5
WINDOW = 10.0
LONGEST = 10
"""A backoff is at most so many times the first one."""
FREE = frozenset({"connect", "stale"})
"""Causes that cost no budget: the target never saw the request, so it is not asked more."""


class RetryPolicy:
    """An upstream's rules; the causes are those of `retries.on`, and "stale" for a kept
    connection that was gone when it was used."""

    __slots__ = ("_backoff", "attempts", "budget", "max_body", "on", "per_try", "statuses")

    def __init__(self, config: Retries, budget: Budget) -> None:
        self.attempts = config.attempts
        self.max_body = config.max_body
        self.per_try = config.per_try
        self.budget = budget
        on = {str(cause) for cause in config.on}
        if "reset" in on:
            on |= {"stale", "protocol"}
        self.on = frozenset(on)
        self.statuses = frozenset(
            cause for cause in config.on if isinstance(cause, int) and config.attempts
        )
        self._backoff = config.backoff

    def replays(self, exchange: Exchange, size: int) -> bool:
        """Whether a request with so much body may be sent twice."""
        return size <= self.max_body and exchange.method in IDEMPOTENT

    def pays(self, cause: str, requests: int, now: float) -> bool:
        """Whether there is budget for a retry; `requests`: the upstream's so far."""
        return cause in FREE or self.budget.take(requests, now)

    def delay(self, tried: int) -> float:
        """Seconds before the next try; `tried`: how many failed. Full jitter."""
        most = self._backoff * min(2 ** (tried - 1), LONGEST)
        return uniform(0, most)  # noqa: S311  no secret


class Budget:
    """How many retries the requests of about the last WINDOW seconds have paid for.

    Each request pays `ratio` of a retry, and MIN_PER_SECOND are always paid for. Nothing is
    counted per request: what came in since the last look is taken as spread evenly.
    """

    __slots__ = ("_left", "_ratio", "_requests", "_seen")

    def __init__(self, ratio: float, now: float) -> None:
        self._ratio = ratio
        self._seen = now
        self._requests = 0
        self._left = MIN_PER_SECOND * WINDOW if ratio else 0.0

    def take(self, requests: int, now: float) -> bool:
        """Pay for one retry; `requests`: how many there were so far. False: no money left."""
        passed = now - self._seen
        if passed > 0:
            kept = exp(-passed / WINDOW)
            rate = self._ratio * max(0, requests - self._requests) / passed
            if self._ratio:
                rate += MIN_PER_SECOND
            self._left = self._left * kept + rate * WINDOW * (1 - kept)
            self._seen = now
            self._requests = requests
        if self._left < 1:
            return False
        self._left -= 1
        return True
