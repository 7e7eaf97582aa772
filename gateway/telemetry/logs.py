"""The gateway's own log: standard `logging`, one JSON line a record on stderr."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Sequence
from typing import Literal

import msgspec

from gateway.telemetry.json_lines import date_and_time, encode
from gateway.telemetry.lines import LineWriter, Sink, Stream
from gateway.telemetry.redaction import redact

CAPACITY = 4_096
LONGEST = 16_384
"""Records that wait at most; characters of a message or trace that are written."""


def configure(level: Literal["debug", "info", "warning", "error"]) -> None:
    """Send all logging to stderr from `level` on. Asked again (a reload), only sets the level."""
    root = logging.getLogger()
    root.setLevel(level.upper())
    # What it has done is told by whoever asked it to.
    logging.getLogger("alembic").setLevel(level.upper() if level == "debug" else "WARNING")
    if not any(isinstance(handler, JsonLogs) for handler in root.handlers):
        root.addHandler(JsonLogs(Stream(sys.__stderr__)))


class Entry(msgspec.Struct, omit_defaults=True):
    """What a line says. `request_id` is there when the caller gave it as `extra`."""

    time: str
    level: str
    logger: str
    message: str
    request_id: str | None = None
    exception: str | None = None


class JsonLogs(logging.Handler):
    """Formats where the record is made, writes in a thread of its own.

    A stuck stderr loses records, never time; how many is said once it works again. Passwords
    in URLs are taken out of messages and traces.
    """

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._traces = logging.Formatter()
        self._lost = 0
        self._counting = threading.Lock()
        self._writer: LineWriter[Entry] = LineWriter(
            sink, self._render, self._lose, _nobody_to_tell, capacity=CAPACITY
        )

    def emit(self, record: logging.LogRecord) -> None:
        try:
            entry = self._entry(record)
        except Exception as error:  # noqa: BLE001 - arguments that do not fit must not raise here
            problem = f"a record cannot be formatted: {type(error).__name__}"
            entry = Entry(_time(record.created), record.levelname, record.name, problem)
        self._writer.add(entry)
        self._writer.wake()

    def close(self) -> None:
        """Write what waits, for a second at most, and leave the root logger."""
        logging.getLogger().removeHandler(self)
        self._writer.close(1.0)
        super().close()

    def _entry(self, record: logging.LogRecord) -> Entry:
        request_id = getattr(record, "request_id", None)
        exception = self._traces.formatException(record.exc_info) if record.exc_info else None
        return Entry(
            _time(record.created),
            record.levelname,
            record.name,
            redact(record.getMessage())[:LONGEST],
            None if request_id is None else str(request_id),
            None if exception is None else redact(exception)[-LONGEST:],
        )

    def _render(self, entries: Sequence[Entry]) -> bytes:
        return encode([*self._confession(), *entries])

    def _confession(self) -> list[Entry]:
        if not self._lost or self._writer.failing:
            return []
        with self._counting:
            lost, self._lost = self._lost, 0
        message = f"{lost} records could not be written here"
        return [Entry(_time(time.time()), "WARNING", __name__, message)]

    def _lose(self, records: int) -> None:
        with self._counting:
            self._lost += records


def _time(created: float) -> str:
    second = int(created)
    return f"{date_and_time(second)}.{int((created - second) * 1000):03d}Z"


def _nobody_to_tell(error: Exception | None) -> None:
    """The log is where failures are told."""
