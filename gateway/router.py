"""(method, host, path, query, headers) -> the route's target. Pure, no I/O, built at load.

Precedence is the Kubernetes Gateway API's, whatever the order in the file: exact host, longest
wildcard host, no host; then the path: literals only, `{name}`, `*`, longest `**`, and what is
more literal from the left; then a rule with methods; more headers; more query parameters; and
at last the order in the file. A rule whose conditions do not all hold leaves the request to
the next, down through less specific paths and hosts. How paths are read is told in
`gateway.http1.path`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, NamedTuple

from gateway.http1.headers import Fields
from gateway.http1.path import PathRefused, Readings, is_clean_query, is_plain, read, split
from gateway.routing.explain import Considered, consider
from gateway.routing.hosts import Hosts, Tiers, host_rank, parse_host
from gateway.routing.rule import Asked, Candidate, Match, Precedence, Rule, T
from gateway.routing.tier import Tier

__all__ = ["Considered", "Explanation", "Match", "NoMatch", "Router", "Rule"]


class NoMatch(NamedTuple):
    """400 with a reason fit for the client, 404, or 405 with the methods that would do."""

    status: int
    allow: tuple[str, ...] = ()
    reason: str = ""


# A third of the price of Match(...), on a path that most requests take.
_match = tuple.__new__

NOT_FOUND = NoMatch(404)
BAD_QUERY = NoMatch(400, (), "The query holds a character that must be escaped.")
AMBIGUOUS = NoMatch(400, (), "The path can be read in two ways.")


class Explanation(NamedTuple, Generic[T]):
    """What `find` answers, the rules it looked at in order, and a note for the operator."""

    outcome: Match[T] | NoMatch
    considered: tuple[Considered, ...] = ()
    note: str = ""


class Router(Generic[T]):
    """Finds the target of a request at a cost that does not grow with the number of rules.

    Raises ValueError for a pattern or host that makes no sense.
    """

    def __init__(self, routes: Iterable[tuple[Rule, T]]) -> None:
        self._candidates: list[Candidate[T]] = []
        hosts: dict[str, list[Candidate[T]]] = {}
        for order, (rule, target) in enumerate(routes):
            try:
                candidate = Candidate(rule, target, order)
                names = {parse_host(host) for host in rule.hosts} or {""}
            except ValueError as error:
                raise ValueError(f"route {rule.id}: {error}") from None
            self._candidates.append(candidate)
            for name in names:
                hosts.setdefault(name, []).append(candidate)
        self._hosts: Hosts[T] = Hosts([Tier(host, those) for host, those in hosts.items()])

    def find(
        self, method: str, host: str, path: bytes, query: bytes, headers: Fields
    ) -> Match[T] | NoMatch:
        """`host` in lower case and without its port; `path` and `query` as received."""
        if not is_plain(path) or (query and not is_clean_query(query)):
            return self._find_unusual(host, path, Asked(method, query, headers))
        tiers = self._hosts.tiers(host)
        for tier in tiers:
            for one in tier.literals.get(path, ()):
                if one.takes(method, query, headers):
                    return one.match
            if tier.depth:
                parts = path.split(b"/", tier.depth)
                for one in tier.wild(parts):
                    if one.takes(method, query, headers):
                        return _match(Match, (one.target, one.captures(parts)))
        return _refusal(tiers, path, Asked(method, query, headers))

    def _find_unusual(self, host: str, path: bytes, asked: Asked) -> Match[T] | NoMatch:
        if not is_clean_query(asked.query):
            return BAD_QUERY
        try:
            readings = read(path)
        except PathRefused as refused:
            return NoMatch(400, (), str(refused))
        tiers = self._hosts.tiers(host)
        found = _search(tiers, readings.normal, asked)
        if found is None:
            return _refusal(tiers, readings.normal, asked)
        if _bypass(tiers, found, readings, asked):
            return AMBIGUOUS
        return Match(found.target, found.captures(split(path, found.pattern.depth)))

    def explain(
        self, method: str, host: str, path: bytes, query: bytes, headers: Fields
    ) -> Explanation[T]:
        """What `find` does with this request, and why."""
        outcome = self.find(method, host, path, query, headers)
        try:
            readings = read(path)
        except PathRefused:
            return Explanation(outcome)
        if outcome is BAD_QUERY:
            return Explanation(outcome)
        asked = Asked(method, query, headers)
        tiers = self._hosts.tiers(host)
        chosen = _search(tiers, readings.normal, asked)
        note = _bypass(tiers, chosen, readings, asked) if chosen else None
        return Explanation(outcome, tuple(consider(tiers, readings.normal, asked)), note or "")

    def rules(self) -> list[Rule]:
        """In the order of precedence; a rule with several hosts counts by its best."""
        return [one.rule for one in sorted(self._candidates, key=_table_order)]


def _table_order(one: Candidate[T]) -> tuple[tuple[int, int], Precedence]:
    return min(host_rank(host) for host in one.rule.hosts or ("",)), one.precedence


def _search(tiers: Tiers[T], path: bytes, asked: Asked) -> Candidate[T] | None:
    for tier in tiers:
        for one in tier.candidates(path):
            if one.takes(*asked):
                return one
    return None


def _bypass(tiers: Tiers[T], found: Candidate[T], readings: Readings, asked: Asked) -> str | None:
    """Which other reading of the path leads past a guard that the chosen rule lacks."""
    for reading in sorted(readings.others):
        other = _search(tiers, reading, asked)
        missing = other.rule.guards - found.rule.guards if other else None
        if other and missing:
            return (
                f"an upstream may read the path as {reading.decode()}, which is route "
                f"{other.rule.id}, guarded by {', '.join(sorted(missing))}"
            )
    return None


def _refusal(tiers: Tiers[T], path: bytes, asked: Asked) -> NoMatch:
    allow = {
        method
        for tier in tiers
        for one in tier.candidates(path)
        if one.objection(asked.query, asked.headers) is None
        for method in one.methods
    }
    return NoMatch(405, tuple(sorted(allow))) if allow else NOT_FOUND
