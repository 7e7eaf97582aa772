"""What `gateway.inprocess` takes for granted of aiohttp. Its behaviour is in tests/e2e."""

from __future__ import annotations

import inspect

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.web import BaseRequest
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_response import StreamResponse
from aiohttp.web_server import Server

PARAMETERS = {
    "finish_response": ["self", "request", "resp", "start_time"],
    "handle_error": ["self", "request", "status", "exc", "message"],
}
ATTRIBUTES = ["_request_factory", "_task_handler", "_close", "_force_close"]


@pytest.mark.parametrize(("method", "parameters"), PARAMETERS.items())
def test_aiohttp_calls_the_methods_that_we_override(method: str, parameters: list[str]) -> None:
    assert list(inspect.signature(getattr(RequestHandler, method)).parameters) == parameters


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_aiohttp_s_request_handler_has_the_attributes_that_we_use(attribute: str) -> None:
    assert attribute in RequestHandler.__slots__


def test_aiohttp_asks_the_handler_s_own_factory_for_requests() -> None:
    assert "self._request_factory(" in inspect.getsource(RequestHandler.start)


def test_aiohttp_s_requests_keep_what_they_are_given_where_we_put_it() -> None:
    assert "return self._state[key]" in inspect.getsource(BaseRequest.__getitem__)


def test_aiohttp_s_flow_control_is_where_we_look_for_it() -> None:
    assert isinstance(inspect.getattr_static(BaseProtocol, "writing_paused"), property)
    assert "assert not self._paused" in inspect.getsource(BaseProtocol.pause_writing)


def test_aiohttp_s_answers_are_written_by_the_writer_that_we_replace() -> None:
    assert "self._payload_writer.write(" in inspect.getsource(StreamResponse.write)


def test_aiohttp_s_server_makes_requests_and_counts_connections() -> None:
    parameters = inspect.signature(Server.__init__).parameters
    assert "request_factory" in parameters
    assert hasattr(Server, "connection_made")
