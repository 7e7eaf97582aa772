"""What OAuth 2 has beyond its core, put together and joined to the server."""

from __future__ import annotations

from collections.abc import Iterable

from aiohttp import web

from backends.sql import Sql
from plugins.auth.device.devices import Devices
from plugins.auth.device.endpoint import DeviceEndpoint, DeviceGrant
from plugins.auth.dpop.proof import ALGORITHMS
from plugins.auth.dpop.proofs import Proofs
from plugins.auth.exchange.exchange import Exchange
from plugins.auth.keys.at_rest import AtRest
from plugins.auth.keys.keyring import Keyring
from plugins.auth.leaving.messenger import Messenger
from plugins.auth.leaving.participants import Participants
from plugins.auth.leaving.reach import Reach
from plugins.auth.leaving.wish import Wishes
from plugins.auth.oauth.clients import CODE, DEVICE, EXCHANGE, PASSWORD, Clients
from plugins.auth.oauth.cross_origin import from_anywhere
from plugins.auth.oauth.server import Server
from plugins.auth.options import AuthOptions
from plugins.auth.pages.device import DevicePage
from plugins.auth.pages.leaving import Leaving
from plugins.auth.pages.rooms import Rooms
from plugins.auth.password.password import PasswordGrant
from plugins.auth.pushed.endpoint import PushedEndpoint
from plugins.auth.pushed.requests import Pushed
from plugins.auth.registration.endpoint import Registration
from plugins.auth.registration.members import Rules
from plugins.auth.registration.tokens import RegistrationTokens


class Extensions:
    def __init__(
        self,
        *,
        sql: Sql,
        options: AuthOptions,
        clients: Clients,
        keyring: Keyring,
        at_rest: AtRest,
        rooms: Rooms,
        server: Server,
        reach: Reach,
    ) -> None:
        issuer, audience = options.issuer, server.access_tokens.audience
        grants, tokens = server.grants, server.person_tokens
        self.proofs = proofs = Proofs(sql, issuer, at_rest, options.dpop)
        pushed = Pushed(sql, options.pushed)
        devices = Devices(sql, options.device)
        self._par = PushedEndpoint(audience, clients, pushed, proofs)
        self._device = DeviceEndpoint(issuer, audience, clients, devices)
        self._device_page = DevicePage(rooms, sql, clients, devices, server.choosing)
        server.token.before(proofs.bind)
        server.bearer.proved = proofs.proved
        server.authorize.pushed = pushed
        device = DeviceGrant(sql, devices, rooms.sessions, grants, tokens)
        server.token.add(DEVICE, device.handle)
        exchange = Exchange(server.reading, server.access_tokens, rooms.directory)
        server.token.add(EXCHANGE, exchange.handle)
        password = PasswordGrant(sql, rooms, grants, tokens, choosing=server.choosing)
        server.token.add(PASSWORD, password.handle)
        rooms.changes.on_leave(devices.forget)
        rooms.changes.on_export("devices_allowed", devices.exported)
        self._registration = Registration(
            sql,
            issuer,
            clients=clients,
            changes=server.client_changes,
            keyring=keyring,
            tokens=RegistrationTokens(sql),
            rules=Rules(issuer, keyring.offered),
        )
        self._leaving = Leaving(rooms, Wishes(issuer, clients, keyring))
        participants = Participants(sql)
        server.token.add(CODE, participants.noting(server.token.grants[CODE]))
        rooms.sessions.on_end(participants.ended)
        rooms.changes.on_leave(participants.forget)
        rooms.changes.on_export("logouts", participants.exported)
        self.messenger = Messenger(
            sql=sql, issuer=issuer, clients=clients, keyring=keyring, reach=reach
        )
        server.endpoints.more |= {
            "dpop_signing_alg_values_supported": list(ALGORITHMS),
            "pushed_authorization_request_endpoint": f"{issuer}/par",
            "require_pushed_authorization_requests": options.pushed.required,
            "device_authorization_endpoint": f"{issuer}/device_authorization",
            "registration_endpoint": f"{issuer}/clients",
            "end_session_endpoint": f"{issuer}/logout",
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": True,
        }

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [
            *from_anywhere("/par", post=self._par.handle),
            *from_anywhere("/device_authorization", post=self._device.handle),
            *self._device_page.routes(),
            *self._registration.routes(),
            *self._leaving.routes(),
        ]
