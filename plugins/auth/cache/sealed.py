"""Bytes in keyvalue that nobody but the workers of one deployment can read or make."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

from backends.keyvalue import KeyValue
from backends.keyvalue.cache import Cache, Load
from plugins.auth.keys.at_rest import AtRest

PATIENCE = 0.25
KEY = b"auth cache key"


class Sealed:
    """Keys are tags, so that they say nothing either; a value is good under its own key alone, and
    for gateways of one version.

    prefix: of its keys. seconds: that a value is kept. counted: whether it was there.
    Without the engine, or when it does not answer within PATIENCE seconds, each load is made.
    """

    def __init__(
        self,
        keyvalue: KeyValue,
        at_rest: AtRest,
        prefix: str,
        seconds: float,
        counted: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._cache = Cache(keyvalue, prefix=prefix, patience=PATIENCE)
        self._at_rest = at_rest
        self._version = version("ait-gateway")
        self._seconds = seconds
        self._counted = counted

    async def get_or_load(self, name: str, load: Load) -> bytes | None:
        """None is what this load gave, and is not kept. Raises SealedOtherwise for what somebody
        else has put there, an absence too, and what the load raises."""
        context, there = f"{self._version} {name}".encode(errors="surrogatepass"), True

        async def sealed() -> bytes | None:
            nonlocal there
            there = False
            clear = await load()
            return None if clear is None else self._at_rest.seal(clear, context)

        key = self._at_rest.tag(context, KEY).hex()
        kept = await self._cache.get_or_load(key, sealed, self._seconds)
        self._counted(there)
        if kept is None and not there:
            return None
        return self._at_rest.open(kept or b"", context)
