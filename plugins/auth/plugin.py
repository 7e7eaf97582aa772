"""The plugin: its rooms, put together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from gateway import Context, Migrations, Plugin
from gateway.plugin import Command, HealthCheck
from plugins.auth.access.ending_keys import EndingKeys
from plugins.auth.access.offering import Offer
from plugins.auth.access.rooms import Access
from plugins.auth.accounts.changes import Changes
from plugins.auth.accounts.directory import Directory
from plugins.auth.accounts.entering import Entering
from plugins.auth.accounts.hashing import Hashing
from plugins.auth.accounts.operators import Operators
from plugins.auth.accounts.sessions import Sessions
from plugins.auth.accounts.unused import Unused
from plugins.auth.accounts.ways_in import WaysIn
from plugins.auth.admin.answering import Answering
from plugins.auth.admin.api import operations
from plugins.auth.admin.described import described
from plugins.auth.admin.gate import Gate
from plugins.auth.aside import Aside
from plugins.auth.assertions.assertions import Assertions
from plugins.auth.assertions.client_keys import ClientKeys
from plugins.auth.cache.epoch import Epochs
from plugins.auth.cache.remembered import LONGEST
from plugins.auth.cache.sealed import Sealed
from plugins.auth.commands.admin_token import AdminToken
from plugins.auth.commands.everyday import Commands
from plugins.auth.commands.people import PeopleCommands
from plugins.auth.device.devices import Devices as WaitingDevices
from plugins.auth.extensions import Extensions
from plugins.auth.factors.devices import Devices
from plugins.auth.factors.passkeys import Passkeys
from plugins.auth.factors.totp import Totp
from plugins.auth.figures import Figures
from plugins.auth.health import Health
from plugins.auth.keys.at_rest import AtRest, kept_in
from plugins.auth.keys.keyring import Keyring
from plugins.auth.leaving.participants import Participants
from plugins.auth.leaving.reach import Reach
from plugins.auth.mail.postman import Postman, transport
from plugins.auth.mail.through import through
from plugins.auth.oauth.clients import Clients
from plugins.auth.oauth.ending import Ending
from plugins.auth.oauth.revoked import Revoked
from plugins.auth.oauth.server import Server
from plugins.auth.options import AuthOptions
from plugins.auth.pages.joining import Joining
from plugins.auth.pages.nothing import Nothing
from plugins.auth.pages.one_organisation import OneOrganisation
from plugins.auth.pages.own_account import OwnAccount
from plugins.auth.pages.own_app import OwnApp
from plugins.auth.pages.own_identities import OwnIdentities
from plugins.auth.pages.own_keys import OwnKeys
from plugins.auth.pages.own_organisations import OwnOrganisations
from plugins.auth.pages.own_passkeys import OwnPasskeys
from plugins.auth.pages.rendering import Pages
from plugins.auth.pages.rooms import Rooms
from plugins.auth.pages.second_step import SecondStep
from plugins.auth.pages.sign_in import SignIn
from plugins.auth.pages.travel import Travel
from plugins.auth.pages.with_provider import WithProvider
from plugins.auth.pruning import Pruning
from plugins.auth.registration.members import Rules, local
from plugins.auth.registration.tokens import RegistrationTokens
from plugins.auth.social.social import social_of


class Auth(Plugin[AuthOptions]):
    Options = AuthOptions
    needs = ("sql",)
    migrations = Migrations("auth", Path(__file__).parent / "migrations")

    def __init__(self, options: AuthOptions, context: Context) -> None:
        super().__init__(options, context)
        sql, people = context.backends.sql, options.accounts
        theme = context.folder / options.theme if options.theme else None
        self._figures = figures = Figures(context.metrics, context.name)
        self._hashing = Hashing(people.hash_memory, people.hash_passes, figures.waited)
        self._sessions = Sessions(sql, people, options.issuer)
        words = (options.name, urlsplit(options.issuer).hostname or "")
        self._directory = Directory(
            sql, people, self._hashing, locked_out=figures.locked_out, words=words
        )
        self._epochs = Epochs(sql, context.broadcast)
        access = self._epochs.access
        self._changes = Changes(sql, access, self._directory, self._sessions)
        self._operators = Operators(sql, access, self._directory, self._sessions, self._changes)
        self._access = Access(
            sql, self._epochs, options.access, options.issuer, self._directory.attempts
        )
        mail = options.mail
        send = through(lambda: context.plugin(mail.plugin), transport(mail))
        self._postman = Postman(
            sql, options.issuer, mail.sender, send, place=options.name, told=figures.mailed
        )
        unused = Unused(sql, people.unused, self._changes.removed)
        also = (unused.prune, EndingKeys(sql).tell)
        self._pruning = Pruning(sql, kept=options.audit.keep, also=also)
        self._pages = Pages(options.issuer, options.name, theme)
        self._clients = Clients(sql, self._epochs.clients)
        self._reach = Reach(options.logout.networks, here=local(options.issuer))
        self._client_keys = ClientKeys(self._reach)
        self._clients.asserted = Assertions(sql, options.issuer, self._client_keys).check
        self._social = social_of(options, sql, self._directory)
        self._issuer: Offer | None = None
        self._forgets: list[Callable[[], None]] = []
        self._checks: Mapping[str, HealthCheck] = {}
        self._aside = Aside()

    async def start(self) -> None:
        sql, options = self.context.backends.sql, self.options
        at_rest = await self._at_rest()
        keyring = await self._keyring(at_rest)
        revoked = Revoked(sql, self.context.broadcast, options.tokens.access_lifetime)
        revoked.also(self._access.ended_clients.has)
        self._access.service_accounts.on_delete(revoked.client_so_far)
        self._forgets.append(await revoked.start())
        self._forgets.append(await self._epochs.start(self._shared(at_rest)))
        await self._access.ended_clients.refresh()
        self._sessions.on_end(self._figures.ended)
        self._sessions.on_begin(self._figures.logged_in)
        self._figures.watch(self._hashing.under_way, self._postman.waiting)
        self._checks = Health(sql, keyring, lambda: self._aside.tasks).checks()
        devices = Devices(sql, options.accounts, options.issuer)
        self._rooms = Rooms(
            options.accounts,
            self._directory,
            self._sessions,
            self._changes,
            Totp(sql, at_rest, self._hashing, options.name),
            Passkeys(sql, options.accounts, options.issuer, options.name),
            devices,
            Entering(sql, self._directory, self._sessions, devices),
            self._pages,
            self._social,
            self._figures.refused,
        )
        self._server = Server(
            sql=sql,
            issuer=options.issuer,
            options=options.tokens,
            clients=self._clients,
            keyring=keyring,
            at_rest=at_rest,
            revoked=revoked,
            rooms=self._rooms,
            organisations=self._access.organisations,
            counted=self._figures.token,
        )
        self._admin = self._admin_routes(keyring, self._server)
        self._server.token.before(self._access.not_disabled)
        self._server.token.add_claims(self._access.client_claims)
        self._server.person_tokens.add_claims(self._access.person_claims)
        self._extensions = Extensions(
            sql=sql,
            options=options,
            clients=self._clients,
            keyring=keyring,
            at_rest=at_rest,
            rooms=self._rooms,
            server=self._server,
            reach=self._reach,
        )
        self._issuer = Offer(
            options.issuer, keyring, revoked.has, self._access, self._extensions.proofs
        )
        leads = self.context.leadership
        self._aside.begin(
            self._postman.run(lambda: leads.held),
            self._extensions.messenger.run(lambda: leads.held),
            self._pruning.run(lambda: leads.held),
            revoked.run(),
            self._epochs.run(),
            keyring.run(lambda: leads.held),
        )

    def commands(self) -> Mapping[str, Command]:
        async def keyring() -> Keyring:
            return await self._keyring(await self._at_rest())

        async def offered(algorithm: str) -> bool:
            return await (await keyring()).offered(algorithm)

        sql, issuer = self.context.backends.sql, self.options.issuer
        lifetime = self.options.tokens.access_lifetime
        ending = Ending(Revoked(sql, self.context.broadcast, lifetime))
        self._sessions.on_end(ending.sessions)
        participants = Participants(sql)
        self._sessions.on_end(participants.ended)
        self._changes.on_leave(ending.account)
        self._changes.on_leave(participants.forget)
        self._changes.on_leave(WaitingDevices(sql, self.options.device).forget)
        people = PeopleCommands(sql, self._directory, self._operators, WaysIn(sql, self._sessions))
        everyday = Commands(
            self._directory, self._clients, RegistrationTokens(sql), keyring, Rules(issuer, offered)
        )
        token = AdminToken(sql, issuer, keyring)
        return {**everyday.all(), **people.all(), **token.all()}

    async def stop(self) -> None:
        for forget in self._forgets:
            forget()
        await self._aside.stop()
        await self._social.stop()
        await self._client_keys.stop()
        self._hashing.stop()

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        travel = Travel(self._rooms)
        return [
            *SignIn(self._rooms).routes(),
            *Joining(self._rooms).routes(),
            *OwnAccount(self._rooms).routes(),
            *SecondStep(self._rooms).routes(),
            *OwnApp(self._rooms).routes(),
            *OwnPasskeys(self._rooms).routes(),
            *OwnKeys(self._rooms, self._access).routes(),
            *OwnOrganisations(self._rooms, self._access).routes(),
            *OneOrganisation(self._rooms, self._access).routes(),
            *WithProvider(self._rooms, travel).routes(),
            *OwnIdentities(self._rooms, travel).routes(),
            web.get("/static/{file}", self._pages.static),
            *self._server.routes(),
            *self._admin,
            *self._extensions.routes(),
            *Nothing(self._rooms).routes(),
        ]

    def checks(self) -> Mapping[str, HealthCheck]:
        return self._checks

    def offers(self) -> Offer | None:
        return self._issuer

    def _admin_routes(self, keyring: Keyring, server: Server) -> list[web.RouteDef]:
        found = operations(
            sql=self.context.backends.sql,
            directory=self._directory,
            sessions=self._sessions,
            operators=self._operators,
            identities=self._social.identities,
            consents=server.consents,
            devices=self._rooms.devices,
            clients=self._clients,
            keyring=keyring,
            client_changes=server.client_changes,
            access=self._access,
            rules=Rules(self.options.issuer, keyring.offered),
        )
        audiences = (self.options.issuer, server.access_tokens.audience)
        gate = Gate(server.bearer, self.context.backends.sql, self._clients, audiences)
        answering = Answering(gate)
        return [*answering.routes(found), described(self.options.issuer, found)]

    def _shared(self, at_rest: AtRest) -> Sealed:
        """Raises BackendError. Not among `needs`: without it all works, from sql."""
        keyvalue, counted = self.context.backends.keyvalue, self._figures.looked_up
        return Sealed(keyvalue, at_rest, f"{self.context.name}:", LONGEST, counted)

    async def _at_rest(self) -> AtRest:
        """Raises OSError and ValueError."""
        kept = self.context.folder / self.options.secret_file
        return AtRest(self.options.secret or await asyncio.to_thread(kept_in, kept))

    async def _keyring(self, at_rest: AtRest) -> Keyring:
        """Raises BackendError and SealedOtherwise."""
        sql, told = self.context.backends.sql, self.context.broadcast
        made = Keyring(sql, at_rest, self.options.keys, broadcast=told)
        await made.start()
        return made
