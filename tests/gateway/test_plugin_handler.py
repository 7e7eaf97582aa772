"""What `gateway.plugin_handler` takes for granted of aiohttp. Its behaviour is in tests/e2e."""

from __future__ import annotations

import inspect

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.web import BaseRequest
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_response import StreamResponse
from aiohttp.web_server import Server

PARAMETERS = {
    "_handle_request": ["self", "request", "start_time", "request_handler"],
    "_make_error_handler": ["self", "err_info"],
    "finish_response": ["self", "request", "resp", "start_time"],
    "handle_error": ["self", "request", "status", "exc", "message"],
}
ATTRIBUTES = ["_close", "_force_close", "_manager", "_messages", "_task_handler"]


@pytest.mark.parametrize(("method", "parameters"), PARAMETERS.items())
def test_aiohttp_has_the_methods_that_we_override_or_call(
    method: str, parameters: list[str]
) -> None:
    assert list(inspect.signature(getattr(RequestHandler, method)).parameters) == parameters


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_aiohttp_s_request_handler_has_the_attributes_that_we_use(attribute: str) -> None:
    assert attribute in RequestHandler.__slots__


def test_aiohttp_s_protocols_say_whether_they_may_write() -> None:
    assert {"_paused", "_upgraded"} <= set(BaseProtocol.__slots__)


def test_aiohttp_s_own_loop_does_with_a_request_what_ours_does() -> None:
    """Whoever raises aiohttp's version compares `start` with `PluginHandler._serve`."""
    source = inspect.getsource(RequestHandler.start)
    assert "self._parser.message_consumed()" in source
    assert "request_handler = self._make_error_handler(message)" in source
    assert "payload.set_exception(_PAYLOAD_ACCESS_ERROR)" in source
    assert list(inspect.signature(Server._make_request).parameters) == [
        "self",
        "message",
        "payload",
        "protocol",
        "writer",
        "task",
    ]


def test_aiohttp_s_responses_ask_their_request_before_the_head_goes_out() -> None:
    assert "await request._prepare_hook(self)" in inspect.getsource(StreamResponse)


def test_aiohttp_s_requests_keep_what_they_are_given_where_we_put_it() -> None:
    assert "return self._state[key]" in inspect.getsource(BaseRequest.__getitem__)


def test_aiohttp_s_flow_control_is_where_we_look_for_it() -> None:
    assert isinstance(inspect.getattr_static(BaseProtocol, "writing_paused"), property)
    assert "assert not self._paused" in inspect.getsource(BaseProtocol.pause_writing)


def test_aiohttp_s_answers_are_written_by_the_writer_that_we_replace() -> None:
    assert "self._payload_writer.write(" in inspect.getsource(StreamResponse.write)


def test_aiohttp_s_server_knows_its_connections_and_what_serves_them() -> None:
    assert "request_handler" in inspect.getsource(Server.__init__)
    assert hasattr(Server, "connection_made")
