from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.rawhttp import Client
from tests.e2e.scripted_upstream import ScriptedUpstream
from tests.e2e.site import Site


@pytest.fixture(scope="module")
def new_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """To be described and started by the module's own `site` fixture."""
    site = Site(tmp_path_factory.mktemp("site"))
    yield site
    site.close()


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[Site]:
    """A gateway for one test, which describes and starts it, and may stop it."""
    site = Site(tmp_path)
    yield site
    site.close()


@pytest.fixture(autouse=True)
def _gateway_stays_well(request: pytest.FixtureRequest) -> Iterator[None]:
    """After every test the shared gateway lives, and its log tells of no surprise."""
    shared = "new_site" in request.fixturenames
    site = request.getfixturevalue("new_site") if shared else None
    yield
    if site is not None:
        site.close_clients()
        site.gateway.assert_well()


@pytest.fixture
def connect(site: Site) -> Callable[[], Client]:
    """Connections to the shared gateway, closed after the test."""
    return site.connect


@pytest.fixture
def client(site: Site) -> Client:
    return site.connect()


@pytest.fixture
def upstream(site: Site) -> ScriptedUpstream:
    """A scripted upstream that no other test uses; it answers 200 `ok` until told otherwise."""
    upstream = site.fresh()
    upstream.start()
    return upstream
