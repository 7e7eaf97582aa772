"""Settings of accounts."""

from __future__ import annotations

from typing import Annotated

import msgspec

Seconds = Annotated[int, msgspec.Meta(ge=1)]


class AccountOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Safe when left out.

    registration: whether people may make themselves an account. verified_email: whether they
    must confirm their address before they can log in. second_factor: whether everybody must have
    one; who has none sets it up before anything else. password_score: the least that zxcvbn
    must give, 0 to 4. hash_memory: KiB, hash_passes: of Argon2id.
    account_failures, address_failures: wrong passwords before pauses begin; a pause is a
    minute and doubles up to an hour. session_idle, session_absolute: seconds.
    remember_device: seconds that a device is not asked for a code, if people want; 0: always.
    unused: seconds after which an account goes that was neither confirmed nor logged in to, if any.
    """

    registration: bool = True
    verified_email: bool = False
    second_factor: bool = False
    password_length: Annotated[int, msgspec.Meta(ge=8, le=64)] = 8
    password_score: Annotated[int, msgspec.Meta(ge=0, le=4)] = 2
    hash_memory: Annotated[int, msgspec.Meta(ge=19456, le=2**20)] = 19456
    hash_passes: Annotated[int, msgspec.Meta(ge=2, le=100)] = 2
    account_failures: Annotated[int, msgspec.Meta(ge=1, le=20)] = 10
    address_failures: Annotated[int, msgspec.Meta(ge=1, le=10000)] = 100
    session_idle: Seconds = 7 * 86400
    session_absolute: Seconds = 30 * 86400
    unused: Annotated[int, msgspec.Meta(ge=0, le=80 * 86400)] = 30 * 86400
    remember_device: Annotated[int, msgspec.Meta(ge=0, le=365 * 86400)] = 30 * 86400
