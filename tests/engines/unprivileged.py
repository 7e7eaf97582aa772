"""For servers that refuse to be root, as PostgreSQL and Elasticsearch do."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

USER = "nobody"


def unprivileged() -> list[str]:
    """What to put before a command: nobody may then read the virtual environment and pytest's
    folders wherever they are, and no more. Nothing unless this is root.
    """
    if os.geteuid() != 0:
        return []
    only = "-all,+dac_override"
    return [
        *("setpriv", f"--reuid={USER}", "--regid=nogroup", "--clear-groups"),
        *(f"--inh-caps={only}", f"--ambient-caps={only}"),
        *(
            "--securebits=+no_setuid_fixup",
            "--",
        ),  # else access(2), which Java asks, knows no better
    ]


def own(folder: Path) -> None:
    """Gives it to whom `unprivileged` runs as."""
    if os.geteuid() == 0:
        shutil.chown(folder, USER)
