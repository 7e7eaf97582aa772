"""Settings of signing keys."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Algorithm = Literal["ES256", "RS256", "EdDSA"]
RS256: Literal["RS256"] = "RS256"
DAY = 86400


class KeyOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """algorithm: of new keys. rotate: seconds a key signs. ahead: seconds it is published before.

    A key stays published for a day after it signed last, which no token outlives.
    """

    algorithm: Algorithm = "ES256"
    rotate: Annotated[int, msgspec.Meta(ge=600)] = 30 * DAY
    ahead: Annotated[int, msgspec.Meta(ge=120)] = DAY

    def __post_init__(self) -> None:
        if self.ahead * 2 > self.rotate:
            raise ValueError("ahead is at most half of rotate")
