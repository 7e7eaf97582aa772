"""An upstream that answers exactly the bytes it is told, and records every byte it gets."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable

from tests.e2e.rawhttp import DEADLINE, Address, Closed, Message, Wire

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class UpstreamConnection(Wire):
    """The upstream's side of one connection, as a script is given it. `number` counts from 0."""

    def __init__(self, sock: socket.socket, upstream: ScriptedUpstream, number: int) -> None:
        super().__init__(sock)
        self.upstream = upstream
        self.number = number
        self.ended = threading.Event()

    def read_request(self) -> Message:
        message = self.read_head()
        self.upstream.note(self.upstream.heads, message)
        self.read_body(message, until_close=False)
        if message.complete:
            self.upstream.note(self.upstream.requests, message)
            return message
        raise Closed(message.body, reset=False)

    def read_request_head(self) -> Message:
        message = self.read_head()
        self.upstream.note(self.upstream.heads, message)
        return message


Script = Callable[[UpstreamConnection], None]


def replying(*payloads: bytes) -> Script:
    """Answers the first request on a connection with the first payload, and so on; the last
    one goes on for ever."""

    def script(connection: UpstreamConnection) -> None:
        for payload in payloads[:-1]:
            connection.read_request()
            connection.send(payload)
        while True:
            connection.read_request()
            connection.send(payloads[-1])

    return script


def ending(payload: bytes, end: Callable[[UpstreamConnection], object]) -> Script:
    """Answers one request with `payload`, then ends as told."""

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(payload)
        end(connection)

    return script


def in_turn(*scripts: Script) -> Script:
    """The first connection runs the first script, and so on; the last one goes on for ever."""

    def script(connection: UpstreamConnection) -> None:
        scripts[min(connection.number, len(scripts) - 1)](connection)

    return script


class ScriptedUpstream:
    """A server whose every connection runs `script` in a thread of its own.

    Listens from the start, accepts from the first use of `script` on; whatever is left in a
    connection when its script returns is closed. A failed assertion in a script surfaces in
    `close()`.
    """

    def __init__(self, listener: socket.socket, *, tls: ssl.SSLContext | None = None) -> None:
        self.listener = listener
        self.tls = tls
        self.host = ""
        self.connections: list[UpstreamConnection] = []
        self.heads: list[Message] = []
        self.requests: list[Message] = []
        self.errors: list[BaseException] = []
        self._script: Script = replying(OK)
        self._threads: list[threading.Thread] = []
        self._changed = threading.Condition()

    @property
    def script(self) -> Script:
        return self._script

    @script.setter
    def script(self, script: Script) -> None:
        self._script = script
        self.start()

    @property
    def received(self) -> bytes:
        return b"".join(bytes(connection.received) for connection in self.connections)

    def start(self) -> None:
        if not self._threads:
            self._run(self._accept)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Until `condition` holds; looked at when a connection or request comes or ends."""
        with self._changed:
            assert self._changed.wait_for(condition, DEADLINE), "did not happen in time"

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            connection.close()
        for thread in self._threads:
            thread.join(DEADLINE)
        assert not self.errors, self.errors

    def _run(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                connection = UpstreamConnection(sock, self, len(self.connections))
                self.connections.append(connection)
                self._run(self._serve, connection)
                self._tell()

    def _serve(self, connection: UpstreamConnection) -> None:
        try:
            if self.tls is not None:
                connection.sock = self.tls.wrap_socket(connection.sock, server_side=True)
            self._script(connection)
        except (Closed, OSError):
            pass
        except BaseException as error:  # noqa: BLE001 - shown to the test by close()
            self.errors.append(error)
        finally:
            connection.close()
            connection.ended.set()
            self._tell()

    def note(self, seen: list[Message], message: Message) -> None:
        with self._changed:
            seen.append(message)
            self._changed.notify_all()

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify_all()


def listening(address: Address = ("127.0.0.1", 0)) -> socket.socket:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    if not isinstance(address, str) and ":" in address[0]:
        family = socket.AF_INET6
    listener = socket.socket(family)
    listener.bind(address)
    listener.listen(128)
    return listener
