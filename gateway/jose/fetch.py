"""One bounded GET of a JSON document from an issuer."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, NamedTuple

import aiohttp
from yarl import URL

from gateway.jose.keys import KeysUnavailable

PATIENCE = 5.0
MAX_BYTES = 512 * 1024
MAX_REDIRECTS = 3
REDIRECTS = frozenset({301, 302, 303, 307, 308})
Connect = Callable[[], aiohttp.BaseConnector]
"""Makes what connects, when an address may lead where nothing is to be asked."""
MAX_AGE = re.compile(r"(?:^|[,\s])max-age=(\d{1,9})(?:$|[,\s])", re.IGNORECASE)


class Document(NamedTuple):
    """`max_age` in seconds, None when the answer does not say (RFC 9111 section 5.2)."""

    content: Any
    max_age: int | None


async def fetch_json(
    address: str, *, patience: float = PATIENCE, connect: Connect | None = None
) -> Document:
    """The document at `address`. Raises KeysUnavailable for whatever keeps it from coming
    within `patience` seconds.

    No proxy of the environment is used, no cookie is kept, and a redirect is followed only
    to https, or on the loopback.
    """
    url = URL(address)
    try:
        async with (
            asyncio.timeout(patience),
            aiohttp.ClientSession(
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=None if connect is None else connect(),
            ) as session,
        ):
            for _ in range(MAX_REDIRECTS + 1):
                async with session.get(
                    url, allow_redirects=False, headers={"Accept": "application/json"}
                ) as answer:
                    if answer.status not in REDIRECTS:
                        return await _document(url, answer)
                    url = _redirected(url, answer.headers.get("Location", ""))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise KeysUnavailable(f"{_shown(url)}: {_why(error)}") from error
    raise KeysUnavailable(f"{_shown(url)}: too many redirects")


async def _document(url: URL, answer: aiohttp.ClientResponse) -> Document:
    if answer.status != 200:
        raise KeysUnavailable(f"{_shown(url)}: answered {answer.status}")
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > MAX_BYTES:
            raise KeysUnavailable(f"{_shown(url)}: more than {MAX_BYTES} bytes")
    found = MAX_AGE.search(answer.headers.get("Cache-Control", ""))
    return Document(parse_json(_shown(url), body), int(found[1]) if found else None)


def parse_json(where: str, text: bytes | bytearray) -> Any:
    """Raises KeysUnavailable, which quotes nothing of the text: it may be a secret."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise KeysUnavailable(f"{where}: not JSON") from None


def _redirected(url: URL, location: str) -> URL:
    target = url.join(URL(location))
    if target.scheme == "https" or (is_loopback(url) and is_loopback(target)):
        return target
    raise KeysUnavailable(f"{_shown(url)}: redirects to an address that is not https")


def is_loopback(url: URL) -> bool:
    if url.host == "localhost":
        return True
    try:
        return ip_address(url.host or "").is_loopback
    except ValueError:
        return False


def _shown(url: URL) -> str:
    return str(url.with_user(None).with_query(None).with_fragment(None))


def _why(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"{type(error).__name__}: {error.os_error}"
    return "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
