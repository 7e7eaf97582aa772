"""One connection to NATS, made again when it is lost, and the stream that events are kept in."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import partial
from random import shuffle
from ssl import SSLContext
from typing import Any, TypeVar

import msgspec
from nats import errors as failures
from nats.aio.client import Client
from nats.aio.msg import Msg

from backends.address import Address, Host, seconds
from backends.errors import BackendError, BackendUnavailable, Refused
from backends.events.nats_answers import Answers
from backends.events.retention import Retention

PORT = 4222
NAME = re.compile("[A-Za-z0-9_-]{1,64}")
HEARTBEAT = 5
OTHER_SETTINGS = 10058
"""JetStream's: the stream is there and set otherwise."""

DUPLICATES = 120.0
NS = 1_000_000_000

T = TypeVar("T")


class Options(msgspec.Struct):
    max_age: str = "7d"
    max_events: int = 100_000
    max_bytes: str = "256MiB"
    replicas: int = 1
    timeout: str = "5s"


class TlsClient(Client):
    """nats-py goes on in the clear, login and all, when TLS is wanted and the server has none."""

    def _connect_command(self) -> bytes:
        if "tls" in self.options and not self._server_info.get("tls_required"):
            raise failures.SecureConnWantedError
        return super()._connect_command()


class NatsLink:
    """stored: called when there is something new in the stream, or when there may be."""

    def __init__(
        self, address: Address, options: Options, kept: Retention, stored: Callable[[], None]
    ) -> None:
        try:
            self.timeout = seconds(options.timeout)
        except ValueError:
            self.timeout = 0
        self.name = address.path or "ait-gateway"
        if not (
            (address.hosts and NAME.fullmatch(self.name) and 0 < self.timeout <= 600)
            and (1 <= options.replicas <= 5 and kept.age >= 0.1)
        ):
            raise BackendError(
                "events: expected nats://host:port/stream, timeout as 5s, replicas from 1 to 5, "
                "max_age from 100ms"
            )
        self.where = f"events: {address}"
        self._address = address
        self._settings = _settings(self.name, kept, options.replicas)
        self._stored = stored
        self._client: Client | None = None
        self._answers: Answers | None = None
        self._connecting = asyncio.Lock()
        self._has_stream = False
        self._listens = False
        self._closed = False

    async def close(self) -> None:
        self._closed = True
        client, self._client = self._client, None
        if client is not None:
            await self._end(client)

    @asynccontextmanager
    async def client(self, listens: bool = False) -> AsyncIterator[Client]:
        """Connected, with the stream made. listens: `stored` is to be called. For all that is done
        with it there is `timeout`.

        Raises BackendError, also for what its user raises of NATS.
        """
        try:
            async with asyncio.timeout(self.timeout):
                client = await self._connected(listens)
                yield client
        except TimeoutError:  # of NATS too
            raise BackendUnavailable(f"{self.where}: no answer in {self.timeout:g} s") from None
        except failures.NoRespondersError:
            self._has_stream = False
            raise BackendUnavailable(f"{self.where}: no JetStream, or no such stream") from None
        except (failures.Error, OSError, ValueError) as error:
            raise self._translated(error) from None

    async def publish(self, subject: str, body: bytes) -> None:
        """Returns when it is stored. Raises BackendError."""
        async with self.client():
            said = json.loads(await self.answers.one(subject, body))
        if "error" in said:
            raise self._refusal(said["error"])

    @property
    def answers(self) -> Answers:
        """Within `client`."""
        assert self._answers is not None
        return self._answers

    async def ask(self, action: str, about: object = None) -> dict[str, Any]:
        """JetStream's answer, within `client`. Raises BackendError for one that is an error."""
        said = await self._asked(action, about)
        if error := said.get("error"):
            self._has_stream = self._has_stream and error.get("code") != 404
            kind = BackendUnavailable if error.get("code") in (404, 408, 503) else Refused
            raise kind(f"{self.where}: JetStream error {error.get('err_code')}")
        return said

    async def _asked(self, action: str, about: object) -> dict[str, Any]:
        body = b"" if about is None else json.dumps(about).encode()
        said: dict[str, Any] = json.loads(
            await self.answers.one(f"$JS.API.{action}.{self.name}", body)
        )
        return said

    async def _connected(self, listens: bool) -> Client:
        async with self._connecting:
            if self._closed:
                raise BackendError(f"{self.where} is closed")
            client = self._client
            if client is None or not client.is_connected:
                client = await self._connect()
            if not self._has_stream:
                await self._make_stream()
            if listens and not self._listens:
                await client.subscribe(f"{self.name}.stored.>", cb=self._heard)
                self._listens = True
            return client

    async def _connect(self) -> Client:
        old, self._client, self._listens = self._client, None, False
        if old is not None:
            await self._end(old)
        tls = self._address.tls
        context = None if tls is None else await asyncio.to_thread(tls.context)
        hosts = list(self._address.hosts)
        shuffle(hosts)
        for host in hosts[:-1]:
            with suppress(failures.Error, OSError, TimeoutError):
                async with asyncio.timeout(self.timeout / (len(hosts) + 1)):
                    return await self._connect_to(host, context)
        return await self._connect_to(hosts[-1], context)

    async def _connect_to(self, host: Host, context: SSLContext | None) -> Client:
        client = TlsClient()
        answers = Answers(client)
        try:
            await _apart(
                client.connect(
                    f"{'nats' if context is None else 'tls'}://{host}",
                    user=self._address.username,
                    password=self._address.password,
                    tls=context,
                    # A new connection is made by who needs it, and nothing is sent late.
                    allow_reconnect=False,
                    connect_timeout=self.timeout,  # type: ignore[arg-type]  # it takes a float
                    ping_interval=HEARTBEAT,
                    error_cb=_quiet,
                    closed_cb=partial(self._lost, answers),
                )
            )
            await answers.listen()
        except BaseException:
            await self._end(client)
            raise
        self._client, self._answers = client, answers
        return client

    async def _make_stream(self) -> None:
        said = await self._asked("STREAM.CREATE", self._settings)
        if said.get("error", {}).get("err_code") == OTHER_SETTINGS:
            await self.ask("STREAM.UPDATE", self._settings)
        elif "error" in said:
            raise self._refusal(said["error"])
        self._has_stream = True

    async def _heard(self, _said: Msg) -> None:
        self._stored()

    async def _lost(self, answers: Answers) -> None:
        answers.end()
        self._stored()

    async def _end(self, client: Client) -> None:
        with suppress(failures.Error, OSError, TimeoutError):
            async with asyncio.timeout(min(1.0, self.timeout)):
                await _apart(client.close())

    def _refusal(self, error: dict[str, Any]) -> BackendError:
        kind = BackendUnavailable if error.get("code") in (408, 503) else Refused
        return kind(f"{self.where}: JetStream error {error.get('err_code')}")

    def _translated(self, error: Exception) -> BackendError:
        """Without the text, which may repeat an address with its login."""
        said = str(error).lower()
        if isinstance(error, failures.AuthorizationError) or "authorization" in said:
            return Refused(f"{self.where}: login refused")
        refused = isinstance(error, failures.SecureConnWantedError) or "permissions" in said
        kind = Refused if refused else BackendUnavailable
        return kind(f"{self.where}: {type(error).__name__}")


def _settings(name: str, kept: Retention, replicas: int) -> dict[str, Any]:
    """Whoever waits is told of what is stored by its republishing, without the body."""
    return {
        "name": name,
        "subjects": [f"{name}.events.>"],
        "storage": "file",
        "retention": "limits",
        "discard": "old",
        "max_age": int(kept.age * NS),
        "max_msgs": kept.events,
        "max_bytes": kept.bytes,
        "duplicate_window": int(min(kept.age, DUPLICATES) * NS),
        "num_replicas": replicas,
        "allow_direct": True,
        "republish": {
            "src": f"{name}.events.>",
            "dest": f"{name}.stored.>",
            "headers_only": True,
        },
    }


async def _apart(work: Coroutine[Any, Any, T]) -> T:
    """nats-py's wait_for may swallow the cancellation of who waits: it is kept from it."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task])
    finally:
        task.cancel()
    return task.result()


async def _quiet(_error: Exception) -> None:
    """Calls say what is wrong."""
