"""The head of a request without a body, as aiohttp's parser would have read it.

The listener has read it strictly already. What aiohttp's parser might refuse, or reads in a way of
its own, is left to that.
"""

from __future__ import annotations

import re
from typing import Any, Final

from aiohttp import hdrs, http_parser
from aiohttp.http_writer import HttpVersion10, HttpVersion11
from multidict import CIMultiDict, CIMultiDictProxy, istr
from yarl import URL

from gateway.exchange import Exchange
from gateway.http1.fields import REMEMBERED
from gateway.http1.request import LONGEST_NAME, METHODS

PLAIN: Final = re.compile(rb"/[!-\"$-~]*")
"""A path and a query of printable ASCII, and no fragment."""

KNOWN_METHODS: Final = frozenset(METHODS.values())
SPECIAL: Final = frozenset({hdrs.CONTENT_ENCODING.lower(), hdrs.SEC_WEBSOCKET_KEY1.lower()})
ONCE: Final = frozenset(
    name.lower()
    for name in (
        hdrs.CONTENT_LENGTH,
        hdrs.CONTENT_LOCATION,
        hdrs.CONTENT_RANGE,
        hdrs.CONTENT_TYPE,
        hdrs.ETAG,
        hdrs.HOST,
        hdrs.MAX_FORWARDS,
        hdrs.SERVER,
        hdrs.TRANSFER_ENCODING,
        hdrs.USER_AGENT,
    )
)
"""Fields of which aiohttp takes but one."""

SPELLED: Final = {name.lower(): name for name in vars(hdrs).values() if isinstance(name, istr)}
"""The names that aiohttp knows, which it spells its own way."""

UNIQUE: Final = b"X-Request-ID:"
"""The gateway's own field that no two requests share."""

# Its class as it is compiled, or as it is not: mypyc would take it for the latter.
_message: Final[Any] = http_parser.RawRequestMessage


class Field:
    """A field as aiohttp keeps it. once: there is but one of that name. special: it means
    something to aiohttp's parser."""

    __slots__ = ("name", "once", "raw", "special", "value")

    def __init__(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.strip(b" \t")
        text = name.decode("ascii")
        lower = text.lower()
        self.raw = (name, value)
        self.name: Any = SPELLED.get(lower) or istr(text)
        self.value = value.decode("utf-8", "surrogateescape")
        self.once = lower in ONCE
        self.special = lower in SPECIAL


# What clients say they say again: most lines are known, and those of one connection nearly all.
_fields: Final[dict[bytes, Field]] = {}
_urls: Final[dict[bytes, URL]] = {}


def plugin_message(exchange: Exchange, target: bytes, lines: list[bytes], last: bool) -> Any:
    """A RawRequestMessage, or None when aiohttp's parser has to read the head."""
    if exchange.content_length != 0 or exchange.upgrade is not None:
        return None
    if exchange.method not in KNOWN_METHODS:
        return None
    url = _urls.get(target)
    if url is None:
        if PLAIN.fullmatch(target) is None:
            return None
        url = _url(target)
    headers: Any = CIMultiDict()
    add = headers.add
    raw: list[tuple[bytes, bytes]] = []
    for line in lines:
        field = _fields.get(line)
        if field is None:
            field = _field(line)
        if field.special or (field.once and field.name in headers):
            return None
        add(field.name, field.value)
        raw.append(field.raw)
    return _message(
        exchange.method,
        target.decode("ascii"),
        HttpVersion11 if exchange.minor else HttpVersion10,
        CIMultiDictProxy(headers),
        tuple(raw),
        last,
        None,
        False,
        False,
        url,
    )


def _field(line: bytes) -> Field:
    field = Field(line)
    if len(line) <= LONGEST_NAME and not line.startswith(UNIQUE):
        if len(_fields) >= REMEMBERED:
            _fields.clear()
        _fields[line] = field
    return field


def _url(target: bytes) -> URL:
    path, _, query = target.decode("ascii").partition("?")
    url = URL.build(path=path, query_string=query, encoded=True)
    if len(_urls) >= REMEMBERED:
        _urls.clear()
    if len(target) <= LONGEST_NAME:
        _urls[target] = url
    return url
