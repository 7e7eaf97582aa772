"""What every driver of `Jobs` must do. Subclass `JobsContract` and give it one fixture."""

from __future__ import annotations

from tests.conformance.jobs_claims import ClaimsContract
from tests.conformance.jobs_keeping import KeepingContract
from tests.conformance.jobs_steps import LEASE, Opened, take, until

__all__ = ["LEASE", "JobsContract", "Opened", "take", "until"]


class JobsContract(ClaimsContract, KeepingContract):
    """Fixture to give: `opened`, an `Opened`. `jobs_worker.py` has what workers do on it."""
