"""`POST /device_authorization` (RFC 8628 section 3.1), and the grant that ends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from backends.errors import BackendError
from backends.sql import Sql
from plugins.auth.accounts.sessions import Sessions
from plugins.auth.device.devices import Devices
from plugins.auth.oauth.clients import DEVICE, REFRESH, Client, Clients
from plugins.auth.oauth.errors import OAuthError, answer
from plugins.auth.oauth.grants import Granted, Grants, new_id
from plugins.auth.oauth.narrowing import for_person
from plugins.auth.oauth.parameters import parameters
from plugins.auth.oauth.person_tokens import PersonTokens
from plugins.auth.oauth.standing import standing
from plugins.auth.oauth.token_endpoint import CNF, busy, check_resource


class DeviceEndpoint:
    def __init__(self, issuer: str, audience: str, clients: Clients, devices: Devices) -> None:
        self._page = f"{issuer}/device"
        self._audience = audience
        self._clients = clients
        self._devices = devices

    async def handle(self, request: web.Request) -> web.Response:
        try:
            sent = await parameters(request)
            client = await self._clients.authenticated(request, sent)
            if DEVICE not in client.grants:
                raise OAuthError("unauthorized_client", "the client may not use this grant")
            check_resource(sent, client.audience or self._audience)
            begun = await self._devices.begin(client.id, for_person(sent, client.scopes))
        except OAuthError as error:
            return error.response()
        except BackendError as error:
            return busy(error)
        return answer(
            {
                "device_code": begun.device_code,
                "user_code": begun.user_code,
                "verification_uri": self._page,
                "verification_uri_complete": f"{self._page}?user_code={begun.user_code}",
                "expires_in": self._devices.options.lifetime,
                "interval": self._devices.options.interval,
            }
        )


class DeviceGrant:
    """A device is logged in by itself: what it has outlives the session it was allowed from."""

    def __init__(
        self,
        sql: Sql,
        devices: Devices,
        sessions: Sessions,
        grants: Grants,
        tokens: PersonTokens,
    ) -> None:
        self._sql = sql
        self._devices = devices
        self._sessions = sessions
        self._grants = grants
        self._tokens = tokens

    async def handle(
        self, request: web.Request, client: Client, sent: Mapping[str, str]
    ) -> dict[str, Any]:
        if "device_code" not in sent:
            raise OAuthError("invalid_request", "device_code is missing")
        row = await self._devices.redeem(sent["device_code"], client.id)
        cnf = request.get(CNF)
        bound = str(cnf["jkt"]) if cnf and client.public else ""
        scopes, amr = tuple(row.scopes.split()), tuple(row.amr.split())
        granted = Granted(
            new_id(),
            client.id,
            row.account_id,
            "",
            True,
            scopes,
            row.auth_time,
            amr,
            row.acr,
            bound,
        )
        async with self._sql.write() as connection:
            stands = await standing(connection, self._sessions, row.account_id, "")
            if stands is None:
                raise OAuthError("invalid_grant", "the device code is not good, or no longer")
            refresh = await self._grants.begin(
                connection, granted, refresh=REFRESH in client.grants
            )
        return await self._tokens.issue(client, granted, stands, refresh_token=refresh, cnf=cnf)
