"""The rules of one host: a dictionary of literal paths beside a tree of segments.

A request walks few and small objects here: with thousands of rules it is not the
instructions that cost but the processor's cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, Generic

from gateway.routing.pattern import Kind, Segment
from gateway.routing.rule import Candidate, T

_precedence = attrgetter("precedence")
Tail = Callable[[list[bytes]], bool]

_NO_LITERALS: dict[bytes, Any] = {}


class Node(Generic[T]):
    """A segment after those on the way from the root, and all patterns that begin so.

    `here` and `below` are the candidates of a path that ends at this node, and of one that
    goes on where no child is, both with the `**` on the way; as long as no other branch of
    the tree takes the path too. Where all patterns go on alike there are no children: `tail`
    says whether a path goes on so too, and `only` who takes it then.
    """

    __slots__ = ("below", "here", "literals", "only", "tail", "wild")

    def __init__(
        self, candidates: list[Candidate[T]], depth: int = 0, above: tuple[Candidate[T], ...] = ()
    ) -> None:
        ending = [one for one in candidates if len(one.pattern.segments) == depth]
        self.below = _sorted([*above, *(one for one in ending if one.pattern.rest)])
        self.here = _sorted([*self.below, *(one for one in ending if not one.pattern.rest)])
        self.tail: Tail | None = None
        self.only: tuple[Candidate[T], ...] = ()
        self.wild: tuple[Node[T], ...] = ()
        self.literals: dict[bytes, Node[T]] = _NO_LITERALS
        ways = {(one.pattern.shape[depth:], one.pattern.rest) for one in candidates}
        if len(ways) == 1 and not ending:
            self.tail = _tail(depth + 1, *ways.pop())
            self.only = _sorted([*above, *candidates])
        else:
            self._branch(candidates, depth)

    def _branch(self, candidates: list[Candidate[T]], depth: int) -> None:
        following: dict[Segment, list[Candidate[T]]] = {}
        for one in candidates:
            if len(one.pattern.segments) > depth:
                following.setdefault(one.pattern.shape[depth], []).append(one)
        children = {
            segment: Node(those, depth + 1, self.below) for segment, those in following.items()
        }
        self.wild = tuple(
            child for segment, child in children.items() if segment.kind is not Kind.LITERAL
        )
        self.literals = {
            segment.text: child
            for segment, child in children.items()
            if segment.kind is Kind.LITERAL
        } or _NO_LITERALS


class Tier(Generic[T]):
    """`host` as the file says it; empty for the rules that name none."""

    def __init__(self, host: str, candidates: list[Candidate[T]]) -> None:
        self.host = host
        literals: dict[bytes, list[Candidate[T]]] = {}
        for one in candidates:
            if one.pattern.kind is Kind.LITERAL:
                literals.setdefault(one.pattern.literal, []).append(one)
        wild = [one for one in candidates if one.pattern.kind is not Kind.LITERAL]
        self.literals = {path: _sorted(those) for path, those in literals.items()}
        self.depth = max((len(one.pattern.segments) + 1 for one in wild), default=0)
        self._root = Node(wild)

    def candidates(self, path: bytes) -> list[Candidate[T]]:
        """The rules whose pattern takes this normal path, the more specific first."""
        literal = self.literals.get(path, ())
        return [*literal, *self.wild(path.split(b"/", self.depth))] if self.depth else [*literal]

    def wild(self, parts: list[bytes]) -> Sequence[Candidate[T]]:
        """The rules in the tree, for a path split at most `depth` times."""
        node = self._root
        for part in parts[1:]:
            if node.tail is not None:
                return node.only if node.tail(parts) else node.below
            child = node.literals.get(part)
            wild = node.wild
            if child is None:
                if not wild or not part:
                    return node.below
                if len(wild) > 1:
                    return self._branching(parts)
                child = wild[0]
            elif wild and part:
                return self._branching(parts)
            node = child
        return node.here

    def _branching(self, parts: list[bytes]) -> Sequence[Candidate[T]]:
        nodes = [self._root]
        found: set[Candidate[T]] = set()
        for part in parts[1:]:
            children: list[Node[T]] = []
            for node in nodes:
                if node.tail is not None and node.tail(parts):
                    found.update(node.only)
                found.update(node.below)
                if part in node.literals:
                    children.append(node.literals[part])
                if part:
                    children += node.wild
            nodes = children
        return _sorted(found.union(*(node.here for node in nodes)))


def _sorted(candidates: Iterable[Candidate[T]]) -> tuple[Candidate[T], ...]:
    return tuple(sorted(candidates, key=_precedence))


@lru_cache(maxsize=1024)
def _tail(start: int, shape: tuple[Segment, ...], rest: bool) -> Tail:
    """Whether the parts from `start` on are as the segments say; shared like the captures."""
    size = start + len(shape)
    fixed = [at for at, segment in enumerate(shape, start) if segment.kind is Kind.LITERAL]
    texts = [segment.text for segment in shape if segment.kind is Kind.LITERAL]
    wild = [at for at in range(start, size) if at not in fixed]

    def goes_on(parts: list[bytes]) -> bool:
        if len(parts) != size and (not rest or len(parts) < size):
            return False
        for at in wild:
            if not parts[at]:
                return False
        return not fixed or [parts[at] for at in fixed] == texts

    return goes_on
