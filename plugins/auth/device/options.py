"""Settings of the device flow."""

from __future__ import annotations

from typing import Annotated

import msgspec


class DeviceOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """lifetime: seconds that a code waits for its person. interval: seconds between questions."""

    lifetime: Annotated[int, msgspec.Meta(ge=60, le=1800)] = 600
    interval: Annotated[int, msgspec.Meta(ge=1, le=60)] = 5
