"""Settings of DPoP."""

from __future__ import annotations

from typing import Annotated

import msgspec


class DpopOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """window: seconds that `iat` of a proof may be from now, either way. nonce: whether each
    proof must have a nonce of ours (RFC 9449 section 8). required: whether no client has tokens
    that are not bound to a key."""

    window: Annotated[int, msgspec.Meta(ge=5, le=600)] = 60
    nonce: bool = False
    required: bool = False
