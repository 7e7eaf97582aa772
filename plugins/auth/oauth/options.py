"""Settings of tokens."""

from __future__ import annotations

from typing import Annotated

import msgspec


class TokenOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """access_lifetime: seconds. audience: `aud` of access tokens; the issuer when left out.

    refresh_idle: seconds unused after which a refresh token ends; refresh_absolute: seconds after
    the log-in, in any case.
    """

    access_lifetime: Annotated[int, msgspec.Meta(ge=30, le=86400)] = 900
    audience: str = ""
    refresh_idle: Annotated[int, msgspec.Meta(ge=60)] = 14 * 86400
    refresh_absolute: Annotated[int, msgspec.Meta(ge=60)] = 90 * 86400
