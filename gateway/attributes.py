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

NOT_IN_A_FIELD = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
# Control characters, what is no character, and spaces at the ends, which recipients take away.
NOT_A_VALUE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]|^ | \Z")
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

    Beyond ASCII it is UTF-8, carried as Latin-1 text like every field's bytes (`field_line`);
    a `header:` goes on as the bytes that came. What is absent becomes "". So does a value with
    a control character, or a space at an end: nothing splits a header, and no two values look
    alike. Raises ValueError for an unknown attribute, or a control character in `text` itself.
    """
    pieces = PLACE.split(text)
    values = [_compile_value(piece) for piece in pieces[1::2]]
    literals = [_literal(piece) for piece in pieces[::2]]
    if not values:
        constant = literals[0]
        return lambda exchange: constant
    if len(values) == 1:
        (before, after), (only,) = literals, values
        return lambda exchange: before + only(exchange) + after
    first, *rest = literals
    pairs = tuple(zip(values, rest, strict=True))

    def filled(exchange: Exchange) -> str:
        value = first
        for attribute, literal in pairs:
            value += attribute(exchange) + literal
        return value

    return filled


def _literal(text: str) -> str:
    if "${" in text:
        raise ValueError("a ${ without its }")
    if NOT_IN_A_FIELD.search(text):
        raise ValueError("a line break or another character that no header may hold")
    return text.encode("utf-8").decode("latin-1")


def _compile_value(expression: str) -> Template:
    attribute = compile_attribute(expression)
    fit = _as_it_came if expression.startswith("header:") else field_value
    return lambda exchange: fit(attribute(exchange) or "")


def _as_it_came(value: str) -> str:
    return "" if NOT_IN_A_FIELD.search(value) else value


def field_value(text: str) -> str:
    """`text` as UTF-8, each byte as the Latin-1 character; "" for what no field can hold."""
    if NOT_A_VALUE.search(text) is not None:
        return ""
    return text if text.isascii() else text.encode("utf-8").decode("latin-1")


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
