"""Why a request went where it went."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gateway.routing.hosts import Tiers
from gateway.routing.rule import Asked, Candidate, Rule, T


class Considered(NamedTuple):
    """A rule whose host and path take the request; `host` is the one it was found under."""

    rule: Rule
    host: str
    verdict: str


def consider(tiers: Tiers[T], path: bytes, asked: Asked) -> Iterator[Considered]:
    """In the order in which the router asks them; the first without objection is chosen."""
    chosen: tuple[str, Candidate[T]] | None = None
    for tier in tiers:
        for one in tier.candidates(path):
            verdict = _wrong_method(one, asked) or one.objection(asked.query, asked.headers)
            if verdict is None and chosen is None:
                verdict, chosen = "chosen", (tier.host, one)
            elif verdict is None and chosen is not None:
                verdict = f"less specific: {_weaker(*chosen, tier.host, one)}"
            yield Considered(one.rule, tier.host, verdict or "")


def _wrong_method(one: Candidate[T], asked: Asked) -> str | None:
    if not one.methods or asked.method in one.methods:
        return None
    return f"method {asked.method} not in {', '.join(sorted(one.methods))}"


def _weaker(host: str, chosen: Candidate[T], other_host: str, other: Candidate[T]) -> str:
    if other_host != host:
        return f"host {other_host}" if other_host else "no host"
    reasons = (
        f"path {other.rule.path}",
        "no methods",
        "fewer headers",
        "fewer query parameters",
        "later in the file",
    )
    levels = zip(chosen.precedence, other.precedence, reasons, strict=True)
    return next(reason for mine, theirs, reason in levels if mine != theirs)
