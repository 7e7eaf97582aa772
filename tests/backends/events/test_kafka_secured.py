"""Kafka over TLS, with a login."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import cast

import pytest

from backends.errors import BackendError, Refused
from backends.events import DRIVERS, Log
from tests.conformance.events import bodies
from tests.engines.kafka_secured import SecuredKafka

pytestmark = pytest.mark.timeout(180)  # seconds: Java starts slowly on a busy machine


async def test_it_takes_who_has_a_login_and_a_certificate_and_nobody_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One test, as processes that share tests would start a server each."""
    caplog.set_level(logging.DEBUG)
    with SecuredKafka(tmp_path) as server:
        for sasl in ("plain", "scram-sha-512"):
            await it_logs_in(server, sasl)
        for sasl in ("plain", "scram-sha-512", "scram-sha-256"):
            await a_wrong_login_is_refused(server, sasl)
        for left_out in ("tls_ca", "tls_cert"):
            await it_does_not_come_in(server, left_out)
    assert "hunter" not in caplog.text


def opened(server: SecuredKafka, login: str, options: str) -> Log:
    url = f"kafka://{login}@localhost:{server.secured}/log?timeout=10s&{options}"
    return cast(Log, DRIVERS.open(url))


async def it_logs_in(server: SecuredKafka, sasl: str) -> None:
    events = opened(server, "alice:hunter2", f"sasl={sasl}&{server.tls}")
    async with events.subscribe("a") as said:
        await events.publish("a", b"1")
        assert await bodies(said, 1) == [b"1"]
    await events.close()
    assert "hunter2" not in str(events)


async def a_wrong_login_is_refused(server: SecuredKafka, sasl: str) -> None:
    events = opened(server, "alice:hunter3", f"sasl={sasl}&{server.tls}")
    for call in (events.check, events.latest):
        with pytest.raises(Refused) as raised:
            await call()
        assert "hunter3" not in str(raised.value)
    await events.close()


async def it_does_not_come_in(server: SecuredKafka, left_out: str) -> None:
    """Who does not trust it, or has no certificate."""
    options = [each for each in server.tls.split("&") if not each.startswith(left_out)]
    options = [each for each in options if left_out != "tls_cert" or "tls_key" not in each]
    events = opened(server, "alice:hunter2", "&".join(options))
    with pytest.raises(BackendError) as raised:
        await events.check()
    assert "hunter2" not in str(raised.value)
    await events.close()
