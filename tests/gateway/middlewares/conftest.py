import json

import pytest

from backends.catalogue import Backends
from gateway.middlewares.jwt import Jwt
from gateway.plugin import Context
from gateway.telemetry.metrics import Metrics
from tests.gateway.jose.signing import jwks
from tests.gateway.middlewares.jwt_guard import ONE


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
async def guarded(tmp_path, metrics):
    """Starts a jwt guard of the given options, and stops it in the end."""
    started = []

    async def start(offers=None, **options):
        context = Context(
            name="signed_in",
            folder=tmp_path,
            metrics=metrics,
            backends=Backends({}),
            plugin=(offers or {}).get,
            plugins=lambda: offers or {},
        )
        guard = Jwt(Jwt.Options(**options), context)
        started.append(guard)
        await guard.start()
        return guard

    yield start
    for guard in started:
        await guard.stop()


@pytest.fixture
async def by_file(guarded, tmp_path):
    """A jwt guard whose keys lie in a file."""
    (tmp_path / "keys.json").write_text(json.dumps(jwks(ONE)))

    async def start(**options):
        return await guarded(jwks="keys.json", **options)

    return start
