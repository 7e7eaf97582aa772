from __future__ import annotations

import pytest

from gateway.config.units import Rate, parse_duration, parse_rate, parse_ratio, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30), ("1.5s", 1.5), ("5m", 300), ("1h30m", 5400), ("1d", 86400)],
)
def test_a_duration_is_a_number_of_seconds(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "30", "s", "30 s", "-1s", "1s ", "1w", "٣s", "9" * 400 + "s"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("512", 512), ("512B", 512), ("64KiB", 65536), ("1.5 KiB", 1536), ("10MB", 10_000_000)],
)
def test_a_size_is_a_number_of_bytes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "-1", "KiB", "1kb", "1TiB", "9" * 400])
def test_anything_else_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="expected a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "rate"), [("30/s", Rate(30, 1)), ("100/m", Rate(100, 60)), ("5/10s", Rate(5, 10))]
)
def test_a_rate_is_so_many_requests_in_so_many_seconds(text: str, rate: Rate) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "30", "0/s", "1/0s", "1/w", "-1/s", "1.5/s"])
def test_anything_else_is_no_rate(text: str) -> None:
    with pytest.raises(ValueError, match="expected a rate"):
        parse_rate(text)


def test_a_share_is_a_fraction_of_one() -> None:
    assert parse_ratio("20%") == pytest.approx(0.2)
    assert parse_ratio("100 %") == 1


@pytest.mark.parametrize("text", ["", "20", "101%", "-1%"])
def test_anything_else_is_no_share(text: str) -> None:
    with pytest.raises(ValueError, match="expected a share"):
        parse_ratio(text)
