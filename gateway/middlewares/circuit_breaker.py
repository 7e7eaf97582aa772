"""Stops asking an endpoint that keeps failing, and tries it carefully again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil
from time import monotonic
from typing import Any, Final

import msgspec

from gateway.errors import Problem
from gateway.exchange import Exchange
from gateway.middleware import Middleware
from gateway.options.circuit_breaker import CircuitBreakerOptions
from gateway.plugin import Context

CLOSED: Final = 0
OPEN: Final = 1
HALF_OPEN: Final = 2
NAMES: Final = ("closed", "open", "half-open")
BUCKETS: Final = 10
ENDPOINT_FAILED: Final = frozenset({"connect", "timeout", "reset", "protocol"})
ENDPOINT_ANSWERED: Final = frozenset({None, "error"})


class CircuitBreaker(Middleware[CircuitBreakerOptions]):
    """503 with Retry-After while the circuit of the request's endpoint is open.

    A circuit belongs to an upstream or plugin, whichever route leads there. A failure is a
    target that could not be reached, broke off, spoke no HTTP or took too long, or a status of
    500 and above. Requests that a guard answered, whose client left, or that found the pool
    exhausted say nothing about the endpoint and do not count.
    """

    Options = CircuitBreakerOptions

    def __init__(
        self,
        options: CircuitBreakerOptions,
        context: Context,
        *,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        super().__init__(options, context)
        self._clock = clock
        self._circuits: dict[str, Circuit] = {}
        self._state = context.metrics.gauge(
            "gateway_circuit_state",
            "0 closed, 1 open, 2 half-open.",
            ("middleware", "upstream"),
        )
        self._refusals = context.metrics.counter(
            "gateway_circuit_refused_total",
            "Requests refused because the circuit was open.",
            ("middleware", "upstream"),
        )

    def request(self, exchange: Exchange) -> Problem | None:
        endpoint = exchange.route.endpoint_name
        circuit = self._circuits.get(endpoint) or self._circuit(endpoint)
        if circuit.state == CLOSED or circuit.admits(exchange, self._clock()):
            exchange.notes[self] = circuit.era
            return None
        self._refusals.labels(self.context.name, endpoint).inc()
        return Problem(
            503,
            "This service is failing and is given time to recover.",
            [("Retry-After", str(circuit.retry_after(self._clock())))],
        )

    def done(self, exchange: Exchange) -> None:
        era: int | None = exchange.notes.get(self)
        if era is None:
            return
        circuit = self._circuits.get(exchange.route.endpoint_name)
        if circuit is None:
            return
        if circuit.probing:
            circuit.probing.pop(exchange, None)
        # What began before the circuit last opened or closed is news of another time.
        if era != circuit.era or not exchange.reached_endpoint:
            return
        failure = exchange.failure
        if failure in ENDPOINT_ANSWERED:
            circuit.record(exchange.status >= 500, self._clock())
        elif failure in ENDPOINT_FAILED:
            circuit.record(True, self._clock())

    @classmethod
    def summary(cls, options: CircuitBreakerOptions) -> Mapping[str, Any]:
        told: dict[str, Any] = msgspec.to_builtins(options)
        return told

    def state(self, exchange: Exchange) -> Mapping[str, Any]:
        circuit = self._circuits.get(exchange.route.endpoint_name) or Circuit(self.options)
        return circuit.described(self._clock())

    def _circuit(self, endpoint: str) -> Circuit:
        """A new one. Those that are as good as new are forgotten: reloads bring other names."""
        now = self._clock()
        for name, other in tuple(self._circuits.items()):
            if other.is_unused(now):
                del self._circuits[name]
                self._state.remove(self.context.name, name)
        circuit = self._circuits[endpoint] = Circuit(self.options)
        self._state.labels(self.context.name, endpoint).set_function(
            lambda: circuit.state_at(self._clock())
        )
        return circuit


class Circuit:
    """The state machine of one endpoint. Times are seconds of the caller's clock.

    era: counts the changes between letting requests through and refusing them.
    probing: the probes on their way, and when each was let through.
    """

    __slots__ = ("_answers", "_open_until", "_options", "_succeeded", "era", "probing", "state")

    def __init__(self, options: CircuitBreakerOptions) -> None:
        self._options = options
        self._answers = Window(options.window)
        self._open_until = 0.0
        self._succeeded = 0
        self.era = 0
        self.probing: dict[Exchange, float] = {}
        self.state = CLOSED

    def state_at(self, now: float) -> int:
        """An open circuit whose time is over is half-open, whether a request came or not."""
        return HALF_OPEN if self.state == OPEN and now >= self._open_until else self.state

    def described(self, now: float) -> dict[str, Any]:
        """requests, failures: of the window. probes_in: seconds until it is tried again."""
        answers = self._answers
        answers.forget(now)
        state = self.state_at(now)
        return {
            "state": NAMES[state],
            "requests": answers.total,
            "failures": answers.failures,
            "error_ratio": answers.failures / answers.total if answers.total else 0.0,
            "probes_in": max(0.0, self._open_until - now) if state == OPEN else 0.0,
            "probing": len(self.probing),
        }

    def is_unused(self, now: float) -> bool:
        self._answers.forget(now)
        return self.state == CLOSED and not self._answers.total

    def admits(self, exchange: Exchange, now: float) -> bool:
        """Whether this request may go on although the circuit is not closed: as a probe."""
        if self.state == OPEN:
            if now < self._open_until:
                return False
            self.state = HALF_OPEN
            self._succeeded = 0
        if len(self.probing) >= self._options.probes:
            oldest = next(iter(self.probing))
            if now - self.probing[oldest] < self._options.open_for:
                return False
            # It may never end; its place is given away, and its verdict still counts.
            del self.probing[oldest]
        self.probing[exchange] = now
        return True

    def retry_after(self, now: float) -> int:
        """Whole seconds, at least 1."""
        return max(1, ceil(self._open_until - now)) if self.state == OPEN else 1

    def record(self, failed: bool, now: float) -> None:
        if self.state == HALF_OPEN:
            self._succeeded += 1
            if failed:
                self._open(now)
            elif self._succeeded >= self._options.probes:
                self._close()
            return
        answers = self._answers
        answers.add(failed, now)
        if (
            answers.failures
            and answers.total >= self._options.min_requests
            and answers.failures >= answers.total * self._options.error_ratio
        ):
            self._open(now)

    def _open(self, now: float) -> None:
        self.state = OPEN
        self.era += 1
        self.probing.clear()
        self._open_until = now + self._options.open_for

    def _close(self) -> None:
        self.state = CLOSED
        self.era += 1
        self.probing.clear()
        self._answers = Window(self._options.window)


class Window:
    """Answers of the last `seconds`, in buckets of a tenth: a bucket leaves as a whole."""

    __slots__ = ("_buckets", "_position", "_width", "failures", "total")

    def __init__(self, seconds: float) -> None:
        self._width = seconds / BUCKETS
        self._buckets = [[0, 0] for _ in range(BUCKETS)]
        self._position = 0
        self.total = 0
        self.failures = 0

    def add(self, failed: bool, now: float) -> None:
        position = int(now / self._width)
        if position != self._position:
            self.forget(now)
        bucket = self._buckets[position % BUCKETS]
        bucket[0] += 1
        self.total += 1
        if failed:
            bucket[1] += 1
            self.failures += 1

    def forget(self, now: float) -> None:
        """What has left the window by now."""
        position = int(now / self._width)
        first = max(self._position + 1, position - BUCKETS + 1)
        for passed in range(first, position + 1):
            bucket = self._buckets[passed % BUCKETS]
            self.total -= bucket[0]
            self.failures -= bucket[1]
            bucket[:] = (0, 0)
        self._position = position
