"""Wire formats are told from their bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gestura.cli.recordings.wires import WIRES, guess_wire


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
        (b'data: [DONE]\n\ndata: {"candidates": []}\n\n', "gemini"),
        (b"", None),
        (b"Dear Sir or Madam,\n\nplease find enclosed", None),
        (b'data: {"choi', None),
        (b'data: {"a": 1}\n\n', None),
        (b'{\n  "name": "a",\n  "done": true\n}\n', None),
        (b'[{"done": true}]', None),
    ],
)
def test_the_first_telling_event_decides(body: bytes, wire: str | None) -> None:
    """Comments and what could be anybody's are passed over; where there is nothing else it is Chat Completions."""
    assert wire == guess_wire(body)


@pytest.mark.recordings
def test_recorded_traffic_is_recognised(recording) -> None:
    """Each recorded stream is told from the other formats."""
    assert recording.wire == guess_wire(recording.read())


@given(st.binary())
def test_any_bytes_can_be_guessed_at(body: bytes) -> None:
    """Garbage is nobody's, never an exception."""
    assert guess_wire(body) in (None, *WIRES)
