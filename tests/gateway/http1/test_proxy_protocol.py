"""The PROXY header of a proxy in front: versions 1 and 2, whole or in part."""

from __future__ import annotations

import random
import struct
from ipaddress import ip_address

import pytest

from gateway.http1.proxy_protocol import BadPreface, read_preface

V2 = b"\r\n\r\n\0\r\nQUIT\n"
REST = b"GET / HTTP/1.1\r\n"
LONGEST = f"PROXY TCP6 {':'.join(['ffff'] * 8)} {':'.join(['ffff'] * 8)} 65535 65535\r\n".encode()


def v2(command: int, family: int, *addresses: str, more: bytes = b"") -> bytes:
    packed = b"".join(ip_address(address).packed for address in addresses)
    payload = packed + (struct.pack("!HH", 4711, 443) if addresses else b"") + more
    return V2 + bytes([command, family]) + struct.pack("!H", len(payload)) + payload


GOOD = {
    "v1 TCP4": (b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 443\r\n", "203.0.113.7"),
    "v1 TCP6": (b"PROXY TCP6 2001:DB8::7 ::1 4711 443\r\n", "2001:db8::7"),
    "v1, the longest": (LONGEST, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    "v1 UNKNOWN": (b"PROXY UNKNOWN\r\n", None),
    "v1 UNKNOWN and more": (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", None),
    "v2 TCP4": (v2(0x21, 0x11, "203.0.113.7", "10.0.0.1"), "203.0.113.7"),
    "v2 TCP6": (v2(0x21, 0x21, "2001:db8::7", "::1"), "2001:db8::7"),
    "v2 TCP4 with TLVs": (
        v2(0x21, 0x11, "203.0.113.7", "10.0.0.1", more=b"\x04\0\x02ab"),
        "203.0.113.7",
    ),
    "v2 LOCAL": (v2(0x20, 0x00), None),
    "v2 LOCAL with an address": (v2(0x20, 0x11, "203.0.113.7", "10.0.0.1"), None),
    "v2 UDP4": (v2(0x21, 0x12, "203.0.113.7", "10.0.0.1"), None),
    "v2 unix": (v2(0x21, 0x31, more=bytes(216)), None),
}
BAD = {
    "a request": REST,
    "v1 of another kind": b"PROXY UDP4 203.0.113.7 10.0.0.1 4711 443\r\n",
    "v1 of no kind": b"PROXY \r\n",
    "v1 with too few words": b"PROXY TCP4 203.0.113.7 10.0.0.1 4711\r\n",
    "v1 with too many": b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 443 1\r\n",
    "v1 with two spaces": b"PROXY TCP4  203.0.113.7 10.0.0.1 4711 443\r\n",
    "v1 with a name": b"PROXY TCP4 a.test 10.0.0.1 4711 443\r\n",
    "v1 with other bytes": b"PROXY TCP4 203.0.113.\xb2 10.0.0.1 4711 443\r\n",
    "v1 with the other family": b"PROXY TCP4 ::1 ::1 4711 443\r\n",
    "v1 with a bad destination": b"PROXY TCP4 203.0.113.7 10.0.0 4711 443\r\n",
    "v1 with a zone": b"PROXY TCP6 fe80::1%eth0 ::1 4711 443\r\n",
    "v1 with a field in the zone": b"PROXY TCP6 fe80::1%\nX-User:root ::1 4711 443\r\n",
    "v1 with a port too high": b"PROXY TCP4 203.0.113.7 10.0.0.1 65536 443\r\n",
    "v1 with a signed port": b"PROXY TCP4 203.0.113.7 10.0.0.1 +1 443\r\n",
    "v1 without an end": b"PROXY TCP4 " + b"1" * 96,
    "v1 too long": LONGEST.replace(b"\r\n", b" \r\n"),
    "v2 of another version": v2(0x11, 0x11, "203.0.113.7", "10.0.0.1"),
    "v2 of another command": v2(0x22, 0x11, "203.0.113.7", "10.0.0.1"),
    "v2 too short for its address": v2(0x21, 0x21, "203.0.113.7", "10.0.0.1"),
    "v2 too long": V2 + b"\x21\x11\xff\xff",
}


@pytest.mark.parametrize(("header", "address"), GOOD.values(), ids=GOOD.keys())
def test_it_names_the_client_and_its_own_length(header: bytes, address: str | None) -> None:
    assert read_preface(header) == (address, len(header))
    assert read_preface(header + REST) == (address, len(header))


@pytest.mark.parametrize("header", [header for header, _ in GOOD.values()], ids=GOOD.keys())
def test_while_it_is_not_whole_more_is_waited_for(header: bytes) -> None:
    first = len(b"PROXY ") if header.startswith(b"PROXY") else 0
    for end in range(first, len(header)):
        assert read_preface(header[:end]) == (None, 0)


@pytest.mark.parametrize("header", BAD.values(), ids=BAD.keys())
def test_another_is_refused(header: bytes) -> None:
    with pytest.raises(BadPreface):
        read_preface(header)


def test_whatever_comes_it_is_an_address_or_refused() -> None:
    chance = random.Random(20)
    for _ in range(5000):
        data = bytearray(chance.choice(list(GOOD.values()))[0])
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.choice(b" :%.\r\n\0\x11\x21\xff09afT")
        try:
            address, size = read_preface(bytes(data))
        except BadPreface:
            continue
        assert size <= len(data)
        assert address is None or (ip_address(address) and "%" not in address)
