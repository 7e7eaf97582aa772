"""What every driver refuses, before its engine sees it."""

from __future__ import annotations

from backends.errors import Refused
from backends.keyvalue import LARGEST_VALUE, LONGEST_KEY, LONGEST_TTL

INT64 = range(-(1 << 63), 1 << 63)


def encoded(key: str) -> bytes:
    """As UTF-8. Raises Refused."""
    data = key.encode("utf-8", "surrogatepass")
    if len(data) > LONGEST_KEY:
        raise Refused(f"keyvalue: a key is at most {LONGEST_KEY} bytes long")
    return data


def check_value(value: bytes) -> None:
    """Raises Refused. Only bytes: a bytearray could change after it was stored."""
    if type(value) is not bytes:
        raise Refused(f"keyvalue: a value is bytes, not {type(value).__name__}")
    if len(value) > LARGEST_VALUE:
        raise Refused(f"keyvalue: a value is at most {LARGEST_VALUE} bytes long")


def milliseconds(ttl: float) -> int:
    """At least 1. Raises Refused."""
    if not 0 < ttl <= LONGEST_TTL:  # NaN is refused too
        raise Refused(f"keyvalue: a ttl is above 0 and at most {LONGEST_TTL:.0f} seconds")
    return max(1, round(ttl * 1000))


def check_step(by: int) -> None:
    """Raises Refused."""
    if by not in INT64:
        raise Refused("keyvalue: a number has at most 64 bits")
