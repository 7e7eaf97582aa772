"""Routes: what they name must exist, what they say must make sense, and none hides another."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from gateway.config.model import Respond, Route
from gateway.config.nodes import Mapping, Node, Sequence
from gateway.config.problems import Problems, is_text, shown, suggestion
from gateway.rewrite import compile_rewrite, expand
from gateway.routing.hosts import parse_host
from gateway.routing.pattern import Kind, Pattern, parse_pattern

ENDPOINTS = ("upstream", "plugin", "redirect", "respond")
FRAMING = frozenset(("connection", "content-length", "date", "transfer-encoding", "upgrade"))
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
NOT_IN_A_FIELD = re.compile(r"[^\t\x20-\x7e\x80-\xff]")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
LITERAL = re.compile(r"(?:/[\w.~-]+)+", re.ASCII)


def check_routes(routes: list[Route], root: Mapping, problems: Problems) -> None:
    """Adds the mistakes of all routes; `root` is the file, which has the names they use."""
    ids: dict[str, Node] = {}
    matches: dict[object, tuple[Route, Node]] = {}
    for route in routes:
        node, _ = problems.place(route)
        _unique(route, ids, problems)
        _names(route, root, problems)
        _endpoint(route, problems)
        _conditions(route, problems)
        pattern = _pattern(route, problems)
        if pattern is None:
            continue
        _paths(route, pattern, problems)
        first, line = matches.setdefault(_what_it_takes(route, pattern), (route, node))
        if first is not route:
            name = shown(problems.place(first, "id")[0])
            message = f"takes exactly what route {name} on line {line.line} takes"
            problems.add(*problems.place(route, "match"), message)


def _unique(route: Route, ids: dict[str, Node], problems: Problems) -> None:
    place, trail = problems.place(route, "id")
    if CONTROL.search(route.id):
        problems.add(place, trail, "an id holds no control characters")
    first = ids.setdefault(route.id, place)
    if first is not place:
        message = f"duplicate id {shown(place)}, first on line {first.line}"
        problems.add(place, trail, message)


def _names(route: Route, root: Mapping, problems: Problems) -> None:
    for field, section in (("upstream", "upstreams"), ("plugin", "plugins")):
        if getattr(route, field) is not None:
            problems.check_texts(route, field, _known(field, _keys(root, section)))
    if route.middlewares:
        known = _known("middleware", _keys(root, "middlewares"))
        problems.check_texts(route, "middlewares", known)
        node, trail = problems.place(route, "middlewares")
        assert isinstance(node, Sequence)
        seen: set[str] = set()
        for at, item in enumerate(node.items):
            if is_text(item):
                if item.text in seen:
                    problems.add(item, (trail, at), f"{shown(item)} is in this list already")
                seen.add(item.text)


def _keys(root: Mapping, section: str) -> dict[str, Node]:
    node = root.entries.get(section)
    return node.entries if isinstance(node, Mapping) else {}


def _known(noun: str, names: dict[str, Node]) -> Callable[[str], None]:
    def check(name: str) -> None:
        if name not in names:
            raise ValueError(f"unknown {noun}{suggestion(name, names)}")

    return check


def _endpoint(route: Route, problems: Problems) -> None:
    node, trail = problems.place(route)
    assert isinstance(node, Mapping)
    given = [key for key in ENDPOINTS if key in node.entries]
    if not given:
        problems.add(
            node, trail, f"the route ends nowhere: one of {', '.join(ENDPOINTS)} is missing"
        )
    for extra in given[1:]:
        problems.add(node.keys[extra], (trail, extra), f"the route ends at its {given[0]} already")
    for field in ("strip_prefix", "rewrite"):
        if field in node.entries and given and given[0] in ("redirect", "respond"):
            message = f"has no meaning where the route ends at a {given[0]}"
            problems.add(node.keys[field], (trail, field), message)
    if "strip_prefix" in node.entries and "rewrite" in node.entries:
        problems.add(node.keys["rewrite"], (trail, "rewrite"), "excludes strip_prefix")
    if route.respond:
        _respond(route.respond, problems)


def _respond(respond: Respond, problems: Problems) -> None:
    if respond.body and respond.status in (204, 205, 304):
        problems.add(*problems.place(respond, "body"), f"a {respond.status} has no body")
    for name, value in respond.headers.items():
        node, trail = problems.place(respond, "headers", name)
        if not TOKEN.fullmatch(name):
            problems.add(node, trail, "this is not a header's name")
        elif name.lower() in FRAMING:
            problems.add(node, trail, "this header is set by the gateway")
        if NOT_IN_A_FIELD.search(value):
            problems.add(node, trail, "a header cannot hold this value")


def _conditions(route: Route, problems: Problems) -> None:
    problems.check_texts(route.match, "hosts", parse_host)
    problems.check_texts(route.match, "methods", _method)
    for name in route.match.headers:
        if not TOKEN.fullmatch(name):
            problems.add(
                *problems.place(route.match, "headers", name), "this is not a header's name"
            )


def _method(text: str) -> None:
    if not TOKEN.fullmatch(text):
        raise ValueError("this is not a method")
    if text != text.upper():
        raise ValueError(f"methods are in upper case, did you mean {text.upper()!r}?")


def _pattern(route: Route, problems: Problems) -> Pattern | None:
    try:
        return parse_pattern(route.match.path)
    except ValueError as error:
        node, trail = problems.place(route.match, "path")
        problems.add(node, trail, f"{shown(node)}: {error}")
        return None


def _paths(route: Route, pattern: Pattern, problems: Problems) -> None:
    about, _ = problems.place(route)
    problems.check_texts(route, "strip_prefix", partial(_check_prefix, pattern), about)
    problems.check_texts(route, "rewrite", partial(compile_rewrite, pattern.text, None), about)
    if route.redirect:
        problems.check_texts(route.redirect, "to", partial(expand, pattern.text), about)


def _check_prefix(pattern: Pattern, text: str) -> None:
    if text == "/" or (pattern.text.startswith(f"{text}/") and LITERAL.fullmatch(text)):
        return
    prefix = parse_pattern(text.rstrip("/") or text)
    if prefix.kind is not Kind.LITERAL:
        raise ValueError("a prefix is literal, without {name}, * and **")
    if pattern.segments[: len(prefix.segments)] != prefix.segments:
        raise ValueError(f"is not how the paths of {pattern.text} begin")


def _what_it_takes(route: Route, pattern: Pattern) -> object:
    """Equal for two routes that take the same requests with the same precedence."""
    match = route.match
    segments = tuple(
        (segment.kind, segment.text if segment.kind is Kind.LITERAL else b"")
        for segment in pattern.segments
    )
    return (
        (segments, pattern.rest),
        frozenset(host.lower() for host in match.hosts),
        frozenset((*match.methods, *(["HEAD"] if "GET" in match.methods else ()))),
        frozenset((name.lower(), value) for name, value in match.headers.items()),
        frozenset(match.query.items()),
    )
