"""The drivers of a capability, found by the scheme of a URL and imported when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from backends.errors import BackendError, UnknownScheme


class Backend(Protocol):
    """What every driver has beside its capability.

    It is constructed without I/O, connects at the first call that needs to, and connects again
    by itself after a failure. A call that finds its engine away raises BackendUnavailable within
    the driver's timeout.
    """

    async def check(self) -> None:
        """Ask the engine whether it is well. Raises BackendError."""

    async def close(self) -> None:
        """Let go of the engine. May be called twice; a call after it raises BackendError."""


def imported(place: str) -> Any:
    """What `package.module:name` names."""
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


T_co = TypeVar("T_co", covariant=True)


class Driver(NamedTuple):
    """open: `package.module:function`, from the URL to the driver. extra: of pip, that it needs."""

    open: str
    extra: str | None = None


class Drivers(Mapping[str, Driver], Generic[T_co]):
    """By scheme. `open` gives the driver for a URL."""

    def __init__(self, capability: str, drivers: Mapping[str, Driver]) -> None:
        self.capability = capability
        self._drivers = drivers

    def __getitem__(self, scheme: str) -> Driver:
        return self._drivers[scheme]

    def __iter__(self) -> Iterator[str]:
        return iter(self._drivers)

    def __len__(self) -> int:
        return len(self._drivers)

    def open(self, url: str) -> T_co:
        """Connects to nothing yet.

        Raises UnknownScheme, which names the schemes there are and nothing else of the URL, and
        BackendError when the driver's extra is missing or the URL does not fit the driver.
        """
        scheme, mark, _ = url.partition("://")
        driver = self.get(scheme) if mark else None
        if driver is None:
            known = ", ".join(f"{name}://" for name in self)
            said = f"no driver for {scheme}://" if mark else "not a URL"
            raise UnknownScheme(f"{self.capability}: {said}; known are {known}")
        try:
            opening = imported(driver.open)
        except ModuleNotFoundError as error:
            if driver.extra is None or (error.name or "").startswith("backends"):
                raise
            raise BackendError(
                f"{self.capability}: {scheme}:// needs pip install 'ait-gateway[{driver.extra}]'"
            ) from None
        opened: T_co = opening(url)
        return opened
