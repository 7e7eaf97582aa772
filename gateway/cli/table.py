"""`routes`: the table as the router goes through it, most specific first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gateway.config import Config, Loaded
from gateway.config.model import Route
from gateway.config.nodes import secrets_in
from gateway.router import Router, Rule

HEADINGS = ("ID", "HOSTS", "METHODS", "PATH", "MIDDLEWARES", "ENDPOINT", "IF")


class Endpoint(NamedTuple):
    """Where a route ends: `kind` is the key in the file."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def router_of(config: Config) -> Router[Route]:
    """The routes of a checked file, to be asked which takes what."""
    return Router((rule_of(route), route) for route in config.routes)


def rule_of(route: Route) -> Rule:
    match = route.match
    guards = frozenset(route.middlewares)
    return Rule(
        route.id, match.path, match.methods, match.hosts, match.headers, match.query, guards
    )


def endpoint_of(route: Route) -> Endpoint:
    if route.redirect:
        return Endpoint("redirect", f"{route.redirect.status} {route.redirect.to}")
    if route.respond:
        return Endpoint("respond", str(route.respond.status))
    if route.plugin is not None:
        return Endpoint("plugin", route.plugin)
    return Endpoint("upstream", route.upstream or "")


def as_json(loaded: Loaded) -> str:
    return json.dumps(
        [
            {
                "id": route.id,
                "hosts": route.match.hosts,
                "methods": route.match.methods,
                "path": route.match.path,
                "headers": _conditions(loaded, route, "headers"),
                "query": _conditions(loaded, route, "query"),
                "middlewares": route.middlewares,
                "endpoint": endpoint_of(route)._asdict(),
            }
            for route in _in_order(loaded.config)
        ],
        indent=2,
    )


def as_text(loaded: Loaded) -> str:
    """In columns; the last one, conditions on headers and query, only where there are any."""
    rows = [_row(loaded, route) for route in _in_order(loaded.config)]
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


def _in_order(config: Config) -> list[Route]:
    routes = {route.id: route for route in config.routes}
    return [routes[rule.id] for rule in router_of(config).rules()]


def _row(loaded: Loaded, route: Route) -> tuple[str, ...]:
    headers, query = (_conditions(loaded, route, field) for field in ("headers", "query"))
    conditions = [f"{name}: {value}" for name, value in headers.items()]
    conditions += [f"?{name}={value}" for name, value in query.items()]
    return (
        route.id,
        ",".join(route.match.hosts) or "*",
        ",".join(route.match.methods) or "*",
        route.match.path,
        ",".join(route.middlewares),
        str(endpoint_of(route)),
        ", ".join(conditions),
    )


def _conditions(loaded: Loaded, route: Route, field: str) -> dict[str, str]:
    """Headers or query that the route asks for, less what must not be shown."""
    wanted: dict[str, str] = getattr(route.match, field)
    places = {name: loaded.problems.place(route.match, field, name)[0] for name in wanted}
    return {
        name: "***" if any(secrets_in(places[name])) else value for name, value in wanted.items()
    }
