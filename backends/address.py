"""Where an engine is and how to talk to it, read from its URL."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from backends.errors import BackendError

DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
SIZE = re.compile(r"([0-9]+)(B|KiB|MiB|GiB)?")
BYTES = {None: 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
TLS = ("tls", "tls_ca", "tls_cert", "tls_key")

OPTION = re.compile("[a-z_]{1,24}")

OptionsT = TypeVar("OptionsT", bound=msgspec.Struct)


class Host(NamedTuple):
    name: str
    port: int

    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files; without `ca` the machine's own roots are believed. Hosts are always verified."""

    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    def context(self) -> ssl.SSLContext:
        """Raises BackendError for a file that cannot be used; it blocks while it reads them."""
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.cert:
                context.load_cert_chain(self.cert, self.key)
        except (OSError, ssl.SSLError):
            raise BackendError("tls_ca, tls_cert or tls_key is not a PEM file to use") from None
        return context


@dataclass(frozen=True, slots=True)
class Address:
    """`scheme://[user[:password]@]host[:port][,host[:port]...]/path[?option=value...]`.

    path is without its first slash, percent-decoded. tls is None where TLS was not asked for:
    by `tls=true`, another `tls_` option, or a scheme that means it.
    """

    capability: str
    scheme: str
    hosts: tuple[Host, ...]
    username: str | None
    password: str | None = field(repr=False)
    path: str
    query: Mapping[str, str] = field(repr=False)
    tls: Tls | None

    @classmethod
    def parse(
        cls, capability: str, url: str, *, port: int = 0, secure: tuple[str, ...] = ()
    ) -> Address:
        """port: of a host that names none. secure: schemes that mean TLS. Raises BackendError."""
        try:
            parts = urlsplit(url)
            login, _, hosts = parts.netloc.rpartition("@")
            given = (
                dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True))
                if (parts.query)
                else {}
            )
            listed = tuple(_host(text, port) for text in hosts.split(",") if text)
        except ValueError:
            raise BackendError(f"{capability}: this is not a well-formed URL") from None
        username, colon, password = login.partition(":")
        tls_given = {name: given.pop(name) for name in TLS if name in given}
        return cls(
            capability,
            parts.scheme,
            listed,
            unquote(username) if username else None,
            unquote(password) if colon else None,
            unquote(parts.path.removeprefix("/")),
            given,
            _tls(capability, tls_given, parts.scheme in secure),
        )

    def options(self, kind: type[OptionsT]) -> OptionsT:
        """The query as `kind`; numbers and booleans are read from text.

        Raises BackendError, naming the options there are and never a value.
        """
        known = [field.encode_name for field in msgspec.structs.fields(kind)]
        if unknown := sorted(set(self.query) - set(known)):
            listed = ", ".join([*known, *TLS])
            # Else it may be of a password whose ? or & was not escaped.
            named = unknown[0] if OPTION.fullmatch(unknown[0]) else "of such a name"
            raise BackendError(
                f"{self.capability}: {self.scheme}:// has no option {named}; there are {listed}"
            )
        try:
            return msgspec.convert(dict(self.query), kind, strict=False)
        except msgspec.ValidationError as error:
            where = str(error).rpartition("$.")[2].rstrip("`") if "$." in str(error) else "options"
            raise BackendError(
                f"{self.capability}: {where} in a {self.scheme}:// URL is not as expected"
            ) from None

    def __str__(self) -> str:
        """For messages: no login, no options."""
        hosts = ",".join(map(str, self.hosts))
        return f"{self.scheme}://{hosts}{'/' if self.path else ''}{self.path}"


def seconds(text: str) -> float:
    """`100ms`, `2s`, `5m`, `1h`, `7d`. Raises ValueError."""
    if not (match := DURATION.fullmatch(text)):
        raise ValueError("expected a duration such as 500ms or 2s")
    return float(match[1]) * SECONDS[match[2]]


def size(text: str) -> int:
    """`64MiB`, or a number of bytes. Raises ValueError."""
    if not (match := SIZE.fullmatch(text)):
        raise ValueError("expected a size such as 64MiB")
    return int(match[1]) * BYTES[match[2]]


def _host(text: str, port: int) -> Host:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError
    return Host(parts.hostname, port if parts.port is None else parts.port)


def _tls(capability: str, given: Mapping[str, str], secure: bool) -> Tls | None:
    asked = given.get("tls", "true" if given or secure else "false")
    if asked not in ("true", "false") or (asked == "false" and (secure or len(given) > 1)):
        raise BackendError(f"{capability}: tls is true or false, and true with other tls_ options")
    if asked == "false":
        return None
    return Tls(given.get("tls_ca"), given.get("tls_cert"), given.get("tls_key"))
