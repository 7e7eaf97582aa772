"""The bytes that are sent."""

from __future__ import annotations

import http.client
import ssl
from pathlib import Path

from benchmarks.harness.scenarios import Traffic

CHUNK = 1024


def raw_requests(traffic: Traffic, paths: tuple[str, ...], tokens: tuple[str, ...]) -> list[bytes]:
    """One for each path, or for each token when the traffic has them."""
    if traffic.tokens:
        return [_raw(traffic, paths[0], f"Authorization: Bearer {token}\r\n") for token in tokens]
    return [_raw(traffic, path, "") for path in paths]


def _raw(traffic: Traffic, path: str, more: str) -> bytes:
    method = "POST" if traffic.body else "GET"
    head = f"{method} {path} HTTP/1.1\r\nHost: benchmark.example\r\nAccept: */*\r\n{more}"
    if traffic.kind == "websocket":
        head += "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        head += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    if traffic.fresh:
        head += "Connection: close\r\n"
    if not traffic.body:
        return f"{head}\r\n".encode()
    if not traffic.chunked:
        return f"{head}Content-Length: {traffic.body}\r\n\r\n".encode() + b"." * traffic.body
    chunks = (b"%x\r\n%s\r\n" % (CHUNK, b"." * CHUNK)) * (traffic.body // CHUNK)
    return f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks + b"0\r\n\r\n"


def written(requests: list[bytes], folder: Path) -> list[str]:
    """Their files."""
    names = []
    for number, request in enumerate(requests):
        file = folder / f"request-{number}.bin"
        file.write_bytes(request)
        names.append(str(file))
    return names


def answer_to(request: bytes, port: int, tls: bool) -> tuple[int, bytes]:
    """Status and body. Raises OSError or HTTPException when there is no clean answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    if tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # a certificate that this run made itself
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
    try:
        connection.connect()
        connection.sock.sendall(request)
        answer = http.client.HTTPResponse(
            connection.sock, method=request.split(b" ", 1)[0].decode()
        )
        answer.begin()
        return answer.status, answer.read()
    finally:
        connection.close()
