"""Settings of tokens."""

from __future__ import annotations

from typing import Annotated

import msgspec


class TokenOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """access_lifetime: seconds. audience: `aud` of access tokens; the issuer when left out."""

    access_lifetime: Annotated[int, msgspec.Meta(ge=30, le=86400)] = 900
    audience: str = ""
