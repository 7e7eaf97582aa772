import asyncio
import socket

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from gateway.jose.fetch import MAX_BYTES, fetch_json, is_loopback
from gateway.jose.keys import KeysUnavailable


@pytest.fixture
async def answers():
    """Handlers by path, which a test fills, behind a real server."""
    handlers = {}

    async def handle(request):
        return await handlers[request.path](request)

    made = web.Application()
    made.router.add_get("/{path:.*}", handle)
    server = TestServer(made)
    await server.start_server()
    handlers["url"] = str(server.make_url("")).rstrip("/")
    yield handlers
    await server.close()


def replies(**arguments):
    async def handler(request):
        return web.Response(**arguments)

    return handler


@pytest.mark.parametrize(
    ("cache_control", "seconds"),
    [
        ("max-age=90", 90),
        ("public, Max-Age=90, must-revalidate", 90),
        ("no-store", None),
        ("", None),
        ("s-maxage=90", None),
        ("max-age=x", None),
        ("max-age=99999999999999", None),
    ],
)
async def test_the_lifetime_is_what_cache_control_says(answers, cache_control, seconds):
    answers["/keys"] = replies(text='{"a": 1}', headers={"Cache-Control": cache_control})
    assert await fetch_json(f"{answers['url']}/keys") == ({"a": 1}, seconds)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"status": 404}, "answered 404"),
        ({"status": 304}, "answered 304"),
        ({"status": 500, "text": "{}"}, "answered 500"),
        ({"text": "<html>"}, "not JSON"),
        ({"body": b"\xff\xfe\xfd"}, "not JSON"),
        ({"text": "[" * 100_000}, "not JSON"),
        ({"body": b" " * (MAX_BYTES + 1)}, f"more than {MAX_BYTES} bytes"),
        ({"status": 302}, "too many redirects"),
        ({"status": 302, "headers": {"Location": "http://example.invalid/"}}, "is not https"),
        ({"status": 307, "headers": {"Location": "file:///etc/passwd"}}, "is not https"),
        ({"status": 302, "headers": {"Location": "http://[x"}}, "ValueError"),
        ({"headers": {"Content-Encoding": "gzip"}, "body": b"junk"}, "ClientPayloadError"),
    ],
)
async def test_an_answer_that_is_no_document_says_why_and_quotes_nothing(answers, answer, message):
    answers["/keys"] = replies(**answer)
    with pytest.raises(KeysUnavailable, match=message) as refused:
        await fetch_json(f"{answers['url']}/keys?code=hidden")
    assert "hidden" not in str(refused.value)


async def test_a_compressed_flood_is_cut_off(answers):
    async def flood(request):
        answer = web.Response(body=b" " * (64 * MAX_BYTES))
        answer.enable_compression(web.ContentCoding.gzip)
        return answer

    answers["/keys"] = flood
    with pytest.raises(KeysUnavailable, match="more than"):
        await fetch_json(f"{answers['url']}/keys")


async def test_a_redirect_on_the_loopback_is_followed_and_no_cookie_is_kept(answers):
    async def here(request):
        raise web.HTTPFound("/there", headers={"Set-Cookie": "a=b"})

    async def there(request):
        return web.json_response(dict(request.headers))

    answers.update({"/here": here, "/there": there})
    content, _ = await fetch_json(f"{answers['url']}/here")
    assert "Cookie" not in content


async def test_redirects_in_a_circle_end(answers):
    seen = []

    async def circle(request):
        seen.append(request)
        raise web.HTTPTemporaryRedirect("/circle")

    answers["/circle"] = circle
    with pytest.raises(KeysUnavailable, match="too many redirects"):
        await fetch_json(f"{answers['url']}/circle")
    assert len(seen) == 4


async def test_a_redirect_to_https_is_followed(answers):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        target = f"https://127.0.0.1:{free.getsockname()[1]}/keys"
    answers["/keys"] = replies(status=308, headers={"Location": target})
    with pytest.raises(KeysUnavailable, match=f"{target}: ClientConnectorError"):
        await fetch_json(f"{answers['url']}/keys")


async def test_proxies_of_the_environment_are_not_used(answers, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    answers["/keys"] = replies(text="{}")
    assert (await fetch_json(f"{answers['url']}/keys")).content == {}


async def test_an_issuer_that_never_answers_is_given_up(answers):
    released = asyncio.Event()

    async def hang(request):
        await released.wait()
        return web.Response()

    answers["/keys"] = hang
    with pytest.raises(KeysUnavailable, match="no answer in time"):
        await fetch_json(f"{answers['url']}/keys", patience=0.05)
    released.set()


async def test_an_issuer_that_breaks_off_is_an_error():
    async def drop(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"keys"')
        writer.close()

    server = await asyncio.start_server(drop, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(KeysUnavailable, match="ClientPayloadError"):
            await fetch_json(f"http://127.0.0.1:{port}/keys")


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://localhost:1", True),
        ("http://127.9.9.9/", True),
        ("http://[::1]/", True),
        ("http://10.0.0.1/", False),
        ("http://localhost.example/", False),
        ("/path", False),
    ],
)
def test_the_loopback_is_known_by_name_and_address(url, loopback):
    assert is_loopback(URL(url)) is loopback
