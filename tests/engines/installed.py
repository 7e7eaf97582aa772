"""Where `make services` puts the engines that no wheel carries."""

from __future__ import annotations

from pathlib import Path

from tests.missing_engine import missing

SERVICES = Path(__file__).resolve().parents[2] / ".services"


def installed(name: str) -> Path:
    """A program or folder there."""
    place = SERVICES / name
    return place if place.exists() else missing(f"{name} is not there: make services")
