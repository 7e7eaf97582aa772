"""`routes`: the table as the router goes through it, most specific first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from gateway.config import Resolved
from gateway.config.model import Route
from gateway.router import Router, Rule

HEADINGS = ("ID", "HOSTS", "METHODS", "PATH", "MIDDLEWARES", "ENDPOINT", "IF")


class Endpoint(msgspec.Struct, frozen=True):
    """Where a route ends: `kind` is the key in the file."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


class CompiledRoute(msgspec.Struct, frozen=True):
    """A route for people to read; what the file took from outside it is blotted out."""

    id: str
    hosts: Sequence[str]
    methods: Sequence[str]
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    middlewares: Sequence[str]
    endpoint: Endpoint


def compiled(resolved: Resolved) -> list[CompiledRoute]:
    """In the order of precedence."""
    routes = {route.id: route for route in resolved.config.routes}
    return [
        CompiledRoute(
            id=rule.id,
            hosts=rule.hosts,
            methods=routes[rule.id].match.methods,
            path=rule.path,
            headers=_blotted(rule.headers, resolved.secrets),
            query=_blotted(rule.query, resolved.secrets),
            middlewares=routes[rule.id].middlewares,
            endpoint=endpoint_of(routes[rule.id]),
        )
        for rule in router_of(resolved).rules()
    ]


def router_of(resolved: Resolved) -> Router[Route]:
    """The routes of a file, to be asked which takes what."""
    return Router((rule_of(route, resolved), route) for route in resolved.config.routes)


def rule_of(route: Route, resolved: Resolved) -> Rule:
    """As the data plane has it: a route that answers preflights takes OPTIONS for that."""
    match = route.match
    uses = [resolved.middlewares[name].kind for name in route.middlewares]
    preflight = match.methods and any(kind.answers_preflight for kind in uses)
    return Rule(
        id=route.id,
        path=match.path,
        methods=[*match.methods, "OPTIONS"] if preflight else match.methods,
        hosts=match.hosts,
        headers=match.headers,
        query=match.query,
        guards=frozenset(route.middlewares),
    )


def endpoint_of(route: Route) -> Endpoint:
    if route.redirect:
        return Endpoint("redirect", f"{route.redirect.status} {route.redirect.to}")
    if route.respond:
        return Endpoint("respond", str(route.respond.status))
    if route.plugin is not None:
        return Endpoint("plugin", route.plugin)
    return Endpoint("upstream", route.upstream or "")


def as_text(routes: Iterable[CompiledRoute]) -> str:
    """In columns; the last one, conditions on headers and query, only where there are any."""
    rows = [_row(route) for route in routes]
    width = len(HEADINGS) if any(row[-1] for row in rows) else len(HEADINGS) - 1
    return columns([HEADINGS[:width], *(row[:width] for row in rows)])


def columns(rows: Iterable[Sequence[str]], empty: str = "-") -> str:
    """Rows of equal length, each column as wide as its widest cell; `empty` for nothing."""
    cells = [[cell or empty for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def _row(route: CompiledRoute) -> tuple[str, ...]:
    conditions = [f"{name}: {value}" for name, value in route.headers.items()]
    conditions += [f"?{name}={value}" for name, value in route.query.items()]
    return (
        route.id,
        ",".join(route.hosts) or "*",
        ",".join(route.methods) or "*",
        route.path,
        ",".join(route.middlewares),
        str(route.endpoint),
        ", ".join(conditions),
    )


def _blotted(wanted: Mapping[str, str], secrets: frozenset[str]) -> dict[str, str]:
    return {name: "***" if value in secrets else value for name, value in wanted.items()}
