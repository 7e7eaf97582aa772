"""When a browser came with a request, as it carries it through a log-in: nobody else can make one.

With it `prompt=login` is asked once and not for ever, and `max_age` counts from when it was asked.
"""

from __future__ import annotations

import binascii
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable

from plugins.auth.keys.at_rest import AtRest, SealedOtherwise

NAME = "asked"
LONGEST = 3600


class AskedAt:
    def __init__(self, at_rest: AtRest, clock: Callable[[], float] = time.time) -> None:
        self._at_rest = at_rest
        self._clock = clock

    def seal(self, client_id: str) -> str:
        """For now."""
        clear = str(int(self._clock())).encode()
        return urlsafe_b64encode(self._at_rest.seal(clear, _context(client_id))).decode()

    def read(self, client_id: str, sealed: str) -> int | None:
        """UTC seconds since 1970; None for what is not ours or an hour old."""
        try:
            clear = self._at_rest.open(urlsafe_b64decode(sealed), _context(client_id))
        except (SealedOtherwise, binascii.Error, ValueError):
            return None
        at, now = int(clear), int(self._clock())
        return at if now - LONGEST < at <= now else None


def _context(client_id: str) -> bytes:
    return b"asked " + client_id.encode()
