"""How a request's path is read. Decided here, once, on the raw bytes.

- The bytes sent upstream are the bytes received (after strip_prefix or rewrite). What follows
  is for choosing a route only.
- A path is matched in its normal form: an escaped visible character is the same as the
  character itself (RFC 3986 6.2.2.2, and beyond it `%40` for `@`, `%3A` for `:` and the like,
  so that a spelling cannot slip past a route), other escapes stay and count in upper case,
  and `//` counts as `/`. Case matters. `%2F` is data, not a separator. `;parameters` belong
  to their segment.
- Refused with 400, never repaired: a dot segment (`.` or `..`, also as `%2e`, with
  `;parameters` behind it, or between `%2F` and `%5C`), control bytes, spaces, non-ASCII bytes,
  `#` and `\\`, a `%` without two hex digits, and `%00`. In the query, which is otherwise left
  alone: control bytes, spaces, non-ASCII bytes and `#`.
- A lenient upstream may still read a path with `%2F`, `%5C`, `//` or `;` in another way:
  with the escapes as separators, the parameters cut off, the slashes merged or not. Where such
  a reading leads to a route with a middleware that the chosen route lacks, the request is
  refused with 400, so that no guard is passed by spelling.
"""

from __future__ import annotations

import re
from itertools import product
from typing import Final, NamedTuple

from gateway.errors import GatewayError

# Kept escaped, because decoded they would change the path's structure.
STRUCTURAL = b"/\\%?#"
VISIBLE = bytes(range(0x21, 0x7F))
PLAIN = VISIBLE.translate(None, b"\\%?#;")
PLAIN_QUERY = VISIBLE.translate(None, b"#")
# To compare with what a bytes method made of it is the cheapest test: `in` costs three times that.
_PLAIN_STAYS: Final = bytes(byte if byte in PLAIN else 0x2F for byte in range(256))
_CLEAN_STAYS: Final = bytes(byte if byte in PLAIN_QUERY else 0x2F for byte in range(256))

_REFUSED = re.compile(rb"[^\x21-\x7e]|[#?\\]")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})|%00")
_DOT_SEGMENT = re.compile(rb"(?:/|%2F|%5C)\.\.?(?=/|%2F|%5C|;|\Z)")
_SEPARATOR = re.compile(rb"%2F|%5C")
_PARAMETERS = re.compile(rb";[^/]*")
_SLASHES = re.compile(rb"//+")


class PathRefused(GatewayError):
    """A path no upstream shall see. The message is for the client and never holds the path."""


class Readings(NamedTuple):
    """A path's normal form, and what else a lenient upstream might make of it."""

    normal: bytes
    others: frozenset[bytes] = frozenset()


def is_plain(path: bytes) -> bool:
    """Whether a path is its own normal form and can be read in one way only.

    Nearly free, and True for almost every request.
    """
    return (
        path[:1] == b"/"
        and path.translate(_PLAIN_STAYS) == path
        and path.replace(b"//", b"/") == path
        and path.replace(b"/.", b"/") == path
    )


def is_clean_query(query: bytes) -> bool:
    return query.translate(_CLEAN_STAYS) == query


def read(path: bytes) -> Readings:
    """The readings of any path. Raises PathRefused."""
    if not path.startswith(b"/"):
        raise PathRefused("The request target is not a path.")
    if _REFUSED.search(path):
        raise PathRefused("The path holds a character that must be escaped.")
    if _BAD_ESCAPE.search(path):
        raise PathRefused("The path holds an invalid escape.")
    spelled = spell(path)
    if _DOT_SEGMENT.search(spelled):
        raise PathRefused("The path holds a dot segment.")
    normal = _SLASHES.sub(b"/", spelled)
    readings = {spelled, _SEPARATOR.sub(b"/", spelled)}
    readings.update([_PARAMETERS.sub(b"", reading) for reading in readings])
    readings.update([_SLASHES.sub(b"/", reading) for reading in readings])
    return Readings(normal, frozenset(readings - {normal}))


def spell(path: bytes) -> bytes:
    """Each character in the spelling of the normal form. For paths with valid escapes only."""
    first, *rest = path.split(b"%")
    return first + b"".join([SPELLED[part[:2]] + part[2:] for part in rest])


def split(path: bytes, most: int) -> list[bytes]:
    """`path.split(b"/", most)` of the path with its slashes merged, but for the last part.

    That part is as received, so that `/a//b//c` split once gives `b"a//b//c"` at the end.
    """
    parts, rest = [b""], path.lstrip(b"/")
    while len(parts) < most:
        segment, slash, rest = rest.partition(b"/")
        parts.append(segment)
        if not slash:
            return parts
        rest = rest.lstrip(b"/")
    parts.append(rest)
    return parts


def _spelled(digits: bytes) -> bytes:
    character = bytes([int(digits, 16)])
    if character in VISIBLE and character not in STRUCTURAL:
        return character
    return b"%" + digits.upper()


_DIGITS = b"0123456789abcdefABCDEF"
SPELLED = {bytes(pair): _spelled(bytes(pair)) for pair in product(_DIGITS, repeat=2)}
