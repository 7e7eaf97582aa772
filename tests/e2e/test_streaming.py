"""Bodies of any size pass in constant memory, as fast as the slower side allows, unbuffered."""

from __future__ import annotations

import threading
import zlib

import pytest

from tests.e2e.rawhttp import DEADLINE, Client, request
from tests.e2e.scripted_upstream import OK, ScriptedUpstream, UpstreamConnection
from tests.e2e.site import Site

MIB = 1 << 20
BLOCK = bytes(range(256)) * (MIB // 256)
BLOCKS = 200
TOTAL = BLOCKS * MIB
BETWEEN = 64 * MIB  # what both kernels and the gateway may hold of a stalled transfer
GROWTH = 30 * MIB
BIG = 64 * 1024


@pytest.fixture(scope="module")
def site(new_site: Site) -> Site:
    new_site.pools(20)
    new_site.defaults["limits"] = {"body": "300MiB"}
    new_site.route("big", "/big", respond={"status": 200, "body": "x" * BIG})
    return new_site.start()


@pytest.fixture(scope="module")
def crc() -> int:
    value = 0
    for _ in range(BLOCKS):
        value = zlib.crc32(BLOCK, value)
    return value


@pytest.fixture
def _constant_memory(site: Site, client: Client) -> object:
    client.get("/warm", "nobody.test")
    site.gateway.forget_peak_memory()
    before = site.gateway.memory()
    yield
    grown = site.gateway.memory("VmHWM") - before
    assert grown < GROWTH, f"grew by {grown / MIB:.0f} MiB"


class Transfer:
    """Sends TOTAL bytes; stops when the other side does not read, until told to go on."""

    def __init__(self) -> None:
        self.stalled = threading.Event()
        self.go_on = threading.Event()
        self.sent_when_stalled = 0

    def run(self, wire: Client | UpstreamConnection) -> None:
        sent = 0
        wire.sock.settimeout(1)
        while sent < TOTAL:
            try:
                sent += wire.sock.send(BLOCK[sent % MIB :])
            except TimeoutError:
                if not self.stalled.is_set():
                    self.sent_when_stalled = sent
                    self.stalled.set()
                    assert self.go_on.wait(DEADLINE)
                    wire.sock.settimeout(DEADLINE)


def sending_all(connection: UpstreamConnection) -> None:
    connection.read_request()
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % TOTAL)
    for _ in range(BLOCKS):
        connection.send(BLOCK)


@pytest.mark.usefixtures("_constant_memory")
def test_a_download_of_200_mib_takes_constant_memory(
    client: Client, upstream: ScriptedUpstream, crc: int
) -> None:
    upstream.script = sending_all
    client.keep = False
    client.send(request("GET", "/", upstream.host))
    assert client.read_head().status == 200
    assert client.checksum(TOTAL) == crc


@pytest.mark.usefixtures("_constant_memory")
def test_a_chunked_download_of_200_mib_takes_constant_memory(
    client: Client, upstream: ScriptedUpstream, crc: int
) -> None:
    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(BLOCKS):
            connection.send(b"%x\r\n%s\r\n" % (MIB, BLOCK))
        connection.send(b"0\r\n\r\n")

    upstream.script = script
    client.keep = False
    client.send(request("GET", "/", upstream.host))
    assert client.read_head().value("Transfer-Encoding") == b"chunked"
    seen, total = 0, 0
    while size := int(client.read_line(), 16):
        part = client.read_exactly(size)
        assert client.read_line() == b""
        seen, total = zlib.crc32(part, seen), total + size
    assert client.read_line() == b""
    assert (seen, total) == (crc, TOTAL)


@pytest.mark.parametrize("framing", [f"Content-Length: {TOTAL}", "Transfer-Encoding: chunked"])
@pytest.mark.usefixtures("_constant_memory")
def test_an_upload_of_200_mib_takes_constant_memory(
    client: Client, upstream: ScriptedUpstream, crc: int, framing: str
) -> None:
    seen: list[int] = []

    def script(connection: UpstreamConnection) -> None:
        connection.keep = False
        head = connection.read_request_head()
        if head.value("Content-Length"):
            seen.append(connection.checksum(TOTAL))
        else:
            value = 0
            while size := int(connection.read_line(), 16):
                value = zlib.crc32(connection.read_exactly(size), value)
                connection.read_line()
            connection.read_line()
            seen.append(value)
        connection.send(OK)

    upstream.script = script
    client.send(request("POST", "/", upstream.host, framing))
    block = BLOCK if framing.startswith("C") else b"%x\r\n%s\r\n" % (MIB, BLOCK)
    for _ in range(BLOCKS):
        client.send(block)
    if framing.startswith("T"):
        client.send(b"0\r\n\r\n")
    assert client.answer().status == 200
    assert seen == [crc]


@pytest.mark.usefixtures("_constant_memory")
def test_a_client_that_does_not_read_stops_the_upstream(
    client: Client, upstream: ScriptedUpstream, crc: int
) -> None:
    transfer = Transfer()

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % TOTAL)
        transfer.run(connection)

    upstream.script = script
    client.keep = False
    client.send(request("GET", "/", upstream.host))
    assert transfer.stalled.wait(DEADLINE), "the upstream was read to its end"
    assert transfer.sent_when_stalled < BETWEEN
    transfer.go_on.set()
    assert client.read_head().status == 200
    assert client.checksum(TOTAL) == crc


@pytest.mark.usefixtures("_constant_memory")
def test_an_upstream_that_does_not_read_stops_the_client(
    client: Client, upstream: ScriptedUpstream, crc: int
) -> None:
    transfer = Transfer()
    seen: list[int] = []

    def script(connection: UpstreamConnection) -> None:
        connection.keep = False
        connection.read_request_head()
        assert transfer.go_on.wait(DEADLINE)
        seen.append(connection.checksum(TOTAL))
        connection.send(OK)

    upstream.script = script
    client.send(request("POST", "/", upstream.host, f"Content-Length: {TOTAL}"))
    thread = threading.Thread(target=transfer.run, args=(client,))
    thread.start()
    stalled = transfer.stalled.wait(DEADLINE)
    transfer.go_on.set()
    thread.join()
    assert stalled, "the client was read to its end"
    assert transfer.sent_when_stalled < BETWEEN
    assert client.answer().status == 200
    assert seen == [crc]


def test_a_stalled_client_does_not_hold_up_another(site: Site, upstream: ScriptedUpstream) -> None:
    upstream.script = sending_all
    stalled = site.connect()
    stalled.send(request("GET", "/", upstream.host))
    upstream.wait_for(lambda: len(upstream.requests) == 1)
    other = site.connect()
    other.keep = False
    other.send(request("GET", "/", upstream.host))
    assert other.read_head().status == 200
    assert len(other.read_exactly(MIB)) == MIB


@pytest.mark.usefixtures("_constant_memory")
def test_a_client_that_pipelines_and_does_not_read_is_made_to_wait(client: Client) -> None:
    count = TOTAL // BIG
    asked = request("GET", "/big", "any.test") * count
    client.keep = False
    thread = threading.Thread(target=client.send, args=(asked,))
    thread.start()
    thread.join(1)
    for _ in range(count):
        assert len(client.answer().body) == BIG
    thread.join(DEADLINE)


def test_events_arrive_one_by_one(client: Client, upstream: ScriptedUpstream) -> None:
    seen = threading.Semaphore(0)

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
        connection.send(b"Transfer-Encoding: chunked\r\n\r\n")
        for number in range(5):
            event = b"data: %d\n\n" % number
            connection.send(b"%x\r\n%s\r\n" % (len(event), event))
            assert seen.acquire(timeout=DEADLINE), "the event was held back"
        connection.send(b"0\r\n\r\n")

    upstream.script = script
    client.send(request("GET", "/", upstream.host))
    assert client.read_head().value("Content-Type") == b"text/event-stream"
    for number in range(5):
        size = int(client.read_line(), 16)
        assert client.read_exactly(size + 2) == b"data: %d\n\n\r\n" % number
        seen.release()
    assert client.read_line() == b"0"


def test_bytes_without_framing_arrive_one_by_one(
    client: Client, upstream: ScriptedUpstream
) -> None:
    seen = threading.Semaphore(0)

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(5):
            connection.send(b"x")
            assert seen.acquire(timeout=DEADLINE), "the byte was held back"

    upstream.script = script
    client.send(f"GET / HTTP/1.0\r\nHost: {upstream.host}\r\n\r\n".encode())
    client.read_head()
    for _ in range(5):
        assert client.read_exactly(1) == b"x"
        seen.release()
    client.sees_the_end()


def test_the_head_arrives_before_the_body_is_there(
    client: Client, upstream: ScriptedUpstream
) -> None:
    seen = threading.Event()

    def script(connection: UpstreamConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        assert seen.wait(DEADLINE), "the head was held back"
        connection.send(b"ok")

    upstream.script = script
    client.send(request("GET", "/", upstream.host))
    assert client.read_head().status == 200
    seen.set()
    assert client.read_exactly(2) == b"ok"


def test_the_request_s_head_arrives_before_its_body_is_there(
    client: Client, upstream: ScriptedUpstream
) -> None:
    upstream.start()
    client.send(request("POST", "/", upstream.host, "Content-Length: 5"))
    upstream.wait_for(lambda: len(upstream.heads) == 1)
    client.send(b"hello")
    assert client.answer().status == 200
