"""Limits how often each client, user or key may ask."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Mapping
from hashlib import blake2b
from math import ceil
from time import monotonic
from typing import Any, Final

from backends.errors import BackendError
from backends.limits import Decision, Limits
from backends.limits.memory import MemoryLimits
from gateway.attributes import compile_attribute
from gateway.errors import Problem
from gateway.exchange import Exchange
from gateway.http1.headers import field_line
from gateway.middleware import Middleware
from gateway.options.rate_limit import RateLimitOptions
from gateway.plugin import Context

LONGEST_KEY: Final = 64


class RateLimit(Middleware[RateLimitOptions]):
    """429 with Retry-After beyond the rate; RateLimit and RateLimit-Policy on every answer.

    The fields are those of draft-ietf-httpapi-ratelimit-headers-11: `q` requests each `w`
    seconds; `r` would pass right now, and all of the burst again in `t` seconds, or, when none
    would, the next one.
    """

    Options = RateLimitOptions

    def __init__(
        self,
        options: RateLimitOptions,
        context: Context,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        super().__init__(options, context)
        rate = options.rate
        burst = options.burst or rate.requests
        self._count, self._seconds, self._burst = rate.requests, rate.seconds, burst
        self._all_but_one = (burst - 1) * rate.seconds / rate.requests
        self._limits: Limits = (
            context.backends.limits if options.scope == "shared" else MemoryLimits(clock)
        )
        limits = self._limits
        self._memory = limits if isinstance(limits, MemoryLimits) else None
        self._key = compile_attribute(options.key)
        # NUL is in no header, address or name: no value can pose as another middleware's
        # bucket, nor as an address.
        self._by_key = f"{context.name}\0="
        self._by_ip = f"{context.name}\0@"
        member = _sf_string(context.name)
        quota = _quota(rate.requests, rate.seconds)
        # Made once: a field's name is checked octet by octet.
        self._policy = field_line("RateLimit-Policy", f"{member};{quota}")
        self._standing = field_line("RateLimit", f"{member};r=").decode("latin-1")
        self._away = False
        self._refusals = context.metrics.counter(
            "gateway_rate_limited_total",
            "Requests refused because their rate limit was used up.",
            ("middleware", "route"),
        )
        self._errors = context.metrics.counter(
            "gateway_rate_limit_errors_total",
            "Requests that could not be counted because the limiter's engine was away.",
            ("middleware",),
        ).labels(context.name)

    async def stop(self) -> None:
        if self.options.scope == "worker":
            await self._limits.close()

    def request(self, exchange: Exchange) -> Problem | Awaitable[Problem | None] | None:
        bucket = self._bucket(exchange)
        if self._memory is not None:
            remaining, reset, retry_after = self._memory.spend(
                bucket, self._count, self._seconds, self._burst
            )
            return self._judge(exchange, remaining, reset, retry_after)
        try:
            decision = self._limits.take(bucket, self._count, self._seconds, self._burst)
        except BackendError as error:
            return self._uncounted(error)
        if isinstance(decision, Decision):
            return self._decided(exchange, decision)
        return self._wait(exchange, decision)

    def _bucket(self, exchange: Exchange) -> str:
        value = self._key(exchange)
        if value is None:
            return self._by_ip + exchange.client_ip
        return self._by_key + (value if len(value) <= LONGEST_KEY else _digest(value))

    async def _wait(self, exchange: Exchange, pending: Awaitable[Decision]) -> Problem | None:
        try:
            decision = await pending
        except BackendError as error:
            return self._uncounted(error)
        return self._decided(exchange, decision)

    def _decided(self, exchange: Exchange, decision: Decision) -> Problem | None:
        remaining = decision.remaining if decision.allowed else -1
        return self._judge(exchange, remaining, decision.reset, decision.retry_after)

    def _judge(
        self, exchange: Exchange, remaining: int, reset: float, retry_after: float
    ) -> Problem | None:
        """By what remains, which is negative when nothing did. Notes the line of the answer."""
        self._away = False
        if remaining > 0:
            wait = reset
        elif remaining == 0:
            wait = reset - self._all_but_one
        else:
            wait = retry_after
        line = f"{self._standing}{max(0, remaining)};t={_seconds(wait)}"
        exchange.notes[self] = line.encode("latin-1")
        if remaining >= 0:
            return None
        self._refusals.labels(self.context.name, exchange.route.id).inc()
        return Problem(
            429,
            "Too many requests; try again later.",
            [("Retry-After", str(_seconds(retry_after)))],
        )

    def _uncounted(self, error: BackendError) -> Problem | None:
        self._errors.inc()
        if not self._away:
            self._away = True
            self.context.log.warning("the limiter does not answer: %s", error)
        if self.options.on_error == "open":
            return None
        return Problem(503, "Requests cannot be counted right now.", [("Retry-After", "1")])

    def response(self, exchange: Exchange) -> None:
        standing: bytes | None = exchange.notes.get(self)
        if standing is None:
            return
        headers = exchange.answer.headers
        # Added, not set: both fields are lists, and an inner limit's items belong in them too.
        headers.add_line(self._policy)
        headers.add_line(standing)

    @classmethod
    def summary(cls, options: RateLimitOptions) -> Mapping[str, Any]:
        rate, burst = options.rate, options.burst or options.rate.requests
        told = {"rate": f"{rate.requests}/{rate.seconds:g}s", "burst": burst, "key": options.key}
        return told | {"scope": options.scope, "on_error": options.on_error}

    async def state(self, exchange: Exchange) -> Mapping[str, Any]:
        """counted_by: the key, or the address for want of it. Times in seconds."""
        absent = self._key(exchange) is None
        told = {"counted_by": "ip" if absent else self.options.key}
        try:
            said = self._limits.peek(
                self._bucket(exchange), self._count, self._seconds, self._burst
            )
            decision = await said if inspect.isawaitable(said) else said
        except BackendError as error:
            return told | {"away": str(error)}
        return told | decision._asdict()


def _seconds(wait: float) -> int:
    """Whole seconds, at least 1; a rounding error in `wait` must not make it one more."""
    return max(1, ceil(wait - 1e-6))


def _quota(requests: int, seconds: float) -> str:
    """`q` and `w`, whose unit is whole seconds, for the same rate."""
    window = max(1, ceil(seconds))
    return f"q={int(requests * window / seconds)};w={window}"


def _sf_string(text: str) -> str:
    """A String of RFC 9651; what it cannot hold becomes `?`."""
    return '"' + re.sub(r'(["\\])', r"\\\1", re.sub(r"[^\x20-\x7e]", "?", text)) + '"'


def _digest(value: str) -> str:
    return blake2b(value.encode("utf-8", "surrogatepass"), digest_size=24).hexdigest()
