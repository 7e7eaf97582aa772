"""Which addresses clients are asked and told at: a client's name may lead anywhere, also within."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import aiohttp
from aiohttp import AddrInfoType

LOOPBACK = ("127.0.0.0/8", "::1/128")
NAT64, UNICAST = IPv6Network("64:ff9b::/96"), IPv6Network("2000::/3")
"""What stands for an address of IPv4 anywhere; all that is public (RFC 4291 section 2.4)."""


class Reach:
    """Public addresses, and the networks. here: this machine too."""

    def __init__(self, networks: Iterable[str], *, here: bool) -> None:
        self._networks = [ip_network(each) for each in (*networks, *(LOOPBACK if here else ()))]

    def allows(self, address: str) -> bool:
        found = _meant(address.partition("%")[0])
        if any(found in network for network in self._networks):
            return True
        if isinstance(found, IPv6Address) and found not in UNICAST:
            return False
        return found.is_global and not found.is_multicast

    def connector(self) -> aiohttp.TCPConnector:
        return aiohttp.TCPConnector(socket_factory=self._socket)

    def _socket(self, found: AddrInfoType) -> socket.socket:
        """For what a name has led to, at the moment of connecting there. Raises OSError."""
        family, kind, protocol, _, address = found
        if not self.allows(str(address[0])):
            raise OSError("its address is not public, nor of `logout.networks`")
        return socket.socket(family, kind, protocol)


def _meant(address: str) -> IPv4Address | IPv6Address:
    """The address of IPv4 that is within one of IPv6, if one is."""
    found = ip_address(address)
    if isinstance(found, IPv4Address):
        return found
    if found in NAT64:
        return IPv4Address(int(found) & 0xFFFFFFFF)
    return found.ipv4_mapped or found.sixtofour or found
