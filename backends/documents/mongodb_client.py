"""pymongo's client, as a URL describes it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from pymongo import AsyncMongoClient

from backends.address import Address


class Options(msgspec.Struct, frozen=True):
    timeout: str = "5s"
    pool: int = 20
    replica_set: str = ""
    auth_source: str = ""
    direct: bool = False
    watch: Literal["auto", "stream", "field"] = "auto"
    poll: str = "1s"
    beat: str = "10s"
    overlap: str = "5s"


def client_of(
    address: Address, options: Options, timeout: float
) -> AsyncMongoClient[dict[str, Any]]:
    milliseconds = int(timeout * 1000)
    about: dict[str, Any] = {
        "serverSelectionTimeoutMS": milliseconds,
        "connectTimeoutMS": milliseconds,
        "waitQueueTimeoutMS": milliseconds,
        "maxPoolSize": options.pool,
        "w": "majority",
        "journal": True,
        "tz_aware": True,
        "appname": "ait-gateway",
    }
    if address.username is not None:
        about |= {"username": address.username, "password": address.password or ""}
    if options.auth_source:
        about["authSource"] = options.auth_source
    if options.replica_set:
        about["replicaSet"] = options.replica_set
    if options.direct:
        about["directConnection"] = True
    if address.tls:
        about["tls"] = True
        about |= {"tlsCAFile": address.tls.ca} if address.tls.ca else {}
        about |= {"tlsCertificateKeyFile": address.tls.cert} if address.tls.cert else {}
    if address.scheme == "mongodb+srv":
        return AsyncMongoClient(f"mongodb+srv://{address.hosts[0].name}/", **about)
    return AsyncMongoClient([str(host) for host in address.hosts], **about)
