"""`explain`: which route takes a request, why, and what becomes of the request there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple

from gateway.cli.table import Endpoint, columns, endpoint_of, router_of
from gateway.config import Loaded
from gateway.config.model import Route
from gateway.config.problems import without_secrets
from gateway.errors import GatewayError
from gateway.http1.headers import HeaderLines, field_line
from gateway.http1.path import PathRefused
from gateway.rewrite import compile_rewrite, expand
from gateway.router import Explanation, Match
from gateway.routing.pattern import Captures


class NotARequest(GatewayError):
    """The method, URL or header given is none."""


class Request(NamedTuple):
    """`host` in lower case and without its port; `path` and `query` as they were given."""

    method: str
    host: str
    path: bytes
    query: bytes
    headers: HeaderLines


class Verdict(NamedTuple):
    """What became of one of the routes whose host and path take the request."""

    id: str
    host: str
    path: str
    verdict: str


class Guard(NamedTuple):
    name: str
    use: str


class Explained(NamedTuple):
    """The answer: a route, or None with the status, reason and methods that the client gets.

    sent_to: the URL for each target of an upstream, the path a plugin sees, or a redirect's
    Location; empty for a fixed answer.
    """

    route: str | None
    status: int | None
    reason: str
    allow: Sequence[str]
    considered: Sequence[Verdict]
    middlewares: Sequence[Guard]
    endpoint: Endpoint | None
    sent_to: Sequence[str]

    def as_json(self) -> str:
        answer = self._asdict()
        for key in ("considered", "middlewares"):
            answer[key] = [each._asdict() for each in answer[key]]
        answer["endpoint"] = self.endpoint and self.endpoint._asdict()
        return json.dumps(answer, indent=2)

    def as_text(self) -> str:
        rows = [("route", self.route or f"none: {self._refusal()}")]
        if self.route and self.reason:
            rows.append(("but", self._refusal()))
        for at, each in enumerate(self.considered):
            verdict = f"{each.id} ({each.host}{each.path}): {each.verdict}"
            rows.append(("" if at else "because", verdict))
        if self.route:
            guards = [f"{guard.name} ({guard.use})" for guard in self.middlewares]
            rows.append(("middlewares", " -> ".join(guards) or "none"))
            rows.append(("endpoint", str(self.endpoint)))
        rows += [("" if at else "sent to", place) for at, place in enumerate(self.sent_to)]
        return columns(rows, empty="")

    def _refusal(self) -> str:
        status = HTTPStatus(self.status or 404)
        allowed = f"allowed: {', '.join(self.allow)}" if self.allow else ""
        words = ". ".join(each for each in (self.reason.rstrip("."), allowed) if each)
        return f"{status.value} {status.phrase}{f' ({words})' if words else ''}"


def explain(loaded: Loaded, method: str, url: str, headers: Sequence[str]) -> Explained:
    """What the table of a checked file does with a request. Raises NotARequest."""
    request = request_of(method, url, headers)
    found = router_of(loaded.config).explain(*request)
    considered = _verdicts(loaded, found)
    if not isinstance(found.outcome, Match):
        reason = " ".join(each for each in (found.outcome.reason, found.note) if each)
        outcome = found.outcome
        return Explained(None, outcome.status, reason, outcome.allow, considered, (), None, ())
    route = found.outcome.target
    middlewares = [Guard(name, loaded.config.middlewares[name].use) for name in route.middlewares]
    status, reason, sent_to = None, "", []
    try:
        sent_to = _sent_to(loaded, route, request, found.outcome.captures)
    except PathRefused as refused:
        status, reason = 400, str(refused)
    endpoint = endpoint_of(route)
    return Explained(route.id, status, reason, (), considered, middlewares, endpoint, sent_to)


def request_of(method: str, url: str, headers: Sequence[str]) -> Request:
    """`url` is a path, or has a scheme and a host; a Host header goes before that host."""
    host = ""
    scheme, separator, rest = url.partition("://")
    if separator and "/" not in scheme:
        host, slash, rest = rest.partition("/")
        url = slash + rest if slash else "/"
        if "?" in host:
            host, _, query = host.partition("?")
            url = f"/?{query}"
    elif not url.startswith("/"):
        raise NotARequest(
            f"{url!r} is neither a path nor a URL: expected /path or http://host/path"
        )
    path, _, query = url.partition("#")[0].partition("?")
    lines = HeaderLines([_line(header) for header in headers])
    host = _without_port(lines.get("host") or host)
    return Request(method, host, path.encode(), query.encode(), lines)


def _line(header: str) -> bytes:
    name, colon, value = header.partition(":")
    try:
        if not colon or not name:
            raise ValueError("a header is written 'Name: value'")
        return field_line(name.strip(), value.strip())
    except ValueError as error:
        raise NotARequest(f"{header!r}: {error}") from None


def _without_port(host: str) -> str:
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdigit() else host.lower()


def _verdicts(loaded: Loaded, found: Explanation[Route]) -> list[Verdict]:
    routes = {route.id: route for route in loaded.config.routes}
    return [
        Verdict(
            each.rule.id,
            each.host,
            each.rule.path,
            without_secrets(each.verdict, loaded.problems.place(routes[each.rule.id])[0]),
        )
        for each in found.considered
    ]


def _sent_to(loaded: Loaded, route: Route, request: Request, captures: Captures) -> list[str]:
    query = f"?{request.query.decode()}" if request.query else ""
    if route.redirect:
        place = expand(route.match.path, route.redirect.to)(captures)
        return [place if "?" in place else place + query]
    if route.respond:
        return []
    rewrite = compile_rewrite(route.match.path, route.strip_prefix, route.rewrite)
    path = rewrite(request.path, captures) if rewrite else request.path
    target = path.decode() + query
    if route.upstream is None:
        return [target]
    bases = [each.url for each in loaded.config.upstreams[route.upstream].targets]
    return [
        f"{base} {target}" if base.startswith("unix:") else base.rstrip("/") + target
        for base in bases
    ]
