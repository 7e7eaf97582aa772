"""A server that `forward_auth` may ask."""

from __future__ import annotations

import asyncio

YES = b"HTTP/1.1 204 No Content\r\n\r\n"


def saying(status: str, *fields: str, body: bytes = b"") -> bytes:
    head = [f"HTTP/1.1 {status}", *fields, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(head).encode("latin-1") + body


class Service:
    """An authorization service that says exactly the bytes it is told."""

    def __init__(self) -> None:
        self.answer = YES
        self.heads: list[bytes] = []
        self.connections = 0
        self.open = self.most_open = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self._heard = asyncio.Condition()
        self._server: asyncio.Server | None = None

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}/verify?rule=1"

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                async with self._heard:
                    self.heads.append(head)
                    self._heard.notify_all()
                await self.may_answer.wait()
                writer.write(self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def heard(self, count: int) -> None:
        async with asyncio.timeout(20), self._heard:
            await self._heard.wait_for(lambda: len(self.heads) >= count)

    def asked(self) -> dict[str, list[str]]:
        """The fields of the only request, by name in lower case."""
        (head,) = self.heads
        fields: dict[str, list[str]] = {}
        for line in head.decode().split("\r\n")[1:-2]:
            name, _, value = line.partition(": ")
            fields.setdefault(name.lower(), []).append(value)
        return fields
