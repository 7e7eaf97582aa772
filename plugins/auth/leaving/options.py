"""Settings of logout."""

from __future__ import annotations

from ipaddress import ip_network

import msgspec


class LogoutOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """networks: addresses that are not public, where clients may be told of logouts, and have their
    keys, nevertheless, such as `10.0.0.0/8`."""

    networks: list[str] = []

    def __post_init__(self) -> None:
        for each in self.networks:
            ip_network(each)
