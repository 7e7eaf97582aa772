"""Fields that an endpoint may take for another one."""

from __future__ import annotations

import string
from collections.abc import Iterable

from gateway.http1.fields import REMEMBERED
from gateway.http1.request import RequestHead

ALPHABET = (string.digits + string.ascii_letters).encode("ascii")
ONE_SPELLING = bytes(byte if byte in ALPHABET else ord("-") for byte in range(256)).lower()
# What a trusted proxy says in these, the gateway itself extends or replaces.
THE_GATEWAYS = frozenset((b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"))


def one_spelling(name: bytes) -> bytes:
    """The same for X-User, x_user and X.User, which CGI and WSGI know by one name: HTTP_X_USER."""
    return name.translate(ONE_SPELLING)


class Namesakes:
    """All that can be taken for a field of one of `names`, or whose name begins with a prefix."""

    __slots__ = ("_harmless", "_names", "_prefixes")

    def __init__(self, names: Iterable[str], prefixes: Iterable[str] = ()) -> None:
        self._names = frozenset(one_spelling(name.encode("ascii")) for name in names)
        self._prefixes = tuple(one_spelling(prefix.encode("ascii")) for prefix in prefixes)
        self._harmless: set[bytes] = set()

    def drop(self, request: RequestHead) -> None:
        """Take them away, also from what a trusted proxy has passed on, and let none come later."""
        if not self._names and not self._prefixes:
            return
        for name in {line.partition(b":")[0] for line in request.lines} - self._harmless:
            if self._has(name):
                request.headers.remove(name.decode("ascii"))
            else:
                self._remember(name)
        if request.forwarded is not None:
            request.forwarded[:] = [line for line in request.forwarded if not self._spoofed(line)]
        if request.unwelcome is not None:
            request.unwelcome.append(self._has)

    def _has(self, name: bytes) -> bool:
        spelled = one_spelling(name)
        return spelled in self._names or spelled.startswith(self._prefixes)

    def _spoofed(self, line: bytes) -> bool:
        name = line.partition(b":")[0]
        return self._has(name) and name.lower() not in THE_GATEWAYS

    def _remember(self, harmless: bytes) -> None:
        if len(self._harmless) >= REMEMBERED:
            self._harmless.clear()
        if len(harmless) <= 64:
            self._harmless.add(harmless)
