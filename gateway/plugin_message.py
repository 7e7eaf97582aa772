"""The head of a request without a body, as aiohttp's parser would have read it.

The listener has read it strictly already. What aiohttp's parser might refuse, or reads in a way of
its own, is left to that.
"""

from __future__ import annotations

import re
from typing import Any

from aiohttp import hdrs, http_parser
from aiohttp.http_writer import HttpVersion10, HttpVersion11
from multidict import CIMultiDict, CIMultiDictProxy, istr
from yarl import URL

from gateway.exchange import Exchange
from gateway.http1.fields import REMEMBERED
from gateway.http1.request import LONGEST_NAME, METHODS

PLAIN = re.compile(rb"/[!-\"$-~]*")
"""A path and a query of printable ASCII, and no fragment."""

KNOWN_METHODS = frozenset(METHODS.values())
SPECIAL = frozenset({hdrs.CONTENT_ENCODING.lower(), hdrs.SEC_WEBSOCKET_KEY1.lower()})
ONCE = frozenset(
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

SPELLED = {name.lower(): name for name in vars(hdrs).values() if isinstance(name, istr)}
"""The names that aiohttp knows, which it spells its own way."""

# Its class as it is compiled, or as it is not: mypyc would take it for the latter.
_message: Any = http_parser.RawRequestMessage


class Name:
    """A field's name as aiohttp keeps it. once: there is but one. special: it means something to
    aiohttp's parser."""

    __slots__ = ("once", "raw", "special", "text")

    def __init__(self, raw: bytes) -> None:
        text = raw.decode("ascii")
        lower = text.lower()
        self.raw = raw
        self.text: Any = SPELLED.get(lower) or istr(text)
        self.once = lower in ONCE
        self.special = lower in SPECIAL


_names: dict[bytes, Name] = {}
_urls: dict[bytes, URL] = {}


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
    fields: Any = CIMultiDict()
    raw: list[tuple[bytes, bytes]] = []
    for line in lines:
        colon = line.find(b":")
        known = _names.get(line[:colon]) or _name(line[:colon])
        if known.special or (known.once and known.text in fields):
            return None
        value = line[colon + 1 :].strip(b" \t")
        fields.add(known.text, value.decode("utf-8", "surrogateescape"))
        raw.append((known.raw, value))
    return _message(
        exchange.method,
        target.decode("ascii"),
        HttpVersion11 if exchange.minor else HttpVersion10,
        CIMultiDictProxy(fields),
        tuple(raw),
        last,
        None,
        False,
        False,
        url,
    )


def _name(raw: bytes) -> Name:
    name = Name(raw)
    if len(_names) >= REMEMBERED:
        _names.clear()
    if len(raw) <= LONGEST_NAME:
        _names[raw] = name
    return name


def _url(target: bytes) -> URL:
    path, _, query = target.decode("ascii").partition("?")
    url = URL.build(path=path, query_string=query, encoded=True)
    if len(_urls) >= REMEMBERED:
        _urls.clear()
    if len(target) <= LONGEST_NAME:
        _urls[target] = url
    return url
