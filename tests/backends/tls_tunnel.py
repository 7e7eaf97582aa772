"""TLS before an engine that speaks none, for those who show a certificate of their own."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from tests.e2e.certificates import Authority

SSL_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"


class Tunnel(NamedTuple):
    """On localhost. ca: who has signed it. cert, key: of a client it lets in; both: in one file."""

    port: int
    ca: Path
    cert: Path
    key: Path
    both: Path

    @property
    def options(self) -> str:
        return f"tls_ca={self.ca}&tls_cert={self.cert}&tls_key={self.key}"


@asynccontextmanager
async def tunnel(folder: Path, port: int, *, asked: bool = False) -> AsyncIterator[Tunnel]:
    """port: of the engine, on 127.0.0.1. asked: TLS begins as PostgreSQL's does."""
    authority = Authority(folder / "authority")
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.ca)
    served.load_cert_chain(*authority.issue("localhost"))
    served.verify_mode = ssl.CERT_REQUIRED
    cert, key = authority.issue("client")
    both = folder / "both.pem"
    both.write_bytes(cert.read_bytes() + key.read_bytes())
    under_way: set[asyncio.Task[None]] = set()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        with suppress(OSError, asyncio.CancelledError, asyncio.IncompleteReadError):
            if asked:
                assert await reader.readexactly(8) == SSL_REQUEST
                writer.write(b"S")
                await writer.start_tls(served)
            theirs, ours = await asyncio.open_connection("127.0.0.1", port)
            try:
                await asyncio.gather(_pump(reader, ours), _pump(theirs, writer))
            finally:
                ours.close()
        writer.close()

    server = await asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=None if asked else served)
    try:
        yield Tunnel(server.sockets[0].getsockname()[1], authority.ca, cert, key, both)
    finally:
        server.close()
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
