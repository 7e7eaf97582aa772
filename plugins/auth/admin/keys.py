"""/admin/keys: the keys that sign."""

from __future__ import annotations

import time

import msgspec

from plugins.auth.admin.operation import Call, Operation
from plugins.auth.keys.keyring import Keyring
from plugins.auth.keys.signing_key import SigningKey


class KeyLine(msgspec.Struct, frozen=True):
    """signs_at: UTC seconds since 1970. signs: now. No private half is ever shown."""

    kid: str
    algorithm: str
    signs_at: int
    signs: bool


class Keys(msgspec.Struct, frozen=True):
    """The oldest first."""

    keys: list[KeyLine]


class KeysApi:
    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def operations(self) -> list[Operation]:
        rotate = "/admin/keys/rotate"
        return [
            Operation("GET", "/admin/keys", "Keys that are published", self.all, Keys),
            Operation("POST", rotate, "Publish a further key", self.rotate, KeyLine, status=201),
        ]

    async def all(self, call: Call) -> Keys:
        await self._keyring.read()
        return Keys([self._line(key) for key in self._keyring.published()])

    async def rotate(self, call: Call) -> KeyLine:
        return self._line(await self._keyring.rotate(call.actor))

    def _line(self, key: SigningKey) -> KeyLine:
        signs = key.signs_at <= time.time() and key.kid == self._keyring.signing().kid
        return KeyLine(key.kid, key.algorithm, key.signs_at, signs)
