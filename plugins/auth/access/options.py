"""Settings of roles, organisations and API keys."""

from __future__ import annotations

from typing import Annotated

import msgspec

DAY = 86400
Most = Annotated[int, msgspec.Meta(ge=0, le=10000)]


class AccessOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """organisations, keys: how many a person may make; 0 for none. key_lifetime: seconds that
    an API key works at most. invitation_lifetime: seconds."""

    organisations: Most = 20
    keys: Most = 50
    key_lifetime: Annotated[int, msgspec.Meta(ge=DAY, le=3650 * DAY)] = 365 * DAY
    invitation_lifetime: Annotated[int, msgspec.Meta(ge=3600, le=90 * DAY)] = 7 * DAY
