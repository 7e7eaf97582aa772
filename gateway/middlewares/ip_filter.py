"""Lets clients in or keeps them out by their address."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

import msgspec

from gateway.config.model import Section
from gateway.errors import Problem
from gateway.exchange import Exchange
from gateway.middleware import Middleware
from gateway.plugin import Context

VERDICTS_KEPT = 10_000
V4_MAPPED = IPv6Network("::ffff:0:0/96")


class IpFilterOptions(Section, frozen=True):
    """Addresses and networks (`10.0.0.0/8`, `2001:db8::/32`, `192.0.2.7`).

    Whoever is in `deny` is refused, also when `allow` holds them; with a non-empty `allow`
    everybody else is refused too. An IPv4 address mapped into IPv6 is the IPv4 address. A
    client on a unix socket has no address and is in neither list.
    """

    allow: list[str] = msgspec.field(default_factory=list)
    deny: list[str] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.allow and not self.deny:
            raise ValueError("allow or deny is missing: a filter that filters nothing")
        for name, networks in (("allow", self.allow), ("deny", self.deny)):
            try:
                Networks(networks)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None


class IpFilter(Middleware[IpFilterOptions]):
    """403 for clients whose address is not welcome."""

    Options = IpFilterOptions

    def __init__(self, options: IpFilterOptions, context: Context) -> None:
        super().__init__(options, context)
        self._allow = Networks(options.allow)
        self._deny = Networks(options.deny)
        self._welcome = lru_cache(VERDICTS_KEPT)(self._judge)

    def request(self, exchange: Exchange) -> Problem | None:
        if self._welcome(exchange.client_ip):
            return None
        return Problem(403, "Requests from this address are not accepted.")

    def _judge(self, client_ip: str) -> bool:
        try:
            address = ip_address(client_ip)
        except ValueError:
            return not self._allow
        if isinstance(address, IPv6Address):
            address = address.ipv4_mapped or address
        if address in self._deny:
            return False
        return not self._allow or address in self._allow


class Networks:
    """A set of networks. A look-up costs one step for each prefix length among them."""

    def __init__(self, networks: Iterable[str]) -> None:
        found = [_network(text) for text in networks]
        self._by_version = {4: _by_shift(found, 4), 6: _by_shift(found, 6)}
        self._count = len(found)

    def __len__(self) -> int:
        return self._count

    def __contains__(self, address: IPv4Address | IPv6Address) -> bool:
        number = int(address)
        return any(
            number >> shift in prefixes for shift, prefixes in self._by_version[address.version]
        )


def _by_shift(
    networks: list[IPv4Network | IPv6Network], version: int
) -> list[tuple[int, set[int]]]:
    shifts: dict[int, set[int]] = {}
    for network in networks:
        if network.version == version:
            shift = network.max_prefixlen - network.prefixlen
            shifts.setdefault(shift, set()).add(int(network.network_address) >> shift)
    return list(shifts.items())


def _network(text: str) -> IPv4Network | IPv6Network:
    """Raises ValueError for what is no network, or has bits set beyond its prefix."""
    network = ip_network(text)
    if isinstance(network, IPv6Network) and network.subnet_of(V4_MAPPED):
        inner = int(network.network_address) & 0xFFFFFFFF
        return IPv4Network((inner, network.prefixlen - 96))
    return network
