"""Consistent hashing with bounded load: the same key to the same target, as long as it is fit.

A ring of points; a target that leaves gives its keys to its neighbours on the ring and moves
no others (Karger et al. 1997). No target takes more than BOUND times its fair share of what is
in flight: what is too much goes on to the next one (Mirrokni, Thorup, Zadimoghaddam 2016).
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Collection, Iterator, Sequence
from hashlib import blake2b
from math import ceil

from gateway.upstream.balance import Asked, LeastRequests, least_loaded
from gateway.upstream.target import Target

POINTS = 160
"""Points of the heaviest target."""
BOUND = 1.25

Key = Callable[[Asked], bytes]


class ConsistentHash:
    """By the key of a request; a request without one goes where the fewest are in flight.

    targets: all there may ever be, fit or not, so that the ring stays the same when one fails.
    """

    __slots__ = ("_fit", "_key", "_keyless", "_owners", "_points", "_targets")

    def __init__(self, by: str, targets: Sequence[Target]) -> None:
        self._key = compile_key(by)
        self._keyless = LeastRequests()
        self._targets: Sequence[Target] = ()
        self._fit: frozenset[Target] = frozenset()
        heaviest = max((target.weight for target in targets), default=0)
        ring = sorted(
            (_hash(b"%d %b" % (number, target.url.encode())), at)
            for at, target in enumerate(targets)
            for number in range(ceil(POINTS * target.weight / heaviest) if target.weight else 0)
        )
        self._points = [point for point, _ in ring]
        self._owners = [targets[at] for _, at in ring]

    def use(self, targets: Sequence[Target]) -> None:
        self._targets = targets
        self._fit = frozenset(targets)
        self._keyless.use(targets)

    def pick(self, asked: Asked) -> Target:
        key = self._key(asked)
        return self._bounded(key) if key else self._keyless.pick(asked)

    def other(self, asked: Asked, tried: Collection[Target]) -> Target:
        key = self._key(asked)
        for target in self._from(key) if key else ():
            if target not in tried:
                return target
        return least_loaded(self._targets, tried)

    def peek(self, asked: Asked) -> Target | None:
        key = self._key(asked)
        return self._bounded(key) if key else self._keyless.peek(asked)

    def _bounded(self, key: bytes) -> Target:
        first = self._owners[bisect(self._points, _hash(key)) % len(self._owners)]
        if first in self._fit and not first.in_flight:
            return first
        total = 0
        each = 0.0
        for target in self._from(key):
            busy = target.in_flight
            if not busy:
                return target
            if not total:
                total = 1 + sum(each.in_flight for each in self._targets)
                each = BOUND * total / sum(each.health.share for each in self._targets)
            if busy < each * target.health.share:
                return target
        return least_loaded(self._targets, ())

    def _from(self, key: bytes) -> Iterator[Target]:
        """The fit targets, each once, in the order in which they stand behind the key."""
        owners = self._owners
        start = bisect(self._points, _hash(key))
        left = set(self._fit)
        for at in range(start, start + len(owners)):
            target = owners[at % len(owners)]
            if target in left:
                left.discard(target)
                yield target
                if not left:
                    return


def _hash(data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big")


def compile_key(by: str) -> Key:
    """`header:x-user`, `cookie:NAME`, `ip`, `path`: the table has been checked."""
    kind, _, name = by.partition(":")
    if name:
        return _header(name) if kind == "header" else _cookie(name)
    return _path if kind == "path" else _ip


def _ip(asked: Asked) -> bytes:
    return asked.client_ip.encode("utf-8", "surrogateescape")


def _path(asked: Asked) -> bytes:
    return asked.path


def _header(name: str) -> Key:
    start = name.lower().encode() + b":"
    size = len(start)

    def key(asked: Asked) -> bytes:
        for line in asked.lines:
            if line[:size].lower() == start:
                return line[size:].strip(b" \t")
        return b""

    return key


def _cookie(cookie: str) -> Key:
    wanted = cookie.encode()

    def key(asked: Asked) -> bytes:
        for line in asked.lines:
            if line[:7].lower() == b"cookie:":
                for pair in line[7:].split(b";"):
                    name, _, value = pair.strip(b" \t").partition(b"=")
                    if name == wanted:
                        return value
        return b""

    return key
