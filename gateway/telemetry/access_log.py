"""The access log: one JSON line a request, written by a thread that no request waits for."""

from __future__ import annotations

import logging
import sys
from collections import deque
from pathlib import Path
from time import time as now

from gateway.errors import LoadError
from gateway.exchange import Exchange
from gateway.telemetry.access_lines import Lines, Record
from gateway.telemetry.lines import CAPACITY, File, LineWriter, Sink, Stream
from gateway.telemetry.metrics import Metrics

log = logging.getLogger(__name__)


class AccessLog:
    """`destination` is "stdout", "off" or a file's path; LoadError when it cannot be opened.

    Lines follow within 0.1 s. What cannot be written in time, or at all, is dropped and
    counted in `gateway_access_log_dropped_total`; a failing destination is logged once, and
    tried again with each batch. A file is opened anew after rotation.
    """

    def __init__(self, destination: str, metrics: Metrics) -> None:
        self.enabled = destination != "off"
        self._dropped = metrics.counter(
            "gateway_access_log_dropped_total", "Requests that the access log has no line of."
        )
        self._waiting: deque[Record] = deque(maxlen=0)
        self._writer: LineWriter[Record] | None = None
        if self.enabled:
            self._writer = LineWriter(
                _sink(destination), Lines().render, self._dropped.inc, _report
            )
            self._waiting = self._writer.waiting

    def record(self, exchange: Exchange, seconds: float) -> None:
        """Note a finished request that took so long. The exchange is not kept."""
        if len(self._waiting) >= CAPACITY:
            self._dropped.inc()
            return
        identity = exchange.identity
        self._waiting.append(
            (
                now(),
                exchange.request_id,
                exchange.client_ip,
                exchange.method,
                exchange.host[:256],
                exchange.path[:2048],
                exchange.status,
                exchange.route.id,
                seconds,
                exchange.upstream_seconds,
                exchange.target,
                exchange.bytes_received,
                exchange.bytes_sent,
                None if identity is None else identity.subject[:128],
                exchange.failure,
            )
        )

    def close(self, seconds: float = 2.0) -> None:
        """Write what waits. Blocks for `seconds` at most, then gives the rest up."""
        if self._writer is not None:
            self._writer.close(seconds)


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
