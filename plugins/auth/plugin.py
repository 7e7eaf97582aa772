"""The plugin: its rooms, put together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from pathlib import Path

import orjson
from aiohttp import web

from gateway import Context, Migrations, Plugin
from plugins.auth.accounts.changes import Changes
from plugins.auth.accounts.directory import Directory
from plugins.auth.accounts.hashing import Hashing
from plugins.auth.accounts.sessions import Sessions
from plugins.auth.factors.totp import Totp
from plugins.auth.keys.at_rest import AtRest, kept_in
from plugins.auth.keys.issuing import Issuer
from plugins.auth.keys.keyring import Keyring
from plugins.auth.mail.postman import Postman, transport
from plugins.auth.options import AuthOptions
from plugins.auth.pages.joining import Joining
from plugins.auth.pages.own_account import OwnAccount
from plugins.auth.pages.rendering import Pages
from plugins.auth.pages.rooms import Rooms
from plugins.auth.pages.second_factor import SecondFactor
from plugins.auth.pages.sign_in import SignIn
from plugins.auth.pruning import Pruning


class Auth(Plugin[AuthOptions]):
    Options = AuthOptions
    needs = ("sql",)
    migrations = Migrations("auth", Path(__file__).parent / "migrations")

    def __init__(self, options: AuthOptions, context: Context) -> None:
        super().__init__(options, context)
        sql, people = context.backends.sql, options.accounts
        theme = context.folder / options.theme if options.theme else None
        self._hashing = Hashing(people.hash_memory, people.hash_passes)
        self._sessions = Sessions(sql, people, options.issuer)
        self._directory = Directory(sql, people, self._hashing)
        self._postman = Postman(sql, options.issuer, options.mail.sender, transport(options.mail))
        self._pruning = Pruning(sql)
        self._pages = Pages(options.issuer, options.name, theme)
        self._issuer: Issuer | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        sql, options = self.context.backends.sql, self.options
        secret = options.secret or await asyncio.to_thread(
            kept_in, self.context.folder / options.secret_file
        )
        at_rest = AtRest(secret)
        self._keyring = Keyring(sql, at_rest, options.keys)
        await self._keyring.start()
        self._issuer = Issuer(options.issuer, self._keyring)
        self._rooms = Rooms(
            options.accounts,
            self._directory,
            self._sessions,
            Changes(sql, self._directory, self._sessions),
            Totp(sql, at_rest, self._hashing, options.name),
            self._pages,
        )
        leads = self.context.leadership
        self._tasks = [
            asyncio.create_task(self._postman.run(lambda: leads.held)),
            asyncio.create_task(self._pruning.run(lambda: leads.held)),
            asyncio.create_task(self._keyring.run(lambda: leads.held)),
        ]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._hashing.stop()

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        return [
            *SignIn(self._rooms).routes(),
            *Joining(self._rooms).routes(),
            *OwnAccount(self._rooms).routes(),
            *SecondFactor(self._rooms).routes(),
            web.get("/static/{file}", self._pages.static),
            web.get("/jwks.json", self._jwks),
        ]

    def offers(self) -> Issuer | None:
        return self._issuer

    async def _jwks(self, request: web.Request) -> web.Response:
        headers = {"Cache-Control": "max-age=300", "X-Content-Type-Options": "nosniff"}
        body = orjson.dumps(await self._keyring.jwks())
        return web.Response(body=body, content_type="application/jwk-set+json", headers=headers)
