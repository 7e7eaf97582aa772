"""What a route asks of a request, and how a request is held against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import parse_qsl

from gateway.http1.headers import Fields
from gateway.routing.pattern import Captures, Rank, parse_pattern

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rule:
    """All of it must hold; what is empty holds always.

    hosts: `api.example.com`, or `*.example.com` for any depth below but not the apex.
    headers: name (any case) to the exact value of any field of that name. query: name to the
    exact decoded value of any occurrence. methods: GET takes HEAD too.
    guards: names of the route's middlewares.
    """

    id: str
    path: str
    methods: Sequence[str] = ()
    hosts: Sequence[str] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    guards: frozenset[str] = frozenset()


class Match(NamedTuple, Generic[T]):
    """`captures` are the raw bytes that `{name}`, `*` and `**` caught, from the left."""

    target: T
    captures: Captures = ()


class Asked(NamedTuple):
    """What a request brings besides its host and path; both `query` and `headers` as received."""

    method: str
    query: bytes
    headers: Fields


class Precedence(NamedTuple):
    """Of two rules on one host the smaller goes first."""

    path: Rank
    methods: bool
    headers: int
    query: int
    order: int


class Candidate(Generic[T]):
    """A rule made ready to be asked. Raises ValueError for a pattern that makes no sense."""

    __slots__ = ("bare", "captures", "match", "methods", "pattern", "precedence", "rule", "target")

    def __init__(self, rule: Rule, target: T, order: int) -> None:
        self.rule = rule
        self.target = target
        self.match = Match(target)
        self.pattern = parse_pattern(rule.path)
        self.captures = self.pattern.captures()
        self.methods = _with_head(tuple(rule.methods))
        self.bare = not (rule.headers or rule.query)
        self.precedence = Precedence(
            self.pattern.rank, not rule.methods, -len(rule.headers), -len(rule.query), order
        )

    def takes(self, method: str, query: bytes, headers: Fields) -> bool:
        """Whether everything but host and path is as the rule asks."""
        if self.methods and method not in self.methods:
            return False
        return self.bare or self.objection(query, headers) is None

    def objection(self, query: bytes, headers: Fields) -> str | None:
        """The header or query parameter that is not as the rule asks."""
        for name, value in self.rule.headers.items():
            if value not in headers.getall(name):
                return f"header {name} is not {value}"
        for name, value in self.rule.query.items():
            if (name, value) not in _pairs(query):
                return f"query {name} is not {value}"
        return None


# Shared objects stay in the processor's cache when there are thousands of rules.
@lru_cache(maxsize=256)
def _with_head(methods: tuple[str, ...]) -> frozenset[str]:
    """RFC 9110 9.3.2: HEAD is GET without the content."""
    named = frozenset(method.upper() for method in methods)
    return named | {"HEAD"} if "GET" in named else named


@lru_cache(maxsize=1)
def _pairs(query: bytes) -> frozenset[tuple[str, str]]:
    return frozenset(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
