"""The access log: one JSON line a request, written by a thread that no request waits for."""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from time import time as now

from gateway.errors import LoadError
from gateway.exchange import Exchange
from gateway.telemetry.access_lines import Lines
from gateway.telemetry.lines import CAPACITY, File, LineWriter, Sink, Stream
from gateway.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

JOINED = 1024
"""Lines that are put together in one go, in a tenth of a millisecond."""


class AccessLog:
    """`destination` is "stdout", "off" or a file's path; LoadError when it cannot be opened.

    Lines follow within 0.1 s. What cannot be written in time, or at all, is dropped and
    counted in `gateway_access_log_dropped_total`. The first line that cannot be made is told, and
    a failing destination once; that is tried again with each batch. A file is opened anew after
    rotation.
    """

    def __init__(self, destination: str, metrics: Metrics) -> None:
        self.enabled = destination != "off"
        self._dropped = metrics.counter(
            "gateway_access_log_dropped_total", "Requests that the access log has no line of."
        )
        self._waiting: deque[str] = deque(maxlen=0)
        self._writer: LineWriter[str] | None = None
        self._lines = Lines()
        self._failed = False
        if self.enabled:
            sink, lost = _sink(destination), self._dropped.inc
            self._writer = LineWriter(sink, _joined, lost, _report, at_once=JOINED)
            self._waiting = self._writer.waiting

    def record(self, exchange: Exchange, seconds: float) -> None:
        """Note a finished request that took so long. The exchange is not kept."""
        if len(self._waiting) >= CAPACITY:
            self._dropped.inc()
            return
        try:
            self._waiting.append(self._lines.line(exchange, now(), seconds))
        except Exception:  # what a middleware made of it must not hurt the request
            self._dropped.inc()
            if not self._failed:
                self._failed = True
                log.exception("a line of the access log cannot be made; others are counted only")

    def close(self, seconds: float = 2.0) -> None:
        """Write what waits. Blocks for `seconds` at most, then gives the rest up."""
        if self._writer is not None:
            self._writer.close(seconds)


def _joined(lines: Sequence[str]) -> bytes:
    return "".join(lines).encode()


def _sink(destination: str) -> Sink:
    if destination == "stdout":
        return Stream(sys.__stdout__)
    try:
        return File(Path(destination))
    except OSError as error:
        raise LoadError(f"server.access_log: {destination}: {error.strerror}") from error


def _report(error: Exception | None) -> None:
    if error is None:
        log.warning("the access log is written again")
    else:
        log.error("the access log cannot be written, lines are dropped: %s", error)
