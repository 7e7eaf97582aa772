"""Where keys come from: a file, an address, an issuer's discovery, a plugin, a secret."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from yarl import URL

from gateway.jose.fetch import MAX_BYTES, Connect, Document, fetch_json, parse_json
from gateway.jose.issuer import KeyIssuer
from gateway.jose.keys import KeyReader, KeySet, KeysUnavailable

DISCOVERY = "/.well-known/openid-configuration"
SHORTEST, LONGEST, USUAL = 60.0, 3600.0, 600.0
EARLY = 0.9
FILE_EVERY = 2.0
PLUGIN_EVERY = 10.0
PLUGIN_TIMEOUT = 5.0


class Fetched(NamedTuple):
    """`again_in`: seconds after which the source wants to be asked again."""

    keys: KeySet
    again_in: float


class KeySource(Protocol):
    """**Protocol:** one way to the keys. `fetch` raises KeysUnavailable and nothing else.

    It is never called twice at once. `local` says that a failure to read it the first time is
    a mistake in the configuration, and not an engine that is down.
    """

    @property
    def local(self) -> bool: ...

    async def fetch(self) -> Fetched: ...


class SecretAlone:
    """The configured secret is the only key."""

    local = True

    def __init__(self, reader: KeyReader) -> None:
        self._keys = KeySet((), reader.secret)

    async def fetch(self) -> Fetched:
        return Fetched(self._keys, LONGEST)


class KeyFile:
    """A JWK Set in a file, read again when the file has changed."""

    local = True

    def __init__(self, path: Path, reader: KeyReader) -> None:
        self._path = path
        self._reader = reader
        self._stamp: tuple[int, ...] = ()
        self._keys = KeySet(())

    async def fetch(self) -> Fetched:
        return Fetched(await asyncio.to_thread(self._current), FILE_EVERY)

    def _current(self) -> KeySet:
        try:
            with self._path.open("rb") as file:
                about = os.fstat(file.fileno())
                stamp = (about.st_mtime_ns, about.st_size, about.st_ino)
                if stamp != self._stamp:
                    self._keys = self._read(file.read(MAX_BYTES + 1))
                    self._stamp = stamp
        except OSError as error:
            raise KeysUnavailable(f"{self._path}: {error.strerror}") from error
        return self._keys

    def _read(self, text: bytes) -> KeySet:
        if len(text) > MAX_BYTES:
            raise KeysUnavailable(f"{self._path}: more than {MAX_BYTES} bytes")
        try:
            keys = self._reader.read(parse_json(str(self._path), text), private=True)
        except KeysUnavailable as refused:
            raise KeysUnavailable(f"{self._path}: {refused}") from None
        for group in self._reader.groups:
            if not any(keys.candidates(algorithm, None) for algorithm in group):
                raise KeysUnavailable(f"{self._path}: no key in it fits {' or '.join(group)}")
        return keys


class KeyAddress:
    """A JWK Set behind a URL, kept as long as its Cache-Control says, within bounds."""

    local = False

    def __init__(self, address: str, reader: KeyReader, connect: Connect | None = None) -> None:
        self._address = address
        self._reader = reader
        self._connect = connect

    async def fetch(self) -> Fetched:
        document = await fetch_json(self._address, connect=self._connect)
        return _published(document, self._reader)


class DiscoveredKeys:
    """The JWK Set that the issuer's discovery document names (OpenID Connect Discovery 1.0)."""

    local = False

    def __init__(self, issuer: str, reader: KeyReader) -> None:
        self._issuer = issuer
        self._reader = reader

    async def fetch(self) -> Fetched:
        found = await fetch_json(self._issuer.rstrip("/") + DISCOVERY)
        return _published(await fetch_json(self._jwks_uri(found.content)), self._reader)

    def _jwks_uri(self, document: Any) -> str:
        if not isinstance(document, dict) or document.get("issuer") != self._issuer:
            raise KeysUnavailable(f"{self._issuer}: its discovery document is another issuer's")
        address = document.get("jwks_uri")
        secure = URL(self._issuer).scheme == "https"
        if not isinstance(address, str) or not is_web_address(address, secure=secure):
            raise KeysUnavailable(f"{self._issuer}: its discovery document has no fit jwks_uri")
        return address


class PluginKeys:
    """The keys of an issuer in this process."""

    local = False

    def __init__(self, issuer: KeyIssuer, reader: KeyReader) -> None:
        self._issuer = issuer
        self._reader = reader

    async def fetch(self) -> Fetched:
        try:
            document = await asyncio.wait_for(self._issuer.jwks(), PLUGIN_TIMEOUT)
        except Exception as error:
            why = type(error).__name__
            raise KeysUnavailable(f"{self._issuer.issuer}: its plugin raised {why}") from error
        return Fetched(self._reader.read(document), PLUGIN_EVERY)


def is_web_address(text: str, *, secure: bool = False) -> bool:
    """Whether it is an absolute http(s) URL without a user or a fragment; https if `secure`."""
    try:
        url = URL(text)
    except ValueError:
        return False
    schemes = ("https",) if secure else ("https", "http")
    plain = url.user is None and url.password is None and not url.fragment
    return url.scheme in schemes and bool(url.host) and plain


def _published(document: Document, reader: KeyReader) -> Fetched:
    keys = reader.read(document.content)
    lifetime = USUAL if document.max_age is None else float(document.max_age)
    return Fetched(keys, EARLY * min(max(lifetime, SHORTEST), LONGEST))
