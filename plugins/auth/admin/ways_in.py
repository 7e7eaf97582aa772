"""/admin/users/{id}/factors and /identities: what somebody logs in with, beside a password."""

from __future__ import annotations

from typing import Literal

import msgspec

from plugins.auth.accounts.directory import Directory
from plugins.auth.accounts.ways_in import WaysIn
from plugins.auth.admin.operation import Call, Operation, there
from plugins.auth.social.identities import Identities


class UserFactor(msgspec.Struct, frozen=True):
    """totp: an authenticator app. Times are UTC seconds since 1970, null for what is not known."""

    id: str
    kind: Literal["totp", "passkey"]
    name: str
    created_at: int | None
    used_at: int | None


class UserFactors(msgspec.Struct, frozen=True):
    """recovery_codes: how many are left."""

    factors: list[UserFactor]
    recovery_codes: int


class UserIdentity(msgspec.Struct, frozen=True):
    """issuer, subject: by which the provider's person is known. email: what it said last."""

    id: str
    provider: str
    issuer: str
    subject: str
    email: str
    created_at: int
    used_at: int


class UserIdentities(msgspec.Struct, frozen=True):
    """A hundred at most, the first connected first."""

    identities: list[UserIdentity]


class Removed(msgspec.Struct, frozen=True):
    removed: int


class WaysInApi:
    def __init__(self, directory: Directory, ways_in: WaysIn, identities: Identities) -> None:
        self._directory = directory
        self._ways_in = ways_in
        self._identities = identities

    def operations(self) -> list[Operation]:
        factors, identities = "/admin/users/{id}/factors", "/admin/users/{id}/identities"
        return [
            Operation("GET", factors, "Second factors and passkeys", self.factors, UserFactors),
            Operation("DELETE", factors, "Remove all; sessions end", self.remove_all, Removed),
            Operation(
                "DELETE", f"{factors}/{{factor}}", "Remove one; sessions end", self.remove_one
            ),
            Operation(
                "GET", identities, "Identities at other providers", self.identities, UserIdentities
            ),
            Operation(
                "DELETE", f"{identities}/{{identity}}", "Disconnect; sessions end", self.disconnect
            ),
        ]

    async def factors(self, call: Call) -> UserFactors:
        account = there(await self._directory.get(call.path["id"]), "user")
        found, codes = await self._ways_in.factors(account.id)
        return UserFactors([UserFactor(*each) for each in found], codes)

    async def remove_all(self, call: Call) -> Removed:
        removed = await self._ways_in.remove_factors(call.path["id"], None, call.actor)
        return Removed(there(removed, "user"))

    async def remove_one(self, call: Call) -> None:
        which, factor = call.path["id"], call.path["factor"]
        there(bool(await self._ways_in.remove_factors(which, factor, call.actor)), "factor")

    async def identities(self, call: Call) -> UserIdentities:
        account = there(await self._directory.get(call.path["id"]), "user")
        found = await self._identities.of_account(account.id)
        return UserIdentities([UserIdentity(**each._asdict()) for each in found])

    async def disconnect(self, call: Call) -> None:
        which, identity = call.path["id"], call.path["identity"]
        there(await self._ways_in.remove_identity(which, identity, call.actor), "identity")
