"""Cross-origin resource sharing, as the Fetch standard has it (fetch.spec.whatwg.org)."""

from __future__ import annotations

import re
from typing import ClassVar

import msgspec

from gateway.attributes import TOKEN
from gateway.config.model import Section
from gateway.config.units import Duration
from gateway.errors import Response
from gateway.exchange import Exchange
from gateway.http1.headers import Headers
from gateway.middleware import Middleware
from gateway.plugin import Context

ORIGIN = re.compile(
    r"[a-z][a-z0-9+.-]*://(\*\.)?([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(:\d+)?"
)
LABELS = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*"
Fields = tuple[tuple[str, str], ...]


class CorsOptions(Section, frozen=True):
    """origins: `https://app.example.com`, `https://*.example.com` (any depth, not the domain
    itself), `null` (sandboxed pages and local files), or `*` for everyone.
    methods and headers: what a page may use beyond what is always allowed; `*` for any.
    expose: answer headers a page may read; `*` for any.
    credentials: whether cookies and Authorization may be used; excludes every `*`.
    max_age: how long a browser may remember the preflight's answer.
    """

    origins: list[str]
    methods: list[str] = msgspec.field(default_factory=lambda: ["GET", "HEAD", "POST"])
    headers: list[str] = msgspec.field(default_factory=list)
    expose: list[str] = msgspec.field(default_factory=list)
    credentials: bool = False
    max_age: Duration = 600.0

    def __post_init__(self) -> None:
        for origin in self.origins:
            if origin not in ("*", "null") and ORIGIN.fullmatch(origin) is None:
                raise ValueError(
                    f"{origin!r} is not an origin: expected scheme://host[:port] in lower case, "
                    "without a path"
                )
        for name in (*self.methods, *self.headers, *self.expose):
            if TOKEN.fullmatch(name) is None:
                raise ValueError(f"{name!r} is neither a method nor a header's name")
        lists = (self.origins, self.methods, self.headers, self.expose)
        if self.credentials and any("*" in names for names in lists):
            raise ValueError("'*' and credentials exclude each other: browsers refuse the answer")


class Cors(Middleware[CorsOptions]):
    """Answers preflights itself, with 204, and marks the answers to allowed origins.

    A preflight of an origin that is not allowed gets 204 without Access-Control fields, which is
    what makes the browser refuse. A guard listed before this one sees preflights, which never
    carry credentials: list cors first.
    """

    Options = CorsOptions
    answers_preflight: ClassVar[bool] = True
    """Routes that pass this middleware take preflights whatever their methods are."""

    def __init__(self, options: CorsOptions, context: Context) -> None:
        super().__init__(options, context)
        self._any = "*" in options.origins
        self._exact = frozenset(origin for origin in options.origins if "*" not in origin)
        wildcards = [_pattern(origin) for origin in options.origins if "://*." in origin]
        self._wildcards = re.compile("|".join(wildcards)) if wildcards else None
        self._plain, self._preflight = _fields(options)

    def request(self, exchange: Exchange) -> Response | None:
        headers = exchange.headers
        origin = headers.get("origin")
        if origin is None:
            return None
        preflight = exchange.method == "OPTIONS" and "access-control-request-method" in headers
        # Kept for the response phase: a middleware further down may drop the Origin.
        if self._any:
            exchange.notes[self] = ("*", preflight)
        elif self._allows(origin):
            exchange.notes[self] = (origin, preflight)
        return Response(204) if preflight else None

    def response(self, exchange: Exchange) -> None:
        headers = exchange.answer.headers
        vary = _drop_access_control(headers)
        if not self._any:
            _vary_by_origin(headers, vary)
        allowed: tuple[str, bool] | None = exchange.notes.get(self)
        if allowed is None:
            return
        origin, preflight = allowed
        headers.add("Access-Control-Allow-Origin", origin)
        for name, value in self._preflight if preflight else self._plain:
            headers.add(name, value)

    def _allows(self, origin: str) -> bool:
        if origin in self._exact:
            return True
        return self._wildcards is not None and self._wildcards.fullmatch(origin) is not None


def _fields(options: CorsOptions) -> tuple[Fields, Fields]:
    """What follows Access-Control-Allow-Origin on an answer, and on a preflight's."""
    both: Fields = (("Access-Control-Allow-Credentials", "true"),) if options.credentials else ()
    plain, preflight = both, both
    if options.expose:
        plain += (("Access-Control-Expose-Headers", ", ".join(options.expose)),)
    if options.methods:
        preflight += (("Access-Control-Allow-Methods", ", ".join(options.methods)),)
    if options.headers:
        preflight += (("Access-Control-Allow-Headers", ", ".join(options.headers)),)
    return plain, (*preflight, ("Access-Control-Max-Age", str(int(options.max_age))))


def _pattern(origin: str) -> str:
    before, after = origin.split("*", 1)
    return re.escape(before) + LABELS + re.escape(after)


def _drop_access_control(headers: Headers) -> list[str]:
    """Removes what the upstream says of CORS; the values of Vary, seen on the way."""
    stale, vary = [], []
    for name, value in headers.items():
        lower = name.lower()
        if lower.startswith("access-control-"):
            stale.append(lower)
        elif lower == "vary":
            vary.append(value)
    for name in stale:
        headers.remove(name)
    return vary


def _vary_by_origin(headers: Headers, vary: list[str]) -> None:
    for value in vary:
        for field in value.lower().split(","):
            if field.strip() in ("origin", "*"):
                return
    headers.add("Vary", "Origin")
