"""Real traffic to a real nginx."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.gateway_process import eventually
from tests.e2e.nginx_process import Nginx
from tests.e2e.rawhttp import Client, request
from tests.e2e.site import Site

HOST = "nginx.test"


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with Nginx(tmp_path_factory.mktemp("nginx")) as nginx:
        yield nginx


@pytest.fixture(scope="module")
def site(new_site: Site, nginx: Nginx) -> Site:
    new_site.upstream("nginx", nginx.url)
    new_site.route("nginx", hosts=[HOST], upstream="nginx")
    return new_site.start()


def test_a_file_arrives_with_all_its_headers(client: Client, nginx: Nginx) -> None:
    seen = client.get("/small.json", HOST)
    assert seen.body == nginx.small
    names = [name for name, _ in seen.fields]
    for name in (b"Server", b"Date", b"Content-Type", b"Last-Modified", b"ETag", b"Accept-Ranges"):
        assert name in names


def test_a_file_of_16_mib_arrives_whole(client: Client, nginx: Nginx) -> None:
    client.keep = False
    assert client.get("/big.bin", HOST).body == nginx.big


def test_a_range_is_206(client: Client, nginx: Nginx) -> None:
    seen = client.get("/big.bin", HOST, "Range: bytes=1000-1999")
    assert (seen.status, seen.body) == (206, nginx.big[1000:2000])


def test_a_known_etag_is_304(client: Client) -> None:
    tag = (client.get("/small.json", HOST).value("ETag") or b"").decode()
    seen = client.get("/small.json", HOST, f"If-None-Match: {tag}")
    assert (seen.status, seen.body) == (304, b"")
    assert client.get("/small.json", HOST).status == 200


def test_head_tells_the_length(client: Client, nginx: Nginx) -> None:
    client.send(request("HEAD", "/big.bin", HOST))
    assert client.answer("HEAD").value("Content-Length") == str(len(nginx.big)).encode()
    assert client.get("/small.json", HOST).body == nginx.small


@pytest.mark.parametrize(
    ("path", "status"), [("/none", 404), ("/204", 204), ("/teapot", 418), ("/moved", 302)]
)
def test_its_statuses_are_passed_on(client: Client, path: str, status: int) -> None:
    seen = client.get(path, HOST)
    assert seen.status == status
    if status == 404:
        assert b"nginx" in seen.body
    if status == 302:
        assert (seen.value("Location") or b"").endswith(b"/elsewhere")


def test_what_it_refuses_while_an_upload_runs_is_passed_on(client: Client) -> None:
    client.send(request("POST", "/small.json", HOST, body=b"x" * 100_000))
    assert client.answer().status == 405
    assert client.get("/204", HOST).status == 204


def test_many_clients_share_few_connections(connect: Callable[[], Client], nginx: Nginx) -> None:
    wrong: list[object] = []

    def run() -> None:
        client = connect()
        for _ in range(100):
            seen = client.get("/small.json", HOST)
            if seen.status != 200 or seen.body != nginx.small:
                wrong.append(seen)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    eventually(lambda: nginx.requests_logged() >= 400, "nginx's log")
    assert nginx.connections_used() < 20
