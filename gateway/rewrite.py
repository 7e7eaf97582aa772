"""The path an upstream or a redirect is given, compiled at load.

`strip_prefix` takes whole segments off the left; `rewrite` is a template in which `{1}` or
`{name}` stand for what the route's pattern caught, counted from the left. Both work on the
bytes as received, and what they make begins with exactly one slash where the path was theirs
to change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from gateway.http1.path import VISIBLE, PathRefused, is_plain, read, spell, split
from gateway.routing.pattern import Captures, Kind, Pattern, encoded, parse_pattern

Rewrite = Callable[[bytes, Captures], bytes]

_REFERENCE = re.compile(r"\{([^{}]*)\}")
_ORIGIN = re.compile(rb"/(?!/)|https?://[^/?#{}@]+(?=[/?#]|\Z)")


class Template(NamedTuple):
    """`form` has a `%b` for each capture; `spots` say which."""

    form: bytes
    spots: tuple[int, ...]

    def fill(self, captures: Sequence[bytes]) -> bytes:
        return self.form % tuple([captures[spot] for spot in self.spots])


def compile_rewrite(pattern: str, strip_prefix: str | None, rewrite: str | None) -> Rewrite | None:
    """What turns a received path into the one sent on; None where it stays as it is.

    Raises ValueError for a prefix that the pattern's paths never have, or a template that
    makes no sense. What it returns raises PathRefused where captures that no router made
    would put a dot segment or a line break into the path.
    """
    if strip_prefix is not None and rewrite is not None:
        raise ValueError("strip_prefix and rewrite cannot be had both")
    parsed = parse_pattern(pattern)
    if rewrite is not None:
        return _rewriter(_path_template(parsed, rewrite))
    if strip_prefix is None or strip_prefix == "/":
        return None
    return _stripper(_prefix(parsed, strip_prefix))


def expand(pattern: str, to: str) -> Callable[[Captures], str]:
    """What makes the Location of a redirect from captures: a path, or an http(s) URL.

    Raises ValueError, also where a capture would be part of the scheme or the host, because
    then the client could choose where it is sent. No capture makes another host of a path.
    What it returns raises PathRefused as a rewrite does.
    """
    form, spots = template = _template(parse_pattern(pattern), to)
    literal = template.fill([b"{}"] * len(capture_names(pattern)))
    if not _ORIGIN.match(literal):
        raise ValueError("expected a path, or an http(s) URL with no capture in its host")
    if b"\\" in literal:
        raise ValueError("a URL holds no backslash")

    def location(captures: Captures) -> str:
        place = form % tuple([captures[spot] for spot in spots])
        if place.translate(None, VISIBLE):
            raise PathRefused("The path holds a character that must be escaped.")
        if place.startswith(b"//"):
            place = b"/" + place.lstrip(b"/")
        return place.decode()

    return location


def capture_names(pattern: str) -> tuple[str | None, ...]:
    """Of each capture from the left; None for `*` and `**`. Raises ValueError."""
    return parse_pattern(pattern).names


def params_of(pattern: str) -> Callable[[Captures], dict[str, str]]:
    """What decodes the named captures: percent-decoded UTF-8, U+FFFD for what is none.

    Raises ValueError.
    """
    named = [(spot, name) for spot, name in enumerate(capture_names(pattern)) if name is not None]

    def params(captures: Captures) -> dict[str, str]:
        return {
            name: unquote_to_bytes(captures[spot]).decode("utf-8", "replace")
            for spot, name in named
        }

    return params


def _rewriter(template: Template) -> Rewrite:
    form, spots = template

    def rewritten(path: bytes, captures: Captures) -> bytes:
        result = form % tuple([captures[spot] for spot in spots])
        if is_plain(result):
            return result
        read(result)
        return b"/" + result.lstrip(b"/")

    return rewritten


def _stripper(segments: list[bytes]) -> Rewrite:
    below = b"/" + b"/".join(segments) + b"/"
    size = len(below)
    count = len(segments)

    def stripped(path: bytes, captures: Captures) -> bytes:
        if path.startswith(below) and path[size : size + 1] != b"/":
            return path[size - 1 :]
        parts = split(path, count + 1)[1:]
        if [spell(part) for part in parts[:count]] != segments:
            return path
        return b"/" + b"".join(parts[count:])

    return stripped


def _prefix(pattern: Pattern, text: str) -> list[bytes]:
    prefix = parse_pattern(text.rstrip("/"))
    if prefix.kind is not Kind.LITERAL:
        raise ValueError("a prefix is literal, without {name}, * and **")
    known = [
        segment.kind is not Kind.LITERAL or segment == expected
        for segment, expected in zip(pattern.segments, prefix.segments, strict=False)
    ]
    short = len(pattern.segments) < len(prefix.segments) and not pattern.rest
    if short or not all(known):
        raise ValueError(f"{text} is not the beginning of {pattern.text}")
    return [segment.text for segment in prefix.segments]


def _path_template(pattern: Pattern, text: str) -> Template:
    template = _template(pattern, text)
    # With a slash for each capture every piece of literal text is a segment of its own,
    # which is the most that a capture's empty value, or a %2F at its end, can do.
    try:
        read(template.fill([b"/"] * len(pattern.names)))
    except PathRefused as refused:
        raise ValueError(f"{text} can make no path: {str(refused)[:-1].lower()}") from None
    if not text.startswith("/") or "*" in text:
        raise ValueError("expected a path with {1} or {name} for what the pattern caught")
    return template


def _template(pattern: Pattern, text: str) -> Template:
    pieces = _REFERENCE.split(text)
    spots = tuple(_spot(pattern, reference) for reference in pieces[1::2])
    literals = [_literal(piece).replace(b"%", b"%%") for piece in pieces[::2]]
    return Template(b"%b".join(literals), spots)


def _spot(pattern: Pattern, reference: str) -> int:
    names = pattern.names
    known = {str(spot): spot - 1 for spot in range(1, len(names) + 1)}
    known |= {name: spot for spot, name in enumerate(names) if name is not None}
    if reference not in known:
        caught = ", ".join(f"{{{name}}}" for name in known) or "nothing"
        raise ValueError(f"{{{reference}}} is not caught by {pattern.text}, which has {caught}")
    return known[reference]


def _literal(text: str) -> bytes:
    if "{" in text or "}" in text:
        raise ValueError("a brace without its partner")
    return encoded(text)
