"""/admin/users/{id}/apps and /devices: what somebody trusts."""

from __future__ import annotations

import msgspec

from plugins.auth.accounts.directory import Directory
from plugins.auth.admin.operation import Call, Operation, there
from plugins.auth.factors.devices import Devices
from plugins.auth.oauth.consents import Consents


class UserApp(msgspec.Struct, frozen=True):
    """A client with the user's consent or a grant that lives. at: UTC seconds since 1970."""

    client_id: str
    name: str
    scopes: list[str]
    at: int


class UserApps(msgspec.Struct, frozen=True):
    """By name."""

    apps: list[UserApp]


class UserDevice(msgspec.Struct, frozen=True):
    """A browser that is not asked for the second factor. Times are UTC seconds since 1970."""

    id: str
    created_at: int
    used_at: int
    address: str
    agent: str


class UserDevices(msgspec.Struct, frozen=True):
    """A hundred at most, the last used first."""

    devices: list[UserDevice]


class TrustedApi:
    def __init__(self, directory: Directory, consents: Consents, devices: Devices) -> None:
        self._directory = directory
        self._consents = consents
        self._devices = devices

    def operations(self) -> list[Operation]:
        apps, devices = "/admin/users/{id}/apps", "/admin/users/{id}/devices"
        return [
            Operation("GET", apps, "Clients that may do something for a user", self.apps, UserApps),
            Operation("DELETE", f"{apps}/{{client}}", "End all that it was granted", self.end_app),
            Operation("GET", devices, "Remembered devices", self.devices, UserDevices),
            Operation("DELETE", f"{devices}/{{device}}", "Remember it no more", self.forget),
        ]

    async def apps(self, call: Call) -> UserApps:
        account = there(await self._directory.get(call.path["id"]), "user")
        found = await self._consents.apps(account.id)
        return UserApps(
            [UserApp(each.client_id, each.name, list(each.scopes), each.at) for each in found]
        )

    async def end_app(self, call: Call) -> None:
        which, client = call.path["id"], call.path["client"]
        there(await self._consents.take_back(which, client, call.actor), "app")

    async def devices(self, call: Call) -> UserDevices:
        account = there(await self._directory.get(call.path["id"]), "user")
        found = await self._devices.of_account(account.id)
        return UserDevices(
            [
                UserDevice(each.id, each.created_at, each.used_at, each.address, each.agent)
                for each in found
            ]
        )

    async def forget(self, call: Call) -> None:
        which, device = call.path["id"], call.path["device"]
        there(await self._devices.forget(which, device, call.actor), "device")
