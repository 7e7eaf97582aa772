"""Expressions about a request, such as `jwt.sub`, compiled once into functions of an exchange."""

from __future__ import annotations

import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from gateway.exchange import Exchange

Attribute = Callable[[Exchange], str | None]
Template = Callable[[Exchange], str]

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A field name (RFC 9110, section 5.6.2)."""

NOT_IN_A_FIELD = re.compile(r"[^\t\x20-\x7e\x80-\xff]")
PLACE = re.compile(r"\$\{([^{}]*)\}")


def compile_attribute(expression: str) -> Attribute:
    """What `expression` says of an exchange; None where that request has no such thing.

    `ip`, `route`, `method`, `host`, `request_id`; `header:x-user`, the first field of that
    name; `jwt.sub`, a claim of the verified token, where a further dot steps into an object;
    `api_key`, the name of the verified key; `param.id`, what `{id}` in the route's path caught.
    Empty values count as absent, and so do claims that are lists or objects.

    Raises ValueError, with a suggestion, for anything else.
    """
    if expression in FIELDS:
        return FIELDS[expression]
    for prefix, of in FAMILIES.items():
        if expression.startswith(prefix) and len(expression) > len(prefix):
            return of(expression.removeprefix(prefix))
    raise ValueError(f"unknown attribute {expression!r}; {_suggestion(expression)}")


def compile_template(text: str) -> Template:
    """`text` with every `${attribute}` filled in, fit to be a header field's value.

    What is absent becomes "". What must not stand in a field (line breaks, NUL, other control
    characters) or cannot (beyond Latin-1) is percent-encoded as UTF-8, so that no claim ever
    splits a header. Raises ValueError for an unknown attribute, or for such a character in the
    text itself.
    """
    pieces = PLACE.split(text)
    literals, attributes = pieces[::2], [compile_attribute(piece) for piece in pieces[1::2]]
    for literal in literals:
        if "${" in literal:
            raise ValueError("a ${ without its }")
        if NOT_IN_A_FIELD.search(literal):
            raise ValueError("a line break or another character that no header may hold")
    if not attributes:
        return lambda exchange: text
    if len(attributes) == 1:
        (before, after), (only,) = literals, attributes
        return lambda exchange: before + field_value(only(exchange) or "") + after
    first, *rest = literals
    pairs = tuple(zip(attributes, rest, strict=True))

    def filled(exchange: Exchange) -> str:
        value = first
        for attribute, literal in pairs:
            value += field_value(attribute(exchange) or "") + literal
        return value

    return filled


def field_value(text: str) -> str:
    """`text` with everything percent-encoded that a field's value must not or cannot hold."""
    if NOT_IN_A_FIELD.search(text) is None:
        return text
    return NOT_IN_A_FIELD.sub(_percent, text)


def _percent(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))


def _api_key(exchange: Exchange) -> str | None:
    identity = exchange.identity
    if identity is None or identity.kind != "api_key":
        return None
    return identity.subject or None


def _header(name: str) -> Attribute:
    if TOKEN.fullmatch(name) is None:
        raise ValueError(f"{name!r} is not a header's name")
    return lambda exchange: exchange.headers.get(name) or None


def _param(name: str) -> Attribute:
    return lambda exchange: exchange.params.get(name) or None


def _claim(path: str) -> Attribute:
    steps = path.split(".")
    if not all(steps):
        raise ValueError(f"a claim's name is missing in 'jwt.{path}'")

    def claim(exchange: Exchange) -> str | None:
        identity = exchange.identity
        if identity is None or identity.kind != "jwt":
            return None
        # A claim's own name may hold dots ("https://example.com/tenant").
        value = identity.claims.get(path)
        if value is None:
            value = _inside(identity.claims, steps)
        return value or None if type(value) is str else _scalar(value)

    return claim


def _inside(value: Any, steps: list[str]) -> Any:
    for step in steps:
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value


def _scalar(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else None


FIELDS: dict[str, Attribute] = {
    "ip": lambda exchange: exchange.client_ip or None,
    "route": lambda exchange: exchange.route.id,
    "method": lambda exchange: exchange.method,
    "host": lambda exchange: exchange.host or None,
    "request_id": lambda exchange: exchange.request_id or None,
    "api_key": _api_key,
}
FAMILIES: dict[str, Callable[[str], Attribute]] = {
    "header:": _header,
    "jwt.": _claim,
    "param.": _param,
}


def _suggestion(expression: str) -> str:
    head, _, argument = re.sub(r"[.:]", "\0", expression, count=1).partition("\0")
    families = {prefix[:-1]: prefix for prefix in FAMILIES}
    close = get_close_matches(head.lower(), [*FIELDS, *families], 1)
    if close:
        family = families.get(close[0])
        meant = f"{family}{argument or 'name'}" if family else close[0]
        return f"did you mean {meant}?"
    return f"known are {', '.join([*FIELDS, *(f'{prefix}name' for prefix in FAMILIES)])}"
