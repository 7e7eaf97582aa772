"""What the access log says of a request, as JSON lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.telemetry.json_lines import date_and_time, encode

Record = tuple[Any, ...]

LONGEST_PATH = 2050
"""Bytes of a path as JSON. With what else a client can say, a line stays below the 4 KiB that a
pipe takes whole (WHOLE in lines.py)."""

NEVER_LONGER = LONGEST_PATH // 6
"""Characters, of which each may become six bytes."""

FRACTIONS = tuple(f".{milliseconds:03d}Z" for milliseconds in range(1000))


class Line(msgspec.Struct):
    """What a line says. `path` comes without its query, which may hold secrets."""

    time: str
    request_id: str
    client_ip: str
    method: str
    host: str
    path: str
    status: int
    route: str
    duration_ms: float
    upstream_ms: float | None
    target: str | None
    bytes_in: int
    bytes_out: int
    user: str | None
    failure: str | None


class Lines:
    """Turns records into JSON lines, in the writer's thread: about a microsecond each."""

    def __init__(self) -> None:
        self._second = -1
        self._date = ""

    def render(self, records: Sequence[Record]) -> bytes:
        return encode(self._lines(records))

    def _lines(self, records: Sequence[Record]) -> list[Line]:
        lines = []
        for at, id_, ip, method, host, path, status, route, total, upstream, *rest in records:
            second = int(at)
            if second != self._second:
                self._second = second
                self._date = date_and_time(second)
            shown = path.decode("utf-8", "backslashreplace")
            lines.append(
                Line(
                    self._date + FRACTIONS[int((at - second) * 1000)],
                    id_,
                    ip,
                    method[:32],
                    host,
                    shown if len(shown) < NEVER_LONGER else _cut(shown),
                    status,
                    route,
                    int(total * 1e6) / 1000,
                    None if upstream is None else int(upstream * 1e6) / 1000,
                    *rest,
                )
            )
        return lines


def _cut(text: str) -> str:
    while (size := len(msgspec.json.encode(text))) > LONGEST_PATH:
        text = text[: len(text) * LONGEST_PATH // size]
    return text
