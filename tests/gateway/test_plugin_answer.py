from __future__ import annotations

import pytest
from aiohttp import web

from gateway.attributes import field_value
from gateway.http1.headers import field_line
from gateway.plugin_answer import PluginAnswer


@pytest.mark.parametrize("value", ["ann", "café", "日"])
def test_a_value_goes_out_as_the_bytes_it_stands_for(value: str) -> None:
    response = web.Response()
    headers = PluginAnswer(response).headers
    headers.set("X-User", field_value(value))
    headers.add("X-User", field_value(value))
    headers.add_line(field_line("X-User", field_value(value)))
    assert response.headers.getall("X-User") == [value] * 3  # aiohttp sends UTF-8


def test_bytes_that_are_no_utf_8_stay_the_text_they_were() -> None:
    response = web.Response()
    PluginAnswer(response).headers.set("X-User", "caf\xe9")
    assert response.headers["X-User"] == "caf\xe9"


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\0"])
def test_a_value_that_would_be_more_than_one_line_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="line break or NUL"):
        PluginAnswer(web.Response()).headers.set("X-User", value)
