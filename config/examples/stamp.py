"""A middleware to copy: it stamps every answer, and wants a reason for every change."""

from __future__ import annotations

import time

import msgspec

from gateway import Exchange, Middleware, Problem, Response

READS = frozenset({"GET", "HEAD", "OPTIONS"})


class StampOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`name` goes into the stamp; `reason_for_changes` asks writers for an X-Reason header."""

    name: str
    reason_for_changes: bool = False


class Stamp(Middleware[StampOptions]):
    """`Server-Timing: <name>;dur=<milliseconds>` on the way up."""

    Options = StampOptions

    def request(self, exchange: Exchange) -> Response | None:
        exchange.notes[self] = time.perf_counter()
        may_pass = exchange.method in READS or exchange.headers.get("x-reason")
        if self.options.reason_for_changes and not may_pass:
            return Problem(400, "a change needs an X-Reason header")
        return None

    def response(self, exchange: Exchange) -> None:
        milliseconds = (time.perf_counter() - exchange.notes[self]) * 1000
        exchange.answer.headers.set("Server-Timing", f"{self.options.name};dur={milliseconds:.1f}")

    def done(self, exchange: Exchange) -> None:
        if exchange.failure:
            self.context.log.warning("%s: %s", exchange.request_id, exchange.failure)
