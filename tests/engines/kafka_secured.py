"""Kafka with a listener that asks for TLS, a client's certificate and a login."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.certificates import Authority
from tests.engines.engine import free_port
from tests.engines.kafka import Kafka

PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"


class SecuredKafka(Kafka):
    """`alice`, by PLAIN and by SCRAM-SHA-512, with the password `hunter2`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.secured = free_port()
        authority = Authority(folder / "authority")
        self._files = authority.issue("localhost")
        self._ca = authority.ca
        cert, key = authority.issue("client")
        self.tls = f"tls_ca={authority.ca}&tls_cert={cert}&tls_key={key}"

    def users(self) -> tuple[str, ...]:
        return ("-S", "SCRAM-SHA-512=[name=alice,password=hunter2]")

    def listeners(self) -> dict[str, str]:
        return {**super().listeners(), "SASL_SSL": f"localhost:{self.secured}"}

    def _settings(self) -> str:
        chain = self.folder / "served.pem"
        chain.write_bytes(b"".join(file.read_bytes() for file in reversed(self._files)))
        here = "listener.name.sasl_ssl"
        return super()._settings() + (
            f"{here}.ssl.keystore.type=PEM\n{here}.ssl.keystore.location={chain}\n"
            f"{here}.ssl.truststore.type=PEM\n{here}.ssl.truststore.location={self._ca}\n"
            f"{here}.ssl.client.auth=required\n"
            "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512\n"
            f'{here}.plain.sasl.jaas.config={PLAIN} required user_alice="hunter2";\n'
            f"{here}.scram-sha-512.sasl.jaas.config={SCRAM} required;\n"
        )
