"""Sockets to accept client connections on."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import stat
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gateway.config.addresses import Address, parse_address
from gateway.config.model import Listen, ListenTls
from gateway.errors import LoadError
from gateway.listener import Listener

if TYPE_CHECKING:
    from gateway.dataplane import DataPlane

BACKLOG = 4096


class Listening:
    """The data plane's open doors."""

    def __init__(self, plane: DataPlane, loop: asyncio.AbstractEventLoop) -> None:
        self._plane = plane
        self._loop = loop
        self._servers: list[asyncio.AbstractServer] = []
        self._files: list[str] = []

    async def start(self, listens: Sequence[str | Listen]) -> list[str]:
        """Accept on every address; the addresses, port 0 resolved. Raises LoadError."""
        bound: list[str] = []
        for listen in listens:
            wanted = Listen(address=listen) if isinstance(listen, str) else listen
            try:
                bound.append(await self._open(wanted))
            except (OSError, ValueError) as error:
                said = getattr(error, "strerror", None) or str(error)
                raise LoadError(f"server.listen: {wanted.address}: {said}") from error
        return bound

    def stop(self) -> None:
        """Accept no more. Open connections stay."""
        for server in self._servers:
            server.close()
        for path in self._files:
            if os.path.exists(path):
                os.unlink(path)

    async def _open(self, listen: Listen) -> str:
        address = parse_address(listen.address)
        sock = self._unix(address.unix) if address.unix else _tcp(address)
        context = _tls(listen.tls) if listen.tls is not None else None
        server = await self._loop.create_server(
            lambda: Listener(self._plane),
            sock=sock,
            backlog=BACKLOG,
            ssl=context,
            ssl_handshake_timeout=self._plane.headers_timeout if context else None,
            ssl_shutdown_timeout=self._plane.idle_timeout if context else None,
        )
        self._servers.append(server)
        name = sock.getsockname()
        if isinstance(name, str):
            return f"unix:{name}"
        return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"

    def _unix(self, path: str) -> socket.socket:
        if os.path.exists(path) and stat.S_ISSOCK(os.stat(path).st_mode):
            _remove_stale(path)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.bind(path)
        self._files.append(path)
        return sock


def _tcp(address: Address) -> socket.socket:
    family, kind, protocol, _, place = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind(place)
    return sock


def _remove_stale(path: str) -> None:
    """A socket file that nobody listens on is left from a crash."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)


def _tls(tls: ListenTls) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tls.client_ca)
    context.load_cert_chain(tls.cert, tls.key)
    context.set_alpn_protocols(["http/1.1"])
    if tls.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context
