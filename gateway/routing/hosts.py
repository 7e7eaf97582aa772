"""Which tiers of rules a host is looked up in: exact, longest wildcard first, none."""

from __future__ import annotations

import re
from typing import Generic

from gateway.routing.rule import T
from gateway.routing.tier import Tier

Tiers = tuple[Tier[T], ...]

_LABELS = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]")


class Hosts(Generic[T]):
    """The tiers of a router, one a host."""

    def __init__(self, tiers: list[Tier[T]]) -> None:
        named = {tier.host: tier for tier in tiers}
        self._anywhere: Tiers[T] = (named.pop(""),) if "" in named else ()
        wildcards = {host[2:]: tier for host, tier in named.items() if host[0] == "*"}
        self._most_labels = max((suffix.count(".") + 1 for suffix in wildcards), default=0)
        self._below: dict[str, Tiers[T]] = {}
        for suffix in sorted(wildcards, key=len):
            self._below[suffix] = (wildcards[suffix], *self._wildcard(suffix))
        self._exact: dict[str, Tiers[T]] = {
            host: (tier, *self._wildcard(host)) for host, tier in named.items() if host[0] != "*"
        }

    def tiers(self, host: str) -> Tiers[T]:
        """For a host in lower case, without port."""
        tiers = self._exact.get(host)
        if tiers is None:
            tiers = self._wildcard(host) if self._below else self._anywhere
        return tiers

    def _wildcard(self, host: str) -> Tiers[T]:
        labels = host.rsplit(".", self._most_labels)
        if labels[0] == "":
            return self._anywhere
        for start in range(1, len(labels)):
            tiers = self._below.get(".".join(labels[start:]))
            if tiers is not None:
                return tiers
        return self._anywhere


def parse_host(host: str) -> str:
    """The host itself, in lower case. Raises ValueError."""
    name = host.lower()
    if not _LABELS.fullmatch(name):
        raise ValueError(
            f"{host} is not a host: expected api.example.com or *.example.com, without a port"
        )
    return name


def host_rank(host: str) -> tuple[int, int]:
    """Sorts the more specific host first; empty is no host."""
    if not host:
        return (2, 0)
    return (1, -host.count(".")) if host.startswith("*") else (0, 0)
