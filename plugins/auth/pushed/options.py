"""Settings of pushed requests."""

from __future__ import annotations

from typing import Annotated

import msgspec


class PushedOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """required: whether every client has to push its requests. lifetime: seconds until one must
    have come to /authorize."""

    required: bool = False
    lifetime: Annotated[int, msgspec.Meta(ge=5, le=600)] = 60
