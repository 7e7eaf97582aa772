"""The PROXY protocol, versions 1 and 2: who connected to the proxy in front of us.

Source: HAProxy's doc/proxy-protocol.txt.
"""

from __future__ import annotations

from ipaddress import ip_address
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
        raise BadPreface
    words = data[:end].split(b" ")
    if words[1] == b"UNKNOWN":
        return Preface(None, end + 2)
    if len(words) != 6 or words[1] not in (b"TCP4", b"TCP6"):
        raise BadPreface
    try:
        return Preface(str(ip_address(words[2].decode("ascii"))), end + 2)
    except ValueError:
        raise BadPreface from None


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
