"""The language of path patterns: literals, `{name}`, `*` and a `**` at the end."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import IntEnum
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple
from urllib.parse import quote

from gateway.http1.path import VISIBLE, PathRefused, read, spell

Captures = tuple[bytes, ...]
Rank = tuple[int, int, tuple[int, ...]]

# What the tree's depth costs at load is bounded.
MOST_SEGMENTS = 100

_NAME = re.compile(rb"\{([A-Za-z_][A-Za-z0-9_-]*)\}")
_SPECIAL = re.compile(rb"[{}*]")


class Kind(IntEnum):
    """What a segment takes, or at most takes in a whole pattern; the smaller wins."""

    LITERAL = 0
    NAME = 1
    ANY = 2
    REST = 3


class Segment(NamedTuple):
    """`text` is the literal in its normal form, or the name, or empty."""

    kind: Kind
    text: bytes


class Pattern(NamedTuple):
    """Segments from the left; with `rest` also everything below them, and they themselves."""

    text: str
    segments: tuple[Segment, ...]
    rest: bool

    @property
    def kind(self) -> Kind:
        return Kind.REST if self.rest else max(segment.kind for segment in self.segments)

    @property
    def rank(self) -> Rank:
        """Sorts the more specific pattern first.

        By kind, then the longer `**`, then what is more literal from the left.
        """
        kinds = tuple(segment.kind for segment in self.segments)
        return (self.kind, -len(kinds) if self.rest else 0, kinds)

    @property
    def names(self) -> tuple[str | None, ...]:
        """The name of each capture from the left; None for `*` and `**`."""
        caught = tuple(
            segment.text.decode() or None
            for segment in self.segments
            if segment.kind is not Kind.LITERAL
        )
        return (*caught, None) if self.rest else caught

    @property
    def shape(self) -> tuple[Segment, ...]:
        """What it takes, whatever its names are called."""
        return tuple(
            segment if segment.kind is Kind.LITERAL else Segment(segment.kind, b"")
            for segment in self.segments
        )

    @property
    def literal(self) -> bytes:
        """The path that a pattern of literals only takes."""
        return b"/" + b"/".join(segment.text for segment in self.segments)

    @property
    def depth(self) -> int:
        """Into how many parts a path must be split at least for `captures`, less one."""
        return len(self.segments) + self.rest

    def captures(self) -> Callable[[list[bytes]], Captures]:
        """What picks the captures out of a path that this pattern takes, split at slashes."""
        spots = tuple(
            spot
            for spot, segment in enumerate(self.segments, 1)
            if segment.kind is not Kind.LITERAL
        )
        return _picker(spots, self.depth if self.rest else None)


def parse_pattern(text: str) -> Pattern:
    """Raises ValueError for a pattern that makes no sense, or that no request could match."""
    raw = literal(text)
    parts = raw.split(b"/")[1:]
    if len(parts) > MOST_SEGMENTS:
        raise ValueError(f"a path has at most {MOST_SEGMENTS} segments")
    rest = parts[-1] == b"**"
    segments = tuple(_segment(part) for part in (parts[:-1] if rest else parts))
    names = [segment.text for segment in segments if segment.kind is Kind.NAME]
    if len(names) != len(set(names)):
        raise ValueError("a name is used twice")
    return Pattern(text, segments, rest)


def literal(text: str) -> bytes:
    """A path of the configuration as requests spell it. Raises ValueError where none could."""
    if not text.startswith("/"):
        raise ValueError("a path starts with /")
    raw = encoded(text)
    try:
        read(raw)
    except PathRefused as refused:
        raise ValueError(f"{str(refused)[:-1].lower()}: no request could have it") from None
    if b"//" in raw:
        raise ValueError("// counts as /: write one slash")
    return raw


def encoded(text: str) -> bytes:
    """Spaces and non-ASCII characters escaped as UTF-8. Raises ValueError for control bytes."""
    if not text.isprintable():
        raise ValueError("a character that cannot be in a path")
    return quote(text, safe=VISIBLE).encode()


@lru_cache(maxsize=4096)
def _segment(part: bytes) -> Segment:
    if part == b"*":
        return Segment(Kind.ANY, b"")
    if part == b"**":
        raise ValueError("** can only be the last segment")
    if name := _NAME.fullmatch(part):
        return Segment(Kind.NAME, name[1])
    if _SPECIAL.search(part):
        raise ValueError("{name}, * and ** each take a whole segment (%2A is a literal *)")
    return Segment(Kind.LITERAL, spell(part))


# Shared by all patterns, as segments are: thousands of them are one in the processor's cache.
@lru_cache(maxsize=1024)
def _picker(spots: tuple[int, ...], below: int | None) -> Callable[[list[bytes]], Captures]:
    if below is not None:
        if spots:
            return lambda parts: (*[parts[spot] for spot in spots], b"/".join(parts[below:]))
        return lambda parts: (b"/".join(parts[below:]),)
    if len(spots) > 1:
        return itemgetter(*spots)
    return lambda parts: tuple([parts[spot] for spot in spots])
