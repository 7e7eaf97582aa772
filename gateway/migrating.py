"""Brings plugins' tables to what their revisions say: at start, and by `ait-gateway migrate`."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from backends.catalogue import Backends
from backends.errors import BackendError
from gateway.config import Resolved
from gateway.errors import PluginError
from gateway.plugin import Migrations

log = logging.getLogger("gateway.migrating")


async def migrated(backends: Backends, migrations: Migrations) -> list[str]:
    """The revisions that were carried out. Raises BackendError."""
    from backends.sql.migrations import migrate  # noqa: PLC0415 - most gateways have no tables

    done = await migrate(backends.sql, migrations.owner, migrations.folder)
    if done:
        log.info("tables of %s: carried out %s", migrations.owner, ", ".join(done))
    return done


async def of_all(resolved: Resolved, *, only_look: bool) -> list[tuple[str, str]]:
    """Owner and revision of each that was carried out, or with `only_look` that would be.

    Raises PluginError.
    """
    from backends.sql.migrations import pending  # noqa: PLC0415 - as above

    backends = Backends(resolved.config.backends)
    found = []
    try:
        for migrations in _of_plugins(resolved):
            await backends.ready(["sql"])
            if only_look:
                revisions = await pending(backends.sql, migrations.owner, migrations.folder)
            else:
                revisions = await migrated(backends, migrations)
            found += [(migrations.owner, revision) for revision in revisions]
    except BackendError as error:
        raise PluginError(f"backends.{error}") from error
    finally:
        await backends.close()
    return found


def _of_plugins(resolved: Resolved) -> Iterable[Migrations]:
    """In the file's order; of a plugin that is there twice, once."""
    kinds = [use.kind.migrations for use in resolved.plugins.values()]
    return dict.fromkeys(migrations for migrations in kinds if migrations is not None)
