"""What every refusal of the gateway has in common."""

from __future__ import annotations

from tests.e2e.rawhttp import Client, Message


def assert_problem(answer: Message, status: int) -> None:
    assert answer.status == status, (answer.start, answer.body)
    assert answer.complete
    assert answer.value("Content-Type") == b"application/problem+json"
    document = answer.json()
    assert set(document) == {"type", "title", "status", "detail", "request_id"}
    assert document["status"] == status
    assert document["title"]
    assert document["request_id"]


def assert_refused(client: Client, status: int, method: str = "GET") -> Message:
    """One problem, `Connection: close`, and the connection is closed."""
    answer = client.answer(method)
    assert_problem(answer, status)
    assert (answer.value("Connection") or b"").lower() == b"close"
    client.sees_the_end()
    return answer
