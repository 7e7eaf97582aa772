"""Connections to the brokers of a Kafka cluster, made when they are asked for, and the topic that
events are kept in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from random import shuffle
from ssl import SSLContext
from typing import Any, NamedTuple, TypeVar

from aiokafka import errors as theirs
from aiokafka.conn import AIOKafkaConnection
from aiokafka.protocol.admin import CreateTopicsRequest

from backends.address import Address, Host
from backends.errors import BackendError, BackendUnavailable, Refused
from backends.events.kafka_layout import Layout, MetadataRequest, brokers
from backends.events.kafka_options import Settings

PAUSE = 0.1
"""Seconds until a cluster that elects a leader is asked again."""

SOON = (
    theirs.NotLeaderForPartitionError,
    theirs.LeaderNotAvailableError,
    theirs.UnknownTopicOrPartitionError,
    theirs.KafkaStorageError,
    theirs.GroupLoadInProgressError,
    theirs.GroupCoordinatorNotAvailableError,
)
"""Nothing was written; another broker, or the same one a little later, does as asked."""

REFUSALS = (
    theirs.AuthenticationFailedError,
    theirs.AuthenticationMethodNotSupported,
    theirs.ClusterAuthorizationFailedError,
    theirs.IllegalSaslStateError,
    theirs.IncompatibleBrokerVersion,
    theirs.InvalidConfigurationError,
    theirs.InvalidPartitionsError,
    theirs.InvalidReplicationFactorError,
    theirs.InvalidTopicError,
    theirs.MessageSizeTooLargeError,
    theirs.PolicyViolationError,
    theirs.RecordListTooLargeError,
    theirs.SaslAuthenticationFailed,
    theirs.SecurityDisabled,
    theirs.TopicAuthorizationFailedError,
    theirs.UnsupportedCodecError,
    theirs.UnsupportedSaslMechanismError,
    NotImplementedError,  # aiokafka's, for a broker of another age
)

T = TypeVar("T")

Place = tuple[Host, bool]
"""A broker, and whether it may keep its answers for a while."""


class Opened(NamedTuple):
    connection: AIOKafkaConnection
    transport: asyncio.Transport


# Its debugging repeats what is sent, the login too.
logging.getLogger("aiokafka.conn").setLevel(logging.WARNING)


class KafkaLink:
    def __init__(self, address: Address, settings: Settings) -> None:
        self.where = f"events: {address}"
        self.settings = settings
        self.timeout = settings.timeout
        self._address = address
        self._context: SSLContext | None = None
        self._connections: dict[Place, Opened] = {}
        self._connecting: dict[Place, asyncio.Lock] = {}
        self._ending: set[asyncio.Future[None]] = set()
        self._layout: Layout | None = None
        self._brokers: tuple[Host, ...] = ()
        self._looking = asyncio.Lock()
        self._closed = False

    async def close(self) -> None:
        self._closed = True
        for connecting in self._connecting.values():
            async with connecting:  # nobody begins to connect any more
                pass
        for place in list(self._connections):
            self._end(place)
        if self._ending:
            await asyncio.wait(self._ending, timeout=1.0)

    @property
    def known(self) -> Layout | None:
        return None if self._closed else self._layout

    def forget(self) -> None:
        """Where the partitions are: the next call asks again."""
        self._layout = None

    def hang_up(self) -> None:
        """The connections on which answers may be kept."""
        for place in [place for place in self._connections if place[1]]:
            self._end(place)

    async def call(self, work: Callable[[Layout], Awaitable[T]]) -> T:
        """What `work` gives, which is called again while leaders change. Raises BackendError."""
        async with self._answering():
            while True:
                try:
                    layout = await self._laid_out()
                    return await work(layout)
                except SOON:
                    self.forget()
                except (theirs.KafkaConnectionError, TimeoutError, OSError):
                    self.forget()
                    raise
                await asyncio.sleep(PAUSE)

    async def ask(self, host: Host, request: Any, *, waits: float = 0.0) -> Any:
        """A broker's answer. waits: seconds for which the broker may keep it; those are asked on
        a connection of their own. Raises what aiokafka raises."""
        place = host, waits > 0
        connection = await self._connected(place)
        try:
            # Sooner than the whole call, so that it is known which connection is silent.
            async with asyncio.timeout(0.9 * self.timeout + waits):
                return await connection.send(request)
        except TimeoutError:
            self._end(place)
            raise

    @asynccontextmanager
    async def _answering(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self.timeout):
                yield
        except TimeoutError:
            raise BackendUnavailable(f"{self.where}: no answer in {self.timeout:g} s") from None
        except BackendError:
            raise
        except (theirs.KafkaError, NotImplementedError, OSError, ValueError) as error:
            raise self.translated(error) from None

    def translated(self, error: Exception) -> BackendError:
        """Without the text, which may repeat what was sent."""
        kind = Refused if isinstance(error, REFUSALS) else BackendUnavailable
        return kind(f"{self.where}: {type(error).__name__}")

    async def _connected(self, place: Place) -> AIOKafkaConnection:
        async with self._connecting.setdefault(place, asyncio.Lock()):
            if self._closed:
                raise BackendError(f"{self.where} is closed")
            opened = self._connections.get(place)
            if opened is None or not opened.connection.connected():
                opened = self._connections[place] = await self._connect(place[0])
            return opened.connection

    async def _connect(self, host: Host) -> Opened:
        address = self._address
        if address.tls and self._context is None:
            self._context = await asyncio.to_thread(address.tls.context)
        connection = AIOKafkaConnection(
            *host,
            client_id="ait-gateway",
            request_timeout_ms=int(self.timeout * 1000),
            ssl_context=self._context,
            security_protocol=("SASL_" if address.username else "")
            + ("SSL" if address.tls else "PLAINTEXT"),
            sasl_mechanism=self.settings.sasl if address.username else None,
            sasl_plain_username=address.username,
            sasl_plain_password=address.password,
        )
        try:
            _, writer = await connection.connect()
        except BaseException:
            if connection._protocol is not None:  # it was connected, and ends by itself
                self._remember(connection.close())
            raise
        return Opened(connection, writer.transport)

    def _end(self, place: Place) -> None:
        """At once: who hangs does not answer a farewell either."""
        if (opened := self._connections.pop(place, None)) is not None:
            self._remember(opened.connection.close())
            opened.transport.abort()

    def _remember(self, ending: asyncio.Future[None]) -> None:
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)

    async def _laid_out(self) -> Layout:
        if self._closed:
            raise BackendError(f"{self.where} is closed")
        if self._layout is None:
            async with self._looking:
                if self._layout is None:
                    self._layout = await self._look()
        return self._layout

    async def _look(self) -> Layout:
        said, host = await self._metadata()
        self._brokers = tuple(brokers(said).values())
        try:
            return Layout.of(said)
        except theirs.UnknownTopicOrPartitionError:
            await self._make_topic(brokers(said).get(said.controller_id, host))
        raise theirs.LeaderNotAvailableError

    async def _metadata(self) -> tuple[Any, Host]:
        """From the first broker that answers, and which that is."""
        hosts = list({*self._address.hosts, *self._brokers})
        shuffle(hosts)
        failure: Exception | None = None
        for number, host in enumerate(hosts):
            try:
                async with asyncio.timeout(self.timeout / (len(hosts) - number + 1)):
                    return await self.ask(host, MetadataRequest(self.settings.topic)), host
            except REFUSALS:
                raise
            except (theirs.KafkaError, TimeoutError, OSError) as error:
                failure = error
        assert failure is not None
        raise failure

    async def _make_topic(self, host: Host) -> None:
        settings = self.settings
        wanted: tuple[object, ...] = (
            settings.topic,
            settings.partitions,
            settings.replicas,
            [],
            list(settings.of_the_topic().items()),
        )
        request = CreateTopicsRequest([wanted], int(self.timeout * 1000), False)
        said = await self.ask(host, request)
        for _, code, *_ in said.topic_errors:
            error = theirs.for_code(code)
            if error not in (theirs.NoError, theirs.TopicAlreadyExistsError):
                raise error()


def raised(code: int) -> None:
    """Raises the error that a code means."""
    if code and (error := theirs.for_code(code)) is not theirs.NoError:
        raise error()


def by_partition(said: Any) -> Sequence[Any]:
    """Of the one topic that was asked for."""
    return [each for _, partitions in said.topics for each in partitions]
