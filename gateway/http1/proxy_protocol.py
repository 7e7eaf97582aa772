"""The PROXY protocol, versions 1 and 2: who connected to the proxy in front of us.

Source: HAProxy's doc/proxy-protocol.txt.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

V1 = b"PROXY "
V2 = b"\r\n\r\n\0\r\nQUIT\n"
MAX_V1 = 107
FAMILIES = {0x11: 4, 0x21: 16}


class BadPreface(Exception):
    """The bytes begin like a PROXY header and are none."""


class Preface(NamedTuple):
    """The client's address, None when the proxy speaks for itself; bytes to skip.

    size 0: not all of the header has come yet.
    """

    address: str | None
    size: int


def read_preface(data: bytes) -> Preface:
    """The PROXY header at the start of `data`. Raises BadPreface when there is none."""
    if data.startswith(V1):
        return _version_1(data)
    if data.startswith(V2):
        return _version_2(data)
    if V2.startswith(data):
        return Preface(None, 0)
    raise BadPreface


def _version_1(data: bytes) -> Preface:
    end = data.find(b"\r\n", 0, MAX_V1)
    if end < 0:
        if len(data) >= MAX_V1:
            raise BadPreface
        return Preface(None, 0)
    words = data[:end].split(b" ")
    if words[1] == b"UNKNOWN":
        return Preface(None, end + 2)
    family = {b"TCP4": IPv4Address, b"TCP6": IPv6Address}.get(words[1])
    if family is None or len(words) != 6 or not all(map(_is_port, words[4:])):
        raise BadPreface
    if b"%" in data[:end]:
        raise BadPreface  # an IPv6 zone, which may hold anything, line feeds too
    try:
        source, _ = (family(word.decode("ascii")) for word in words[2:4])
    except ValueError:
        raise BadPreface from None
    return Preface(str(source), end + 2)


def _is_port(word: bytes) -> bool:
    return word.isdigit() and len(word) <= 5 and int(word) <= 65535


def _version_2(data: bytes) -> Preface:
    if len(data) < 16:
        return Preface(None, 0)
    command, family = data[12], data[13]
    size = 16 + int.from_bytes(data[14:16], "big")
    if command not in (0x20, 0x21) or size > 16 + 2048:
        raise BadPreface
    if len(data) < size:
        return Preface(None, 0)
    width = FAMILIES.get(family)
    if command == 0x20 or width is None:
        return Preface(None, size)
    if size < 16 + 2 * width + 4:
        raise BadPreface
    return Preface(str(ip_address(data[16 : 16 + width])), size)
