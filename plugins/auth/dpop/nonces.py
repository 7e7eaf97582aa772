"""Nonces for proofs (RFC 9449 section 8): sealed times, so every process knows every one."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

from plugins.auth.keys.at_rest import AtRest, SealedOtherwise

LASTS, LARGEST = 300, 100
CONTEXT = b"dpop nonce"


class Nonces:
    """clock: UTC seconds since 1970."""

    def __init__(self, at_rest: AtRest, clock: Callable[[], float]) -> None:
        self._at_rest = at_rest
        self._clock = clock

    def new(self) -> str:
        sealed = self._at_rest.seal(int(self._clock()).to_bytes(8, "big"), CONTEXT)
        return base64.urlsafe_b64encode(sealed).decode()

    def good(self, nonce: str) -> bool:
        """Whether it is ours, of the last five minutes."""
        if len(nonce) > LARGEST or not nonce.isascii():
            return False
        try:
            opened = self._at_rest.open(base64.urlsafe_b64decode(nonce), CONTEXT)
        except (binascii.Error, ValueError, SealedOtherwise):
            return False
        return 0 <= self._clock() - int.from_bytes(opened, "big") < LASTS
