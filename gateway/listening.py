"""Sockets to accept client connections on."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import stat
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gateway.config.addresses import Address, parse_address
from gateway.config.model import Listen, ListenTls
from gateway.errors import LoadError
from gateway.listener import Listener

if TYPE_CHECKING:
    from gateway.dataplane import DataPlane

BACKLOG = 4096


class Listening:
    """The data plane's open doors.

    A worker among others is handed its sockets (`inherit`): one a worker for each address, so
    that the kernel spreads the connections. All are held by every worker and accepted from by
    one, which may change: what waits in the queue of a worker that died is not lost.
    """

    def __init__(self, plane: DataPlane, loop: asyncio.AbstractEventLoop) -> None:
        self._plane = plane
        self._loop = loop
        self._servers: list[asyncio.AbstractServer] = []
        self._files: list[str] = []
        self._inherited: list[tuple[list[socket.socket], ssl.SSLContext | None]] = []
        self._accepting: dict[socket.socket, asyncio.AbstractServer] = {}
        self._arranging = asyncio.Lock()

    async def start(self, listens: Sequence[str | Listen]) -> list[str]:
        """Accept on every address; the addresses, port 0 resolved. Raises LoadError."""
        bound: list[str] = []
        for wanted in map(_listen, listens):
            with _explained(wanted):
                address = parse_address(wanted.address)
                sock = _unix(address.unix) if address.unix else _tcp(address)
                if address.unix:
                    self._files.append(address.unix)
                self._servers.append(await self._accept(sock, _tls(wanted.tls)))
                bound.append(_name(sock))
        return bound

    def inherit(self, doors: Sequence[tuple[Listen, Sequence[int]]]) -> None:
        """Take over, for each address, the descriptors of `Doors`. Raises LoadError."""
        for listen, descriptors in doors:
            held = {each: socket.socket(fileno=each) for each in sorted(set(descriptors))}
            for sock in held.values():
                sock.set_inheritable(False)
            with _explained(listen):
                self._inherited.append(([held[each] for each in descriptors], _tls(listen.tls)))

    async def accept_for(self, seats: Collection[int]) -> None:
        """Accept what comes to these workers' sockets, and no longer what comes to others'."""
        async with self._arranging:
            wanted = {socks[seat]: context for socks, context in self._inherited for seat in seats}
            for sock in self._accepting.keys() - wanted.keys():
                self._accepting.pop(sock).close()
            for sock, context in wanted.items():
                if sock not in self._accepting:
                    self._accepting[sock] = await self._accept(sock.dup(), context)

    def stop(self) -> None:
        """Accept no more. Open connections stay."""
        for server in (*self._servers, *self._accepting.values()):
            server.close()
        self._accepting.clear()
        for socks, _ in self._inherited:
            for sock in socks:
                sock.close()
        self._inherited.clear()
        _unlink(self._files)

    async def _accept(
        self, sock: socket.socket, context: ssl.SSLContext | None
    ) -> asyncio.AbstractServer:
        return await self._loop.create_server(
            lambda: Listener(self._plane),
            sock=sock,
            backlog=BACKLOG,
            ssl=context,
            ssl_handshake_timeout=self._plane.headers_timeout if context else None,
            ssl_shutdown_timeout=self._plane.idle_timeout if context else None,
        )


class Doors:
    """Sockets for several workers to accept from, bound once and held until they all leave.

    Holding them is what keeps the queue of a worker that dies or is replaced.
    """

    def __init__(self, listens: Sequence[str | Listen], workers: int) -> None:
        """Raises LoadError."""
        self.listens = [_listen(each) for each in listens]
        self.sockets: list[list[socket.socket]] = []
        self._files: list[str] = []
        try:
            for listen in self.listens:
                with _explained(listen):
                    self._bind(parse_address(listen.address), workers)
        except LoadError:
            self.close()
            raise

    @property
    def addresses(self) -> list[str]:
        return [_name(socks[0]) for socks in self.sockets]

    def descriptors(self) -> list[list[int]]:
        """For each address, a descriptor for each worker; of a unix socket there is but one."""
        return [[sock.fileno() for sock in socks] for socks in self.sockets]

    def close(self) -> None:
        """May be called twice."""
        for socks in self.sockets:
            for sock in socks:
                sock.close()
        self.sockets.clear()
        _unlink(self._files)
        self._files.clear()

    def _bind(self, address: Address, workers: int) -> None:
        if address.unix:
            self.sockets.append([_unix(address.unix)] * workers)
            self._files.append(address.unix)
            return
        # With SO_REUSEPORT nobody is told that a port is taken by another gateway.
        with _tcp(address) as alone:
            free = address._replace(port=alone.getsockname()[1])
        self.sockets.append([])
        for _ in range(workers):
            self.sockets[-1].append(_tcp(free, reuse_port=True))


def _listen(listen: str | Listen) -> Listen:
    return Listen(address=listen) if isinstance(listen, str) else listen


@contextmanager
def _explained(listen: Listen) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise LoadError(f"server.listen: {listen.address}: {said}") from error


def _name(sock: socket.socket) -> str:
    name = sock.getsockname()
    if isinstance(name, str):
        return f"unix:{name}"
    return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"


def _unix(path: str) -> socket.socket:
    if os.path.exists(path) and stat.S_ISSOCK(os.stat(path).st_mode):
        _remove_stale(path)
    return _bound(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), path)


def _unlink(paths: Sequence[str]) -> None:
    for path in paths:
        if os.path.exists(path):
            os.unlink(path)


def _tcp(address: Address, reuse_port: bool = False) -> socket.socket:
    family, kind, protocol, _, place = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if reuse_port:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return _bound(sock, place)


def _bound(sock: socket.socket, place: Any) -> socket.socket:
    try:
        sock.bind(place)
    except OSError:
        sock.close()
        raise
    return sock


def _remove_stale(path: str) -> None:
    """A socket file that nobody listens on is left from a crash."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)


def _tls(tls: ListenTls | None) -> ssl.SSLContext | None:
    if tls is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tls.client_ca)
    context.load_cert_chain(tls.cert, tls.key)
    context.set_alpn_protocols(["http/1.1"])
    if tls.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
    return context
