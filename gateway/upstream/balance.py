"""Which target is next: by turns, by load, or by two draws."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Collection, Sequence
from itertools import accumulate
from random import random
from typing import Protocol

from gateway.upstream.target import Target


class Asked(Protocol):
    """**Protocol:** what a balance may look at; an exchange has it all."""

    @property
    def lines(self) -> list[bytes]: ...
    @property
    def path(self) -> bytes: ...
    @property
    def client_ip(self) -> str: ...


class Balance(Protocol):
    """**Protocol:** chooses among the targets it was last told to `use`; there is at least one.

    `use` is called when health, weights or shares change, and may take its time. `pick` and
    `other` are called for a request and its retries; `other` prefers what was not yet
    `tried`. `peek` is what `pick` would say now, without consequences; None if only chance
    knows.
    """

    def use(self, targets: Sequence[Target]) -> None: ...
    def pick(self, asked: Asked) -> Target: ...
    def other(self, asked: Asked, tried: Collection[Target]) -> Target: ...
    def peek(self, asked: Asked) -> Target | None: ...


def load(target: Target) -> float:
    return target.in_flight / target.health.share


def least_loaded(targets: Sequence[Target], tried: Collection[Target]) -> Target:
    untried = [target for target in targets if target not in tried]
    return min(untried or targets, key=load)


class Turns:
    """Smooth weighted round robin, as nginx has it: often, but not in a row."""

    __slots__ = ("_at", "_credit", "_even", "_shares", "_targets")

    def __init__(self) -> None:
        self._targets: Sequence[Target] = ()
        self._shares: list[float] = []
        self._credit: list[float] = []
        self._even = True
        self._at = -1

    def use(self, targets: Sequence[Target]) -> None:
        owed = dict(zip(self._targets, self._credit, strict=True))
        self._targets = targets
        self._shares = [target.health.share for target in targets]
        self._credit = [owed.get(target, 0.0) for target in targets]
        self._even = len(set(self._shares)) == 1

    def pick(self) -> Target:
        if self._even:
            self._at = at = (self._at + 1) % len(self._targets)
            return self._targets[at]
        return self.among(range(len(self._targets)))

    def among(self, places: Sequence[int]) -> Target:
        """The next one in turn of those at `places`."""
        shares, owed = self._shares, self._credit
        total = 0.0
        best = places[0]
        for at in places:
            total += shares[at]
            owed[at] += shares[at]
            if owed[at] > owed[best]:
                best = at
        owed[best] -= total
        return self._targets[best]

    def peek(self, places: Sequence[int] | None = None) -> Target:
        if places is None and self._even:
            return self._targets[(self._at + 1) % len(self._targets)]
        shares, owed = self._shares, self._credit
        best = max(places or range(len(shares)), key=lambda at: owed[at] + shares[at])
        return self._targets[best]


class RoundRobin:
    """Each target in turn, as often as its share says."""

    __slots__ = ("_targets", "_turns")

    def __init__(self) -> None:
        self._turns = Turns()
        self._targets: Sequence[Target] = ()

    def use(self, targets: Sequence[Target]) -> None:
        self._targets = targets
        self._turns.use(targets)

    def pick(self, asked: Asked) -> Target:
        return self._turns.pick()

    def other(self, asked: Asked, tried: Collection[Target]) -> Target:
        return least_loaded(self._targets, tried)

    def peek(self, asked: Asked) -> Target | None:
        return self._turns.peek()


class LeastRequests:
    """The fewest requests in flight by its share; in turn among equals."""

    __slots__ = ("_targets", "_turns")

    def __init__(self) -> None:
        self._turns = Turns()
        self._targets: Sequence[Target] = ()

    def use(self, targets: Sequence[Target]) -> None:
        self._targets = targets
        self._turns.use(targets)

    def pick(self, asked: Asked) -> Target:
        places = self._least()
        return self._targets[places[0]] if len(places) == 1 else self._turns.among(places)

    def other(self, asked: Asked, tried: Collection[Target]) -> Target:
        return least_loaded(self._targets, tried)

    def peek(self, asked: Asked) -> Target | None:
        return self._turns.peek(self._least())

    def _least(self) -> list[int]:
        loads = [load(target) for target in self._targets]
        least = min(loads)
        return [at for at, each in enumerate(loads) if each == least]


class RandomTwo:
    """Two drawn by their shares, of which the less loaded one: fair without a look at all."""

    __slots__ = ("_sums", "_targets")

    def __init__(self) -> None:
        self._targets: Sequence[Target] = ()
        self._sums: list[float] = []

    def use(self, targets: Sequence[Target]) -> None:
        self._targets = targets
        self._sums = list(accumulate(target.health.share for target in targets))

    def pick(self, asked: Asked) -> Target:
        targets = self._targets
        first, second = self._draw(), self._draw()
        if first == second:
            second = (second + 1) % len(targets)
        one, two = targets[first], targets[second]
        return two if load(two) < load(one) else one

    def other(self, asked: Asked, tried: Collection[Target]) -> Target:
        return least_loaded(self._targets, tried)

    def peek(self, asked: Asked) -> Target | None:
        return self._targets[0] if len(self._targets) == 1 else None

    def _draw(self) -> int:
        drawn = random() * self._sums[-1]  # noqa: S311  no secret
        # Rounding may take it up to the last sum itself, and past its place.
        return min(bisect(self._sums, drawn), len(self._sums) - 1)
