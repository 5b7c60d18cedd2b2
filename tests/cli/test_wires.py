"""Wire formats are told from their bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gestura.cli.wires import guess_wire


@pytest.mark.parametrize(
    ("body", "wire"),
    [
        (b'data: {"choices": []}\n\n', "openai_chat"),
        (b': OPENROUTER PROCESSING\n\ndata: {"choices": []}\n\n', "openai_chat"),
        (b'data: {"error": {"message": "Overloaded"}}\n\n', "openai_chat"),
        (b'\xef\xbb\xbfevent: response.created\r\ndata: {"type": "response.created"}\r\n\r\n', "openai_responses"),
        (b'event: response.created\ndata: {"response": {}}\n\n', "openai_responses"),
        (b'data: {"type": "message_start", "message": {}}\n\n', "anthropic"),
        (b'event: ping\ndata: {"type": "ping"}\n\n', "anthropic"),
        (b'data: {"candidates": []}', "gemini"),
        (b'data: {"promptFeedback": {"blockReason": "SAFETY"}}\n\n', "gemini"),
        (b'\n {"message": {"content": "Hi"}, "done": false}\n', "ollama"),
        (b'{"error": "model not found"}', "ollama"),
        (b"data: [DONE]\n\n", "openai_chat"),
        (b'data: []\n\ndata: "x"\n\ndata: {{{\n\ndata: {"candidates": []}\n\n', "gemini"),
        (b"", "openai_chat"),
    ],
)
def test_the_first_telling_event_decides(body: bytes, wire: str) -> None:
    """Comments, errors and what could be anybody's are passed over; Chat Completions is the last resort."""
    assert wire == guess_wire(body)


@pytest.mark.recordings
def test_recorded_traffic_is_recognised(recording) -> None:
    """Each recorded stream is told from the other formats."""
    assert recording.wire == guess_wire(recording.read())


@given(st.binary())
def test_any_bytes_are_something(body: bytes) -> None:
    """Garbage is a guess like any other, never an exception."""
    assert guess_wire(body) in ("openai_chat", "openai_responses", "anthropic", "gemini", "ollama")
