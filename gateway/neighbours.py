"""The plugins as one plugin or middleware sees them, and whether it has to be made anew."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol


class Offering(Protocol):
    """**Protocol:** a table; what its plugins offer, by the plugin's name."""

    def offers(self) -> Mapping[str, Any]: ...


class Neighbours:
    """What `context.plugin` and `context.plugins` answer, and a note of who was asked for.

    Whoever asked for a plugin may hold what it offered: when that plugin is changed, added or
    taken away, so is the asker made anew. table: the one that the asker belongs to; it moves
    on with an asker that is kept.
    """

    __slots__ = ("_all", "_asked", "table")

    def __init__(self, table: Offering) -> None:
        self.table = table
        self._asked: set[str] = set()
        self._all = False

    def plugin(self, name: str) -> Any:
        self._asked.add(name)
        return self.table.offers().get(name)

    def plugins(self) -> Mapping[str, Any]:
        self._all = True
        return self.table.offers()

    def concerned_by(self, changed: Collection[str]) -> bool:
        """Whether one of these plugins was asked for."""
        return bool(changed) if self._all else not self._asked.isdisjoint(changed)


def closure(changed: Collection[str], kept: Mapping[str, Neighbours]) -> frozenset[str]:
    """The plugins that changed, and all that asked for one of them, or for one of those."""
    found = set(changed)
    while more := {name for name, seen in kept.items() if seen.concerned_by(found)} - found:
        found |= more
    return frozenset(found)
