"""What the access log says of a request: a JSON line, made of pieces that are mostly known."""

from __future__ import annotations

from typing import Final

from gateway.exchange import Exchange
from gateway.http1.fields import REMEMBERED
from gateway.telemetry.json_lines import date_and_time, quoted

LONGEST_PATH: Final = 2050
"""Bytes of a path as JSON. With what else a client can say, a line stays below the 4 KiB that a
pipe takes whole (WHOLE in lines.py)."""

NEVER_LONGER: Final = LONGEST_PATH // 6
"""Characters, of which each may become six bytes."""

KEPT: Final = 256
"""Characters of a text that is remembered as JSON."""

FRACTIONS: Final = tuple(f".{milliseconds:03d}" for milliseconds in range(1000))
NULL: Final = "null"


class Lines:
    """Makes lines on the event loop, about a microsecond each."""

    def __init__(self) -> None:
        self._second = -1
        self._date = ""
        self._texts: dict[str, str] = {}
        self._paths: dict[bytes, str] = {}

    def line(self, exchange: Exchange, at: float, seconds: float) -> str:
        """Of a request that ended `at`, by the system's clock, and took so long.

        `path` comes without its query, which may hold secrets. ValueError for no such time.
        """
        second = int(at)
        if second != self._second:
            self._second = second
            self._date = date_and_time(second)
        upstream = exchange.upstream_seconds
        target = exchange.target
        identity = exchange.identity
        failure = exchange.failure
        return (
            f'{{"time":"{self._date}{FRACTIONS[int((at - second) * 1000)]}Z",'
            f'"request_id":{quoted(exchange.request_id)},'
            f'"client_ip":{self._text(exchange.client_ip)},'
            f'"method":{self._text(exchange.method[:32])},'
            f'"host":{self._text(exchange.host[:256])},'
            f'"path":{self._path(exchange.path[:2048])},'
            f'"status":{exchange.status},'
            f'"route":{self._text(exchange.route.id)},'
            f'"duration_ms":{_milliseconds(seconds)},'
            f'"upstream_ms":{NULL if upstream is None else _milliseconds(upstream)},'
            f'"target":{NULL if target is None else self._text(target)},'
            f'"bytes_in":{exchange.bytes_received},'
            f'"bytes_out":{exchange.bytes_sent},'
            f'"user":{NULL if identity is None else self._text(identity.subject[:128])},'
            f'"failure":{NULL if failure is None else self._text(failure)}}}\n'
        )

    def _text(self, text: str) -> str:
        shown = self._texts.get(text)
        if shown is None:
            shown = quoted(text)
            if len(self._texts) >= REMEMBERED:
                self._texts.clear()
            if len(text) <= KEPT:
                self._texts[text] = shown
        return shown

    def _path(self, path: bytes) -> str:
        shown = self._paths.get(path)
        if shown is None:
            text = path.decode("utf-8", "backslashreplace")
            shown = quoted(text if len(text) < NEVER_LONGER else _cut(text))
            if len(self._paths) >= REMEMBERED:
                self._paths.clear()
            if len(path) <= KEPT:
                self._paths[path] = shown
        return shown


def _milliseconds(seconds: float) -> str:
    """To the microsecond."""
    microseconds = int(seconds * 1e6)
    return f"{microseconds // 1000}{FRACTIONS[microseconds % 1000]}"


def _cut(text: str) -> str:
    while (size := len(quoted(text).encode())) > LONGEST_PATH:
        text = text[: len(text) * LONGEST_PATH // size]
    return text
