"""Argon2id hashes (RFC 9106), compared off the event loop by a few threads."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import IPv6Address

from argon2.exceptions import VerificationError, VerifyMismatchError
from argon2.low_level import Type, verify_secret

from gateway.errors import GatewayError

THREADS = 2
AT_ONCE = 64
AT_ONCE_OF_A_CLIENT = 8
MOST_MEMORY = 2**20  # KiB
ENCODED = re.compile(r"(\$argon2id\$v=19\$)m=(\d{1,9}),t=(\d{1,4}),p=(\d{1,3})(\$.+)", re.ASCII)


class Busy(GatewayError):
    """As many comparisons are under way as may be."""


class Crowding(GatewayError):
    """This client has as many comparisons under way as one may have."""


class Comparisons:
    """Of passwords with hashes, `AT_ONCE` under way at most, and so much memory.

    Whoever guesses cannot keep others out for long: a client has only a few of them, and a
    client is an address, or of IPv6 a /64.
    """

    def __init__(self) -> None:
        self._under_way: dict[bytes, asyncio.Future[bool]] = {}
        self._of_client: Counter[str | bytes] = Counter()
        self._threads = ThreadPoolExecutor(THREADS, "passwords")

    def stop(self) -> None:
        """Those not yet begun are cancelled."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def compare(
        self, seal: bytes, client_ip: str, encoded: bytes, password: bytes
    ) -> asyncio.Future[bool]:
        """Whether they match; one comparison for all who ask with the same `seal` meanwhile.

        Not to be awaited as it is, for others may wait for it too: see asyncio.wait. Raises Busy
        and Crowding; the future may end with VerificationError.
        """
        found = self._under_way.get(seal)
        if found is not None:
            return found
        client = _address_block(client_ip)
        if self._of_client[client] >= AT_ONCE_OF_A_CLIENT:
            raise Crowding
        if len(self._under_way) >= AT_ONCE:
            raise Busy
        loop = asyncio.get_running_loop()
        begun = loop.run_in_executor(self._threads, matches, encoded, password)
        self._under_way[seal] = begun
        self._of_client[client] += 1
        begun.add_done_callback(partial(self._ended, seal, client))
        return begun

    def _ended(self, seal: bytes, client: str | bytes, comparison: asyncio.Future[bool]) -> None:
        del self._under_way[seal]
        self._of_client[client] -= 1
        if not self._of_client[client]:
            del self._of_client[client]
        if not comparison.cancelled():
            comparison.exception()  # seen, also when everybody who asked has left


def matches(encoded: bytes, password: bytes) -> bool:
    """Raises VerificationError when the hash cannot be computed, say for want of memory."""
    try:
        return verify_secret(encoded, password, Type.ID)
    except VerifyMismatchError:
        return False


def cost_of(encoded: str) -> int:
    """Memory times passes of an encoded hash, in KiB. Raises ValueError, which does not show it:
    it may be a password by mistake.
    """
    found = ENCODED.fullmatch(encoded)
    if found is None:
        raise ValueError("not an Argon2id hash: expected $argon2id$v=19$m=...,t=...,p=...$...$...")
    memory, passes, lanes = (int(number) for number in found.group(2, 3, 4))
    if not passes or not lanes or not 8 * lanes <= memory <= MOST_MEMORY:
        raise ValueError("m is in KiB, at least 8 times p and at most 1 GiB; t and p at least 1")
    # Salt and hash are as they must be if they can be compared at the least possible cost.
    cheap = f"{found[1]}m=8,t=1,p=1{found[5]}"
    try:
        matches(cheap.encode(), b"")
    except VerificationError as error:
        raise ValueError(f"not an Argon2id hash: {error}") from None
    return memory * passes


def _address_block(client_ip: str) -> str | bytes:
    if ":" not in client_ip:
        return client_ip
    address = IPv6Address(client_ip)
    return str(address.ipv4_mapped) if address.ipv4_mapped else address.packed[:8]
