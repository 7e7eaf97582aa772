"""Who the client is, and what the next hop is told about it."""

from __future__ import annotations

import asyncio
import re
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Final

from gateway.exchange import Exchange
from gateway.http1.headers import HeaderLines

if TYPE_CHECKING:
    from gateway.dataplane import DataPlane

Network = IPv4Network | IPv6Network
REQUEST_ID = re.compile(r"[A-Za-z0-9._~+/=:-]{1,128}")
VIA_1_0: Final = b"\r\nVia: 1.0 ait-gateway\r\n\r\n"
VIA_1_1: Final = b"\r\nVia: 1.1 ait-gateway\r\n\r\n"
OURS = (b"x-forwarded-for", b"x-request-id")
UNIX = "unix"


class TrustedProxies:
    """The peers whose X-Forwarded-*, X-Request-ID and PROXY header are believed."""

    def __init__(self, networks: list[str]) -> None:
        self.networks: list[Network] = [
            ip_network(text, strict=False) for text in networks if text != UNIX
        ]
        self.unix = UNIX in networks

    def __contains__(self, address: object) -> bool:
        if address == UNIX:
            return self.unix
        if not self.networks or not isinstance(address, str):
            return False
        try:
            parsed = ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self.networks)


class Client:
    """The peer of a connection, with what is the same for all its requests made once.

    may_introduce: a PROXY header at the start of the connection would be believed.
    """

    __slots__ = (
        "_host",
        "_said",
        "ip",
        "may_introduce",
        "plane",
        "prefix",
        "scheme",
        "trusted",
    )

    def __init__(self, ip: str, secure: bool, plane: DataPlane) -> None:
        self.ip = ip
        self.scheme = "https" if secure else "http"
        self.plane = plane
        self.trusted = ip in plane.trusted_proxies
        self.may_introduce = self.trusted
        self.prefix = f"X-Forwarded-For: {ip}\r\nX-Forwarded-Proto: {self.scheme}".encode("ascii")
        self._host = b""
        self._said = self.prefix + b"\r\nX-Request-ID: "

    @classmethod
    def of(cls, transport: asyncio.Transport, plane: DataPlane) -> Client | None:
        """None when it has gone already, so that nobody can say who it was."""
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            ip = peer[0]
        elif isinstance(transport.get_extra_info("sockname"), tuple):
            return None
        else:
            ip = UNIX
        return cls(ip, transport.get_extra_info("sslcontext") is not None, plane)

    def behind(self, address: str | None) -> Client:
        """The client of this trusted proxy, by its PROXY header; itself when it names none."""
        client = Client(address or self.ip, self.scheme == "https", self.plane)
        client.may_introduce = False
        return client

    def introduce(self, exchange: Exchange) -> None:
        """Fill in who asks, as far as the peer can be believed."""
        exchange.client_ip = self.ip
        exchange.scheme = self.scheme
        plane = self.plane
        exchange.request_id = plane.new_request_id()
        if self.trusted:
            self.may_introduce = False
            if exchange.forwarded is not None:
                self._believe(exchange, HeaderLines(exchange.forwarded))

    def forwarding(self, exchange: Exchange) -> bytes:
        """The last lines of the head for the next hop, with the empty one that ends it."""
        if self.trusted and exchange.forwarded is not None:
            return self._extended(exchange, HeaderLines(exchange.forwarded))
        authority = exchange.authority
        if authority != self._host:
            self._host = authority
            self._said = b"%b\r\nX-Forwarded-Host: %b\r\nX-Request-ID: " % (self.prefix, authority)
        via = VIA_1_1 if exchange.minor else VIA_1_0
        return self._said + exchange.request_id.encode("ascii") + via

    def _believe(self, exchange: Exchange, said: HeaderLines) -> None:
        request_id = said.get("x-request-id")
        if request_id is not None and REQUEST_ID.fullmatch(request_id):
            exchange.request_id = request_id
        scheme = said.get("x-forwarded-proto") or ""
        if scheme in ("http", "https"):
            exchange.scheme = scheme
        for address in reversed(_chain(said)):
            exchange.client_ip = address
            if address not in self.plane.trusted_proxies:
                break

    def _extended(self, exchange: Exchange, said: HeaderLines) -> bytes:
        """What a trusted proxy said, with itself added to the addresses."""
        addresses = ", ".join([*said.getall("x-forwarded-for"), self.ip])
        lines = [f"X-Forwarded-For: {addresses}".encode("latin-1")]
        own = {
            "x-forwarded-proto": b"X-Forwarded-Proto: " + self.scheme.encode("ascii"),
            "x-forwarded-host": b"X-Forwarded-Host: " + exchange.authority,
        }
        assert exchange.forwarded is not None
        lines += [
            line
            for line in exchange.forwarded
            if b"_" not in (name := line.partition(b":")[0].lower()) and name not in OURS
        ]
        lines += [line for name, line in own.items() if name not in said]
        lines.append(b"X-Request-ID: " + exchange.request_id.encode("ascii"))
        return b"\r\n".join(lines) + (VIA_1_1 if exchange.minor else VIA_1_0)


def _chain(said: HeaderLines) -> list[str]:
    """The valid addresses of all X-Forwarded-For fields, the client's own first."""
    addresses: list[str] = []
    for value in said.getall("x-forwarded-for"):
        for text in value.split(","):
            try:
                addresses.append(str(ip_address(text.strip())))
            except ValueError:
                addresses.clear()  # what stands left of nonsense cannot be believed
    return addresses
