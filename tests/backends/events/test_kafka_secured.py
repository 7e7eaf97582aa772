"""Kafka over TLS, with a login."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import cast

import pytest

from backends.errors import BackendError, Refused
from backends.events import DRIVERS, Log
from tests.conformance.events import bodies
from tests.engines.kafka_secured import SecuredKafka

pytestmark = pytest.mark.timeout(180)  # seconds: Java starts slowly on a busy machine


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    with SecuredKafka(tmp_path_factory.mktemp("secured")) as engine:
        yield engine


def opened(server: SecuredKafka, login: str, options: str) -> Log:
    url = f"kafka://{login}@localhost:{server.secured}/log?timeout=10s&{options}"
    return cast(Log, DRIVERS.open(url))


@pytest.mark.parametrize("sasl", ["plain", "scram-sha-512"])
async def test_it_logs_in_over_tls_with_a_certificate_of_its_own(
    server: SecuredKafka, sasl: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    events = opened(server, "alice:hunter2", f"sasl={sasl}&{server.tls}")
    async with events.subscribe("a") as said:
        await events.publish("a", b"1")
        assert await bodies(said, 1) == [b"1"]
    await events.close()
    assert "hunter2" not in caplog.text
    assert "hunter2" not in str(events)


@pytest.mark.parametrize("sasl", ["plain", "scram-sha-512", "scram-sha-256"])
async def test_a_login_that_is_wrong_is_refused(
    server: SecuredKafka, sasl: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    events = opened(server, "alice:hunter3", f"sasl={sasl}&{server.tls}")
    for call in (events.check, events.latest):
        with pytest.raises(Refused) as raised:
            await call()
        assert "hunter3" not in str(raised.value) + caplog.text
    await events.close()


@pytest.mark.parametrize("left_out", ["tls_ca", "tls_cert"])
async def test_who_does_not_trust_it_or_has_no_certificate_does_not_come_in(
    server: SecuredKafka, left_out: str
) -> None:
    options = [each for each in server.tls.split("&") if not each.startswith(left_out)]
    options = [each for each in options if left_out != "tls_cert" or "tls_key" not in each]
    events = opened(server, "alice:hunter2", "&".join(options))
    with pytest.raises(BackendError) as raised:
        await events.check()
    assert "hunter2" not in str(raised.value)
    await events.close()
