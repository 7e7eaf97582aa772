"""What a header field means to a proxy, looked up by its name as it stands on the wire.

Names are classified once and remembered in a bounded table, so that the cost of a field that
simply travels on is one slice and one dict hit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
# RFC 9110, 5.5: visible characters, space, tab and obs-text. CR and LF are left in, so that
# what remains after deleting these must be the line ends and nothing else.
IN_A_LINE: Final = bytes(byte for byte in range(256) if byte == 9 or (byte >= 32 and byte != 127))
REMEMBERED: Final = 2048

PASS: Final = 0
DROP: Final = 1
HOST: Final = 2
CONTENT_LENGTH: Final = 3
TRANSFER_ENCODING: Final = 4
CONNECTION: Final = 5
UPGRADE: Final = 6
EXPECT: Final = 7
FORWARDED: Final = 8
INVALID: Final = 9
UNKNOWN: Final = -1

HOP_BY_HOP = {
    b"keep-alive": DROP,
    b"proxy-connection": DROP,
    b"proxy-authenticate": DROP,
    b"proxy-authorization": DROP,
    b"te": DROP,
    b"connection": CONNECTION,
    b"upgrade": UPGRADE,
    b"content-length": CONTENT_LENGTH,
    b"transfer-encoding": TRANSFER_ENCODING,
}
IN_A_REQUEST = {
    **HOP_BY_HOP,
    b"host": HOST,
    b"expect": EXPECT,
    b"forwarded": FORWARDED,
    b"x-request-id": FORWARDED,
}
FRAMING = frozenset({CONTENT_LENGTH, TRANSFER_ENCODING})
# RFC 9110, 6.5.1: a trailer must not change how the message is framed, routed or trusted.
NOT_IN_A_TRAILER = frozenset(IN_A_REQUEST) | {b"authorization", b"cookie", b"set-cookie"}


def is_token(name: bytes) -> bool:
    """RFC 9110, 5.6.2."""
    return bool(name) and TOKEN.issuperset(name)


class FieldKinds:
    """Kind of a field by its raw name with the colon (`b"Content-Length:"`).

    A line without a colon has the raw name `b""`, which is invalid like any other that is no
    token: white space before the colon, folded lines (RFC 9112, 5.1 and 5.2).
    """

    __slots__ = ("_special", "known")

    def __init__(self, special: Mapping[bytes, int]) -> None:
        self._special = special
        self.known: dict[bytes, int] = {}

    def classify(self, raw: bytes) -> int:
        """Remember and return the kind of a name not seen before."""
        name = raw[:-1].lower()
        if not is_token(name):
            return INVALID
        # WSGI and CGI read `_` as `-`: X_Forwarded_For must not get past us either, and
        # Transfer_Encoding frames the message for some and not for others.
        dashed = name.replace(b"_", b"-")
        if dashed != name and self._special.get(dashed) in FRAMING:
            return INVALID
        if dashed.startswith(b"x-forwarded-") and FORWARDED in self._special.values():
            kind = FORWARDED
        else:
            kind = self._special.get(name, PASS)
            if kind is PASS and self._special.get(dashed) == FORWARDED:
                kind = FORWARDED
        if len(self.known) >= REMEMBERED:
            self.known.clear()
        if len(raw) <= 64:
            self.known[raw] = kind
        return kind
