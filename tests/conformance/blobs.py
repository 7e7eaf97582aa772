"""What every driver of `Blobs` must do. Subclass `BlobsContract` and give it the fixture `blobs`.

A driver that needs a size to try its large bodies gets parts of 5 MiB at most from its fixture.
"""

from __future__ import annotations

from tests.conformance.blobs_keys import KeysContract
from tests.conformance.blobs_puts import PutsContract
from tests.conformance.blobs_reads import ReadsContract
from tests.conformance.blobs_steps import LARGE, broken, listed, noise, read, sha256, stream

__all__ = ["LARGE", "BlobsContract", "broken", "listed", "noise", "read", "sha256", "stream"]


class BlobsContract(PutsContract, ReadsContract, KeysContract):
    """Fixture to give: `blobs`, the driver, on an engine of which it may use any key."""
