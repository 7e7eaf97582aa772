"""The room: providers by their names, who is on the way to one, and whose identities are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backends.sql import Sql
from plugins.auth.accounts.directory import Directory
from plugins.auth.options import AuthOptions
from plugins.auth.social.identities import Identities
from plugins.auth.social.trips import Trips

if TYPE_CHECKING:
    from plugins.auth.social.protocol import Provider


@dataclass(frozen=True, slots=True)
class Social:
    issuer: str
    providers: Mapping[str, Provider]
    trips: Trips
    identities: Identities

    @property
    def choices(self) -> list[tuple[str, str]]:
        """Names and labels, for buttons."""
        return [(name, provider.label) for name, provider in self.providers.items()]

    def label(self, name: str) -> str:
        """Also of one that the configuration has no more."""
        return self.providers[name].label if name in self.providers else name

    def redirect_uri(self, name: str) -> str:
        """Each provider has its own, against mix-up (RFC 9700 section 4.4)."""
        return f"{self.issuer}/login/with/{name}/callback"

    async def stop(self) -> None:
        for provider in self.providers.values():
            await provider.stop()


def social_of(options: AuthOptions, sql: Sql, directory: Directory) -> Social:
    providers: Mapping[str, Provider] = {}
    if options.providers:
        from plugins.auth.social.opening import opened  # noqa: PLC0415 - Authlib, when it is needed

        providers = opened(options.providers)
    identities = Identities(sql, options.accounts, directory)
    return Social(options.issuer, providers, Trips(sql), identities)
