"""`explain`: which route takes a request, why, and what becomes of the request there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec

from gateway.cli.routes import Endpoint, columns, endpoint_of, router_of
from gateway.config import Resolved
from gateway.config.model import Route
from gateway.errors import GatewayError
from gateway.http1.headers import HeaderLines, field_line
from gateway.rewrite import compile_rewrite, expand
from gateway.router import Considered, NoMatch, Router
from gateway.routing.pattern import Captures


class NotARequest(GatewayError, ValueError):
    """The URL or a header given is none."""


class Request(NamedTuple):
    """`host` in lower case, without port and last dot; `path` and `query` as they were given."""

    method: str
    host: str
    path: bytes
    query: bytes
    headers: HeaderLines


class Verdict(msgspec.Struct, frozen=True):
    """What became of one of the routes whose host and path take the request."""

    id: str
    host: str
    path: str
    verdict: str


class Guard(msgspec.Struct, frozen=True):
    """A middleware of the route, by its name and class. options: those that may be shown."""

    name: str
    use: str
    options: Mapping[str, Any] | None = None


class Explained(msgspec.Struct, frozen=True):
    """A route, or None and the status, reason and methods that the client is told.

    sent_to: the URL for each target of an upstream, the path that a plugin sees, or a
    redirect's Location; empty for a fixed answer. balance: between an upstream's targets.
    """

    route: str | None
    status: int | None
    reason: str
    allow: Sequence[str]
    considered: Sequence[Verdict]
    middlewares: Sequence[Guard] = ()
    endpoint: Endpoint | None = None
    sent_to: Sequence[str] = ()
    balance: str | None = None


def explain(
    resolved: Resolved,
    method: str,
    url: str,
    headers: Sequence[tuple[str, str]],
    router: Router[Any] | None = None,
) -> Explained:
    """What the table does with a request. Raises NotARequest, which is a ValueError.

    `url` is a path, or has a scheme and a host; a Host header goes before that host.
    `router` is one whose targets have the routes' ids; it saves building another.
    """
    request = request_of(method, url, headers)
    found = (router or router_of(resolved)).explain(*request)
    considered = [_verdict(each, resolved.secrets) for each in found.considered]
    outcome = found.outcome
    if isinstance(outcome, NoMatch):
        reason = " ".join(each for each in (outcome.reason, found.note) if each)
        return Explained(None, outcome.status, reason, outcome.allow, considered)
    route = next(each for each in resolved.config.routes if each.id == outcome.target.id)
    return Explained(
        route=route.id,
        status=None,
        reason="",
        allow=(),
        considered=considered,
        middlewares=[_guard(resolved, name) for name in route.middlewares],
        endpoint=endpoint_of(route),
        sent_to=_sent_to(resolved, route, request, outcome.captures),
        balance=_balance(resolved, route),
    )


def as_text(explained: Explained, admin: str | None = None) -> str:
    """`admin` is the address of the listener that knows how guards and targets stand."""
    rows = [("route", explained.route or f"none: {_refusal(explained)}")]
    verdicts = [
        f"{each.id} ({each.host}{each.path}): {each.verdict}" for each in explained.considered
    ]
    rows += _listed("because", verdicts)
    if explained.route:
        guards = [f"{guard.name} ({guard.use})" for guard in explained.middlewares]
        rows.append(("middlewares", " -> ".join(guards) or "none"))
        rows += _listed(
            "options", [_options(each) for each in explained.middlewares if each.options]
        )
        rows.append(("endpoint", str(explained.endpoint)))
        rows += _listed("sent to", explained.sent_to)
    if explained.balance is not None:
        rows.append(("balance", explained.balance))
    if admin is not None and (explained.balance or any(g.options for g in explained.middlewares)):
        rows.append(("state", f"told by GET /explain on the admin listener, {admin}"))
    return columns(rows, empty="")


def _options(guard: Guard) -> str:
    said = [f"{name} {_value(value)}" for name, value in (guard.options or {}).items()]
    return f"{guard.name}: {', '.join(said)}"


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else "none" if value is None else str(value)


def _listed(heading: str, lines: Sequence[str]) -> list[tuple[str, str]]:
    return [("" if at else heading, line) for at, line in enumerate(lines)]


def _refusal(explained: Explained) -> str:
    status = HTTPStatus(explained.status or 404)
    allowed = f"allowed: {', '.join(explained.allow)}" if explained.allow else ""
    words = ". ".join(each for each in (explained.reason.rstrip("."), allowed) if each)
    return f"{status.value} {status.phrase}{f' ({words})' if words else ''}"


def request_of(method: str, url: str, headers: Sequence[tuple[str, str]]) -> Request:
    """As a client would send it. Raises NotARequest."""
    host = ""
    scheme, separator, rest = url.partition("://")
    if separator and scheme.isalpha():
        host = rest.replace("?", "/").partition("/")[0]
        url = rest.removeprefix(host)
        url = url if url.startswith("/") else f"/{url}"
    if not url.startswith("/"):
        raise NotARequest(
            f"{url!r} is neither a path nor a URL: expected /path or http://host/path"
        )
    path, _, query = url.partition("#")[0].partition("?")
    try:
        lines = HeaderLines([field_line(name, value) for name, value in headers])
    except ValueError as error:
        raise NotARequest(str(error)) from None
    host = _normal_host(lines.get("host") or host)
    return Request(method, host, _bytes(path), _bytes(query), lines)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _normal_host(host: str) -> str:
    name, colon, port = host.lower().rpartition(":")
    return (name if colon and port.isdigit() else host.lower()).rstrip(".")


def _verdict(considered: Considered, secrets: frozenset[str]) -> Verdict:
    rule, text = considered.rule, considered.verdict
    for value in (*rule.headers.values(), *rule.query.values()):
        if value and value in secrets:
            text = text.replace(value, "***")
    return Verdict(rule.id, considered.host, rule.path, text)


def _guard(resolved: Resolved, name: str) -> Guard:
    use = resolved.middlewares[name]
    summary = use.kind.summary(use.options)
    return Guard(name, resolved.config.middlewares[name].use, summary)


def _balance(resolved: Resolved, route: Route) -> str | None:
    """With the weights, where they differ."""
    if route.upstream is None:
        return None
    upstream = resolved.config.upstreams[route.upstream]
    weights = [target.weight for target in upstream.targets]
    if len(set(weights)) == 1:
        return str(upstream.balance)
    return f"{upstream.balance}, weights {':'.join(map(str, weights))}"


def _sent_to(resolved: Resolved, route: Route, request: Request, captures: Captures) -> list[str]:
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
    bases = [each.url for each in resolved.config.upstreams[route.upstream].targets]
    return [
        f"{base} {target}" if base.startswith("unix:") else base.rstrip("/") + target
        for base in bases
    ]
